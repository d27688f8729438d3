package storetest

import (
	"testing"

	"github.com/sendoff-dev/sendoff/store"
)

// Fill has an empty store hold a bit of everything: what is left when every answer of every
// operation was asked for. clock is the time by then, in microseconds. open is as for Run, and is called once.
func Fill(t *testing.T, open func(clock func() int64) store.Store) (clock int64) {
	page := store.FollowPage
	defer func() { store.FollowPage = page }()
	store.FollowPage = 3
	m := newMachine(t, open, map[string]int{})
	for _, what := range answers {
		m.aim(what)
	}
	for _, what := range answersOfFunctions {
		m.aim(what)
	}
	for _, what := range answersOfDeps {
		m.reach(what, aimsOfDeps[what])
	}
	for _, what := range answersOfGates {
		m.aimAtGates(what)
	}
	m.compareAll()
	return m.now
}
