//go:build unix && !linux

package process

import (
	"errors"
	"os"
)

// newGuarded starts processes from here: there is no guardian on this system.
func newGuarded(_, _ []string) (spawner, error) { return newDirect(), nil }

// Guard is the life of a guardian, which there is on Linux only.
func Guard() error { return errors.New("there is no guardian of processes on this system") }

func resident(int) int64 { return 0 }

// There are no cgroups on this system, and nobody tells how much memory a process uses.

type cells struct{}

func newCells() (*cells, error) { return nil, errors.New("this system has none") }

func (c *cells) add(int64) (*cell, error) { return nil, errors.ErrUnsupported }

type cell struct{ dir *os.File }

func (c *cell) set(string, string) error { return errors.ErrUnsupported }

func (c *cell) over() bool { return false }

func (c *cell) remove() {}

func oomFile() string { return "" }

func oomKills(string) int { return 0 }

func trees([]int) map[int]int64 { return nil }
