package claim

import (
	"sync"
	"sync/atomic"
)

// crew carries attempts out, each on a goroutine of its own that stays for the next one:
// its stack has grown by then, which costs more than a short task.
type crew struct {
	work func(job)
	jobs chan job // to those that wait for one
	idle atomic.Int32
	busy sync.WaitGroup
}

// idleCrew is how many goroutines wait for a job at most; others end with theirs.
const idleCrew = 256

func newCrew(work func(job)) *crew { return &crew{work: work, jobs: make(chan job)} }

// do has a job done, at once.
func (c *crew) do(j job) {
	c.busy.Add(1)
	select {
	case c.jobs <- j:
	default:
		go c.member(j)
	}
}

func (c *crew) member(j job) {
	for more := true; more; {
		c.work(j)
		c.busy.Done()
		if c.idle.Add(1) > idleCrew {
			c.idle.Add(-1)
			return
		}
		j, more = <-c.jobs
		c.idle.Add(-1)
	}
}

// disband lets those go that wait: no job comes any more. The others end with theirs.
func (c *crew) disband() { close(c.jobs) }

// wait returns when no job is under way.
func (c *crew) wait() { c.busy.Wait() }
