package cron

import (
	"hash/fnv"
	"math/bits"
	"time"
)

// Jitter is how much later than due a schedule with a name fires: from 0 to below
// most, in whole microseconds. It is the same for each of its times and on all
// nodes, so that the distances stay what they are and only different schedules are
// spread.
func Jitter(name string, most time.Duration) time.Duration {
	if most <= time.Microsecond {
		return 0
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(name))
	share, _ := bits.Mul64(mix(h.Sum64()), uint64(most.Microseconds()))
	return time.Duration(share) * time.Microsecond
}

// mix spreads a hash over all bits (the finalizer of MurmurHash3): the upper ones of
// FNV hardly change with the end of a name.
func mix(h uint64) uint64 {
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}
