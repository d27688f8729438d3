package durable

import (
	"cmp"
	"container/heap"
)

// timers holds timers, the next one first. Those that have ended stay until
// they come up.
type timers []*Future

func (t timers) Len() int { return len(t) }
func (t timers) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(t[i].at, t[j].at), cmp.Compare(t[i].ordinal, t[j].ordinal)) < 0
}
func (t timers) Swap(i, j int) { t[i], t[j] = t[j], t[i] }
func (t *timers) Push(x any)   { *t = append(*t, x.(*Future)) }

// Pop implements heap.Interface.
func (t *timers) Pop() any {
	last := len(*t) - 1
	f := (*t)[last]
	*t = (*t)[:last]
	return f
}

func (t *timers) add(f *Future) { heap.Push(t, f) }

// nearest returns the next timer that has not ended, or nil.
func (t *timers) nearest() *Future {
	for t.Len() > 0 {
		if f := (*t)[0]; !f.done {
			return f
		}
		heap.Pop(t)
	}
	return nil
}
