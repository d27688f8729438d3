//go:build race

package storetest

// raced is true under the race detector, which makes a store written in
// translated C about fifteen times slower.
const raced = true
