//go:build linux

package powerfs

import (
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
)

// sector is what a disk writes as a whole: a torn write ends at a multiple.
const sector = 512

// A Loss says what a power cut does to the writes that no sync covers.
type Loss int

const (
	// DropAll loses every one of them.
	DropAll Loss = iota
	// KeepPrefix keeps, in each file, the first few; the last of these may be
	// torn at a sector.
	KeepPrefix
	// KeepSubset keeps, in each file, any of them: the disk reordered. Each
	// that is kept may be torn at a sector.
	KeepSubset
)

func (l Loss) String() string {
	return [...]string{"drop all", "keep a prefix", "keep a subset"}[l]
}

// A Disk outlives the mounts of its filesystem as a disk outlives the kernel.
// It is safe for concurrent use.
type Disk struct {
	mu     sync.Mutex
	rng    *rand.Rand
	names  map[string]*file // as programs see them
	stable map[string]*file // as they are after a cut that loses names
	epoch  int              // one more after each cut
	stats  Stats
}

// Stats counts what a Disk went through.
type Stats struct {
	Writes, Syncs int
	Cuts          int
	LostWrites    int // writes that a cut dropped
}

// file is the content of one file: what programs read, what the platter has,
// and the changes between the two.
type file struct {
	mode    uint32
	current []byte
	stable  []byte
	pending []change
}

// change is a write, or a new size when data is nil.
type change struct {
	off  int64
	data []byte
}

// NewDisk returns an empty disk. The seed decides what cuts keep.
func NewDisk(seed uint64) *Disk {
	return &Disk{
		rng:    rand.New(rand.NewPCG(seed, 1)),
		names:  map[string]*file{},
		stable: map[string]*file{},
	}
}

// Cut takes the power away: what was not synced is lost as l says, and every
// file handle of the mount at hand fails with EIO from now on. When loseNames
// is set, files whose creation, removal or renaming was not synced (by a sync
// of the directory, or of the file itself) have their old names again.
func (d *Disk) Cut(l Loss, loseNames bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.epoch++
	d.stats.Cuts++
	if loseNames {
		d.names = maps.Clone(d.stable)
	}
	d.stable = maps.Clone(d.names)
	for _, name := range slices.Sorted(maps.Keys(d.names)) {
		d.lose(d.names[name], l)
	}
}

// Stats returns the counts so far.
func (d *Disk) Stats() Stats {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.stats
}

func (d *Disk) lose(f *file, l Loss) {
	kept := d.survivors(f.pending, l)
	d.stats.LostWrites += len(f.pending) - len(kept)
	for _, c := range kept {
		f.stable = c.apply(f.stable)
	}
	f.pending = nil
	f.current = slices.Clone(f.stable)
}

func (d *Disk) survivors(pending []change, l Loss) []change {
	var kept []change
	switch l {
	case DropAll:
	case KeepPrefix:
		kept = slices.Clone(pending[:d.rng.IntN(len(pending)+1)])
		if n := len(kept); n > 0 {
			kept[n-1] = d.tear(kept[n-1])
		}
	case KeepSubset:
		for _, c := range pending {
			if d.rng.IntN(2) == 0 {
				kept = append(kept, d.tear(c))
			}
		}
	}
	return kept
}

// tear leaves every second write whole and cuts the others at a sector.
func (d *Disk) tear(c change) change {
	if len(c.data) <= sector || d.rng.IntN(2) == 0 {
		return c
	}
	return change{off: c.off, data: c.data[:sector*d.rng.IntN(len(c.data)/sector+1)]}
}

func (c change) apply(b []byte) []byte {
	if c.data == nil {
		return resize(b, c.off)
	}
	if end := c.off + int64(len(c.data)); end > int64(len(b)) {
		b = resize(b, end)
	}
	copy(b[c.off:], c.data)
	return b
}

func resize(b []byte, size int64) []byte {
	if size <= int64(len(b)) {
		clear(b[size:]) // a later growth reads zeros
		return b[:size]
	}
	return append(b, make([]byte, size-int64(len(b)))...)
}

// do runs fn under the lock unless the power was cut since epoch.
func (d *Disk) do(epoch int, fn func()) syscall.Errno {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.epoch != epoch {
		return syscall.EIO
	}
	fn()
	return 0
}

func (d *Disk) change(f *file, c change) {
	f.current = c.apply(f.current)
	f.pending = append(f.pending, c)
	d.stats.Writes++
}

// sync makes the content of a file and its present name stable.
func (d *Disk) sync(f *file) {
	for _, c := range f.pending {
		f.stable = c.apply(f.stable)
	}
	f.pending = nil
	for name, g := range d.names {
		if g == f {
			d.stable[name] = f
		}
	}
	d.stats.Syncs++
}

func (d *Disk) syncNames() {
	d.stable = maps.Clone(d.names)
	d.stats.Syncs++
}
