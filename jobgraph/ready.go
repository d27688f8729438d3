package jobgraph

import "time"

// turn is when an attempt has its turn: passes come one after the other, and within
// one the jobs by their places.
type turn struct{ pass, place int }

// ready is a heap of what may be attempted now, for container/heap.
type ready []turn

func (r ready) Len() int      { return len(r) }
func (r ready) Swap(i, k int) { r[i], r[k] = r[k], r[i] }
func (r ready) Less(i, k int) bool {
	if r[i].pass != r[k].pass {
		return r[i].pass < r[k].pass
	}
	return r[i].place < r[k].place
}
func (r *ready) Push(t any) { *r = append(*r, t.(turn)) }
func (r *ready) Pop() any {
	last := len(*r) - 1
	t := (*r)[last]
	*r = (*r)[:last]
	return t
}

// delayed is a turn that nobody has before its time.
type delayed struct {
	Turn
	due time.Time
}

// delays is a heap of what may be attempted later, for container/heap.
type delays []delayed

func (d delays) Len() int           { return len(d) }
func (d delays) Swap(i, k int)      { d[i], d[k] = d[k], d[i] }
func (d delays) Less(i, k int) bool { return d[i].due.Before(d[k].due) }
func (d *delays) Push(t any)        { *d = append(*d, t.(delayed)) }
func (d *delays) Pop() any {
	last := len(*d) - 1
	t := (*d)[last]
	*d = (*d)[:last]
	return t
}
