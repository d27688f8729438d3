// Package body stands before all doors and looks after the bodies of requests
// while they come: how much memory they may take together, and how long each
// may take. What a body announces counts for nothing, what has come of it counts
// until its answer is written.
package body

import (
	"errors"
	"io"
	"net/http"
	"os"
	"sync/atomic"
	"time"
)

// ErrBusy says that the room for bodies is taken. A Retry-After is among the
// headers of the answer already.
var ErrBusy = errors.New("too many requests are being read: try again in a second")

// ErrSlow says that a body took too long to come.
var ErrSlow = errors.New("the body came too slowly: it has ten seconds, another one for each 64 KiB of it, and a minute at most")

const (
	free    = 64 << 10 // bytes of each body for which there is always room
	drained = 64 << 20 // bytes that are read of a body that was refused
)

// Pace is how long a body may take.
type Pace struct {
	Grace time.Duration // before anything has come
	Rate  int64         // bytes that bring another second
	Most  time.Duration
}

var defaultPace = Pace{Grace: 10 * time.Second, Rate: 64 << 10, Most: time.Minute}

// Room is memory set aside for bodies. Safe for concurrent use.
type Room struct {
	most int64
	pace Pace
	held atomic.Int64
}

// NewRoom returns a room of so many bytes. The zero Pace is that of [ErrSlow].
func NewRoom(most int64, pace Pace) *Room {
	if pace == (Pace{}) {
		pace = defaultPace
	}
	return &Room{most: most, pace: pace}
}

// Wrap looks after the bodies that a handler reads. Reading one fails with
// ErrBusy or ErrSlow.
func (m *Room) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength == 0 {
			next.ServeHTTP(w, r)
			return
		}
		b := &coming{ReadCloser: r.Body, room: m, w: w, conn: http.NewResponseController(w), began: time.Now()}
		defer func() { m.held.Add(-b.came) }()
		counted := *r
		counted.Body = b
		b.hurry() // a body that nobody reads is read by net/http, before it sends the answer
		next.ServeHTTP(w, &counted)
		if r.Header.Get("Expect") == "" {
			b.drain()
		}
	})
}

// coming is a body under way.
type coming struct {
	io.ReadCloser
	room  *Room
	w     http.ResponseWriter
	conn  *http.ResponseController
	began time.Time
	until time.Duration // after which it is cut, as the connection knows it
	came  int64
	ended bool  // nothing more comes
	err   error // of an earlier Read
}

// Read implements io.Reader.
func (b *coming) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	b.hurry()
	n, err := b.ReadCloser.Read(p)
	if b.came += int64(n); b.room.held.Add(int64(n)) > b.room.most && b.came > free {
		b.w.Header().Set("Retry-After", "1")
		b.err = ErrBusy
		return 0, b.err
	}
	if err == nil {
		return n, nil
	}
	b.ended = true
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = ErrSlow
	} else {
		_ = b.conn.SetReadDeadline(time.Time{}) // the answer may be held back for long
	}
	b.err = err
	return n, err
}

// hurry cuts the body when it does not come in time. A writer that knows no
// deadlines is one of a test.
func (b *coming) hurry() {
	pace := b.room.pace
	until := min(pace.Most, pace.Grace+time.Duration(b.came/pace.Rate)*time.Second)
	if until != b.until {
		b.until = until
		_ = b.conn.SetReadDeadline(b.began.Add(until))
	}
}

// drain reads the rest of a body that was not wanted to its end, after the
// answer: most clients look at the answer only when they have sent everything.
func (b *coming) drain() {
	if b.ended || b.conn.Flush() != nil {
		return
	}
	b.hurry()
	_, _ = io.CopyN(io.Discard, b.ReadCloser, drained)
}
