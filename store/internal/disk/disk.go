// Package disk says how much room a disk has. It knows no database.
package disk
