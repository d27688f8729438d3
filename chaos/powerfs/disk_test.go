//go:build linux

package powerfs

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCutKeepsAPart(t *testing.T) {
	seen := map[string]bool{}
	for seed := range uint64(64) {
		for _, loss := range []Loss{DropAll, KeepPrefix, KeepSubset} {
			d, f := NewDisk(seed), &file{}
			d.names["a"] = f
			d.change(f, change{off: 0, data: []byte("0")})
			d.sync(f)
			d.change(f, change{off: 1, data: []byte("1")})
			d.change(f, change{off: 2, data: []byte("2")})
			require.Equal(t, "012", string(f.current))
			d.Cut(loss, false)
			seen[fmt.Sprint(loss, ": ", strings.ReplaceAll(string(f.current), "\x00", "_"))] = true
		}
	}
	want := map[string]bool{
		"drop all: 0":      true,
		"keep a prefix: 0": true, "keep a prefix: 01": true, "keep a prefix: 012": true,
		"keep a subset: 0": true, "keep a subset: 01": true, "keep a subset: 0_2": true, "keep a subset: 012": true,
	}
	require.Equal(t, want, seen)
}

func TestCutTearsAtSectors(t *testing.T) {
	sizes := map[int]bool{}
	for seed := range uint64(512) {
		d, f := NewDisk(seed), &file{}
		d.names["a"] = f
		d.change(f, change{off: 0, data: make([]byte, 3*sector)})
		d.Cut(KeepSubset, false)
		sizes[len(f.current)] = true
	}
	require.Equal(t, map[int]bool{0: true, sector: true, 2 * sector: true, 3 * sector: true}, sizes)
}

func TestGrowthReadsZeros(t *testing.T) {
	d, f := NewDisk(1), &file{}
	d.change(f, change{off: 0, data: []byte("secret")})
	d.change(f, change{off: 2})
	d.change(f, change{off: 6})
	require.Equal(t, "se\x00\x00\x00\x00", string(f.current))
}
