package calltree

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/screen"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
)

// Live is the tree of calls on a terminal, with the lines of the app below.
type Live struct {
	t      *term.Terminal
	screen *screen.Screen
	input  <-chan screen.Key
	feed   *Feed
	empty  func() []string // what is shown while there are no calls
	quit   func() bool     // whether somebody has asked for the end

	mode   screenMode
	logs   []string // the last maxLogs
	cutOff int      // lines that are not kept
	back   int      // lines of the log that were scrolled back

	rows   []treeRow
	folded map[string]bool // keys of calls
	failed bool            // only those are shown
	said   string          // what came of the last key
	ask    *question
	follow bool   // the newest calls stay in view
	pick   string // key of the call that is selected
	top    int

	detail    []string
	detailTop int
	loaded    time.Time
	ended     string // how the command ended
}

const (
	maxLogs    = 2000
	printLogs  = 200 // of them stay on the terminal afterwards
	loadDetail = time.Second
)

// NewLive shows the calls of a feed. empty is asked for what to show while
// there are none, quit whether somebody has asked for the end.
func NewLive(t *term.Terminal, f *Feed, empty func() []string, quit func() bool) *Live {
	return &Live{t: t, screen: screen.New(), feed: f, empty: empty, quit: quit, follow: true, folded: map[string]bool{}}
}

// Enter takes the terminal over.
func (v *Live) Enter() {
	if err := v.screen.Enter(); err != nil {
		return // it is drawn all the same
	}
	v.input = v.screen.Keys()
}

// Stays tells how the command ended, and returns whether there is somebody who
// can look on.
func (v *Live) Stays(how string) bool {
	v.ended = how
	return v.input != nil
}

// Leave gives the terminal back. It may be called at any time.
func (v *Live) Leave() { v.screen.Leave() }

// Keys are what is pressed; nil = there is no keyboard.
func (v *Live) Keys() <-chan screen.Key { return v.input }

// Log adds a line below the tree.
func (v *Live) Log(line string) {
	if len(v.logs) == maxLogs {
		n := maxLogs / 10
		v.logs = append(v.logs[:0], v.logs[n:]...)
		v.cutOff += n
	}
	v.logs = append(v.logs, term.Clean(strings.ReplaceAll(line, "\t", "    ")))
	if v.back > 0 {
		v.back = min(v.back+1, len(v.logs))
	}
}

// Tick draws. The rows are made anew each time: what they show changes with the
// clock.
func (v *Live) Tick(now time.Time) {
	view := treeView{folded: v.folded, failed: v.failed}
	v.rows = v.feed.Forest.rows(view)
	if v.mode == treeScreen {
		v.glance(now)
		v.rows = v.feed.Forest.rows(view)
	}
	if v.mode == detailScreen && now.Sub(v.loaded) > loadDetail {
		v.load()
	}
	v.screen.Show(v.frame(now).draw())
}

func (v *Live) frame(now time.Time) *frame {
	columns, lines := v.screen.Size()
	f := &frame{
		columns: columns, lines: lines, now: now, mode: v.mode, rows: v.rows, selected: v.selected(), logs: v.logs, back: v.back,
		detail: v.detail, detailTop: v.detailTop, intro: v.empty(), status: v.status(), keys: v.help(), paint: v.t.Paint,
		reverse: func(text string) string { return "\x1b[7m" + text + "\x1b[0m" },
	}
	v.scroll(f)
	return f
}

// scroll keeps the selected call in view, or the newest ones.
func (v *Live) scroll(f *frame) {
	tree, _ := f.split()
	last := max(len(v.rows)-tree, 0)
	switch {
	case v.follow:
		v.top = last
	case f.selected >= 0:
		v.top = max(min(v.top, f.selected), f.selected-tree+1)
	}
	v.top = max(min(v.top, last), 0)
	f.top = v.top
}

func (v *Live) selected() int {
	if v.pick == "" {
		return -1
	}
	return slices.IndexFunc(v.rows, func(r treeRow) bool { return r.call != nil && r.call.key == v.pick })
}

// status is the first line below the picture: what is asked, or came of a key,
// or how many calls there are.
func (v *Live) status() string {
	if v.ask != nil {
		return v.ask.text + "  y yes  any other key no"
	}
	if v.said != "" {
		return v.said
	}
	text := v.feed.Forest.counts()
	if v.failed {
		text = "only what failed, of " + text
	}
	if v.ended != "" {
		text += "  |  the command " + v.ended
	} else if v.quit() {
		text += "  |  stopping; q again kills"
	}
	return text
}

// Keys says what the keys do in the tree.
const Keys = "q quit  tab logs  enter details  left/right fold  f failed  c cancel  r retry"

// help says what the keys do.
func (v *Live) help() string {
	switch v.mode {
	case logScreen:
		return "q quit  tab tree  up/down scroll"
	case detailScreen:
		return "q quit  esc back  up/down scroll"
	case treeScreen:
	}
	return Keys
}

// load reads the call that is shown in detail.
func (v *Live) load() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	v.loaded = time.Now()
	c := v.feed.Forest.calls[v.pick]
	if c == nil {
		v.detail = []string{"this call is not kept in view any more"}
		return
	}
	lines, err := v.feed.detail(ctx, c.ID)
	if err != nil {
		lines = []string{"the call cannot be read: " + err.Error()}
	}
	v.detail = lines
}

// Close gives the terminal back and prints the last lines there.
func (v *Live) Close() {
	v.Leave()
	if hidden := len(v.logs) - printLogs; hidden > 0 {
		v.logs, v.cutOff = v.logs[hidden:], v.cutOff+hidden
	}
	if v.cutOff > 0 {
		v.t.Printf("(%d earlier lines are not shown)\n", v.cutOff)
	}
	for _, line := range v.logs {
		v.t.Printf("%s\n", line)
	}
}

// lookBudget is the time of one picture for what is read beside the calls.
const lookBudget = 30 * time.Millisecond

// glance reads the inputs and the newest steps of the calls in view, as far as
// that is new and time is left.
func (v *Live) glance(now time.Time) {
	tree, _ := (&frame{lines: v.screen.Lines, logs: v.logs}).split()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	for i := v.top; i < len(v.rows) && i < v.top+tree && time.Since(now) < lookBudget; i++ {
		if c := v.rows[i].call; c != nil {
			v.feed.glance(ctx, c, now)
		}
	}
}

// move selects another call. Nothing selected counts as below the last one.
func (v *Live) move(by int) {
	if by == 0 || len(v.rows) == 0 {
		return
	}
	at := v.selected()
	if at < 0 {
		at = len(v.rows)
	}
	way := 1
	if by < 0 {
		way = -1
	}
	at = max(min(at+by, len(v.rows)-1), 0)
	for at >= 0 && at < len(v.rows) && v.rows[at].call == nil { // a note
		at += way
	}
	if at < 0 || at >= len(v.rows) {
		return
	}
	v.pick, v.follow = v.rows[at].call.key, false
}

// question is something to be confirmed with a key.
type question struct {
	text string
	yes  func()
}
