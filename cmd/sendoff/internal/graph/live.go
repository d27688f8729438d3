package graph

import (
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/screen"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
	"github.com/sendoff-dev/sendoff/jobgraph"
)

// liveView is the tree of the jobs on a terminal, drawn anew as they go on, with the last
// lines that they print below it.
type liveView struct {
	t      *term.Terminal
	prefix *prefix
	keys   string        // what the keys do, in words
	ended  chan struct{} // closed when the drawing is to end
	drawn  chan struct{} // closed when it has
	once   sync.Once

	mu       sync.Mutex
	tally    *tally
	log      []string
	canceled bool
	up       int // rows that were scrolled up or down by hand
	byHand   bool
}

const (
	maxLog    = 200
	drawEvery = 100 * time.Millisecond
)

func newLiveView(t *term.Terminal, of *tally) *liveView {
	v := &liveView{t: t, tally: of, keys: " q cancel  up/down scroll", ended: make(chan struct{}), drawn: make(chan struct{})}
	v.prefix = newPrefix(v)
	return v
}

func (v *liveView) observe(e jobgraph.Event) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.tally.observe(e)
}

func (v *liveView) output(job string) io.Writer { return v.prefix.of(job) }

// Write takes whole lines of what jobs print.
func (v *liveView) Write(b []byte) (int, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for line := range strings.SplitSeq(strings.TrimRight(string(b), "\n"), "\n") {
		v.log = append(v.log, term.Clean(strings.ReplaceAll(line, "\t", "    ")))
	}
	if n := len(v.log); n > maxLog {
		v.log = slices.Clone(v.log[n-maxLog:])
	}
	return len(b), nil
}

// enter takes the terminal over until leave. Ctrl+C and q are keys then.
func (v *liveView) enter(interrupt func()) {
	s := screen.New()
	var keys <-chan screen.Key
	if s.Enter() == nil {
		keys = s.Keys()
	}
	go func() {
		defer close(v.drawn)
		defer s.Leave()
		v.draw(s, keys, interrupt)
	}()
}

func (v *liveView) draw(s *screen.Screen, keys <-chan screen.Key, interrupt func()) {
	tick := time.NewTicker(drawEvery)
	defer tick.Stop()
	for {
		columns, lines := s.Size()
		s.Show(v.picture(columns, lines, time.Now()))
		select {
		case <-v.ended:
			return
		case <-tick.C:
		case k := <-keys:
			if v.press(k) {
				interrupt()
			}
		}
	}
}

// press returns whether the run is to end.
func (v *liveView) press(k screen.Key) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch k {
	case screen.KeyInterrupt, "q":
		v.canceled = true
		return true
	case screen.KeyEscape:
		v.byHand = false
	case screen.KeyUp, screen.KeyDown, screen.KeyPageUp, screen.KeyPageDown:
		v.byHand = true
		v.up += map[screen.Key]int{screen.KeyUp: -1, screen.KeyDown: 1, screen.KeyPageUp: -10, screen.KeyPageDown: 10}[k]
	}
	return false
}

// picture is all lines of the screen.
func (v *liveView) picture(columns, lines int, now time.Time) []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	body := max(lines-3, 1)
	log := min(len(v.log), body/3)
	if body < 9 {
		log = 0
	}
	tree := body - log
	if log > 0 {
		tree--
	}
	tree = min(tree, len(v.tally.rows))
	rows := v.window(tree)
	width := min(v.tally.width(rows), max(columns/2, 12))
	out := []string{v.t.Paint("head", term.Cut(headLine(width), columns))}
	for _, r := range rows {
		out = append(out, r.line(v.t, now, width, columns))
	}
	if log > 0 {
		out = append(out, v.t.Paint("rule", strings.Repeat("─", columns)))
		for _, line := range v.log[len(v.log)-log:] {
			out = append(out, term.Cut(line, columns))
		}
	}
	for len(out) < lines-2 {
		out = append(out, "")
	}
	status := " " + v.tally.counts(now) + "  " + term.Short(now.Sub(v.tally.began).Round(time.Second))
	keys := v.keys
	if v.canceled {
		status, keys = status+"  |  canceled, cleaning up", " q end at once, without cleanups"
	}
	out = append(out[:max(lines-2, 0)], "\x1b[7m"+term.Padded(status, columns)+"\x1b[0m", v.t.Paint("rule", term.Cut(keys, columns)))
	return out[:min(len(out), lines)]
}

// window is the part of the rows in view: around the first job that runs, unless somebody
// has scrolled.
func (v *liveView) window(room int) []*row {
	rows := v.tally.rows
	if !v.byHand {
		at := slices.IndexFunc(rows, func(r *row) bool { return r.State == jobgraph.Running })
		if at >= 0 && (at < v.up || at >= v.up+room) {
			v.up = at - room/3
		}
	}
	v.up = max(min(v.up, len(rows)-room), 0)
	return rows[v.up : v.up+room]
}

func (v *liveView) leave() {
	v.once.Do(func() {
		v.prefix.flush()
		close(v.ended)
		<-v.drawn
	})
}

// end leaves the tree on the terminal.
func (v *liveView) end(res *jobgraph.Result) error {
	rows := make([]*row, len(res.Jobs))
	for i := range res.Jobs {
		rows[i] = rowOf(&res.Jobs[i])
	}
	tallyOf(res.Goal, rows).print(v.t)
	printEnd(v.t, res)
	return nil
}
