package claim

import (
	"math"
	"time"
)

// Pace is how often a node may start attempts of a queue. It is a bucket of starts,
// which fills evenly: the generic cell rate algorithm (ITU-T I.371), counted the
// other way round.
type Pace struct {
	Every time.Duration // between two starts
	Burst int           // starts at once; 0 = none, and none ever
}

// slack is what a burst is cut by, but for its first start: starts that left us evenly
// come unevenly where they go, and are still no more than they may be there.
const slack = 25 * time.Millisecond

// shortest is the shortest time to wait for more starts than one.
const shortest = 10 * time.Millisecond

// bucket holds the starts that are left. Those that a claim or an attempt has reserved are
// in it until they are made: it fills up no further meanwhile, and none is lost with what
// is not made after all.
type bucket struct {
	Pace
	level    float64
	at       time.Time // when it was so
	reserved int
	ringing  bool // who waits is rung when there is more
}

func (b *bucket) most() float64 {
	if b.Burst == 0 {
		return 0
	}
	return max(float64(b.Burst)-slack.Seconds()/b.Every.Seconds(), 1)
}

func (b *bucket) fill(now time.Time) {
	if b.Burst > 0 {
		b.level = min(b.level+now.Sub(b.at).Seconds()/b.Every.Seconds(), b.most())
	}
	b.at = now
}

// free is how many starts can be reserved.
func (b *bucket) free(now time.Time) int {
	b.fill(now)
	return max(int(math.Floor(b.level+1e-9))-b.reserved, 0)
}

// wait is how long to wait for more; 0 = for nothing that time brings.
func (b *bucket) wait() time.Duration {
	missing := float64(b.reserved+1) - b.level
	if b.Burst == 0 || b.most() < float64(b.reserved+1) {
		return 0
	}
	full := b.most() - b.level
	seconds := max(missing*b.Every.Seconds(), min(full*b.Every.Seconds(), shortest.Seconds()))
	return time.Duration(math.Ceil(seconds*1e9)) + 1
}

// spend makes starts, of those reserved.
func (b *bucket) spend(now time.Time, reserved, made int) {
	b.fill(now)
	b.reserved -= reserved
	b.level -= float64(made)
}

// keep leaves so many starts reserved, of those that were, for attempts that have not begun.
func (b *bucket) keep(now time.Time, reserved, kept int) {
	b.fill(now)
	b.reserved += kept - min(reserved, b.reserved)
}

// change gives the bucket another size. What it was good for and is not any more is
// returned; credit is what it is good for besides.
func (b *bucket) change(now time.Time, p Pace, credit float64) (over float64) {
	b.fill(now)
	b.Pace = p
	b.level += credit
	over = max(b.level-b.most(), 0)
	b.level -= over
	return over
}
