package store

import (
	"encoding/binary"
	"math/bits"
	"time"

	"github.com/sendoff-dev/sendoff/task"
)

// Buckets is how many there are in a Histogram.
const Buckets = 24

// Histogram counts durations: the first bucket has those up to 1 ms, each next one those up
// to twice as long, the last one all that are longer.
type Histogram [Buckets]int64

// Note counts a duration.
func (h *Histogram) Note(d time.Duration) {
	h[min(bits.Len64(uint64(max(d-1, 0)/time.Millisecond)), Buckets-1)]++
}

// Quantile is about the duration that a share of all durations is not longer than; false
// when there are none. Within a bucket they are taken to be spread evenly.
func (h *Histogram) Quantile(share float64) (time.Duration, bool) {
	total := int64(0)
	for _, n := range h {
		total += n
	}
	rank, seen := share*float64(total), 0.0
	for i, n := range h {
		if n == 0 || seen+float64(n) < rank {
			seen += float64(n)
			continue
		}
		low, high := time.Duration(0), time.Millisecond<<i
		if i > 0 {
			low = high / 2
		}
		return low + time.Duration((rank-seen)/float64(n)*float64(high-low)), true
	}
	return 0, false
}

// Classes is how many values a task.Class has.
const Classes = int(task.Block) + 1

// Tally is what happened in a line in some time.
type Tally struct {
	Accepted, Started            int64          // tasks, attempts
	Outcomes                     [Classes]int64 // of attempts, by task.Class
	Succeeded, Failed, Canceled  int64          // tasks that ended with an attempt
	Wait, Run                    Histogram      // from ready to started; of attempts
	Ready, Scheduled, Running    int64          // how many there were, the most that were seen at a time
	Suspended, Blocked, DeadOnes int64
	OldestReady                  int64 // how long the first in line had waited, microseconds, the most that was seen
}

// Add adds what another node counted, or what happened later: counts are added, of depths the
// greater one stays.
func (t *Tally) Add(more *Tally) {
	sums, others := t.sums(), more.sums()
	for i := range sums {
		*sums[i] += *others[i]
	}
	most, others := t.most(), more.most()
	for i := range most {
		*most[i] = max(*most[i], *others[i])
	}
}

// Join adds what happened in another line at the same time: all is added, but for the
// longest wait.
func (t *Tally) Join(other *Tally) {
	sums, others := append(t.sums(), t.depths()...), append(other.sums(), other.depths()...)
	for i := range sums {
		*sums[i] += *others[i]
	}
	t.OldestReady = max(t.OldestReady, other.OldestReady)
}

// Ended counts a task that ended.
func (t *Tally) Ended(to task.State) {
	switch to {
	case task.Succeeded:
		t.Succeeded++
	case task.Failed:
		t.Failed++
	case task.Canceled:
		t.Canceled++
	}
}

// sums are the counts, in the order in which they are stored; new ones come last.
func (t *Tally) sums() []*int64 {
	list := []*int64{&t.Accepted, &t.Started, &t.Succeeded, &t.Failed, &t.Canceled}
	for i := range t.Outcomes {
		list = append(list, &t.Outcomes[i])
	}
	for i := range t.Wait {
		list = append(list, &t.Wait[i], &t.Run[i])
	}
	return list
}

// most are the depths and the longest wait.
func (t *Tally) most() []*int64 {
	return append(t.depths(), &t.OldestReady)
}

func (t *Tally) depths() []*int64 {
	return []*int64{&t.Ready, &t.Scheduled, &t.Running, &t.Suspended, &t.Blocked, &t.DeadOnes}
}

// tallyVersion is the first byte of a Tally in its stored form.
const tallyVersion = 1

// Encode returns the stored form.
func (t *Tally) Encode() []byte {
	b := []byte{tallyVersion}
	for _, n := range append(t.most(), t.sums()...) {
		b = binary.AppendUvarint(b, uint64(max(*n, 0)))
	}
	return b
}

// DecodeTally reads the stored form; false when it is none of this version.
func DecodeTally(b []byte) (t Tally, ok bool) {
	if len(b) == 0 || b[0] != tallyVersion {
		return t, false
	}
	b = b[1:]
	for _, n := range append(t.most(), t.sums()...) {
		v, size := binary.Uvarint(b)
		if size <= 0 {
			return Tally{}, false
		}
		*n, b = int64(v), b[size:]
	}
	return t, true
}

// targetVersion is the first byte of the stored form of a target's Tally.
const targetVersion = 2

// EncodeTarget returns the stored form of what happened with a target.
func (t *Tally) EncodeTarget(name string) []byte {
	b := binary.AppendUvarint([]byte{targetVersion}, uint64(len(name)))
	return append(append(b, name...), t.Encode()...)
}

// DecodeTarget reads what EncodeTarget wrote; false when it is something else.
func DecodeTarget(b []byte) (name string, t Tally, ok bool) {
	if len(b) == 0 || b[0] != targetVersion {
		return "", t, false
	}
	n, size := binary.Uvarint(b[1:])
	if size <= 0 || n > uint64(len(b)-1-size) {
		return "", t, false
	}
	b = b[1+size:]
	t, ok = DecodeTally(b[n:])
	return string(b[:n]), t, ok
}
