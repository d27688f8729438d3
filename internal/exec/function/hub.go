package function

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/sendoff-dev/sendoff/internal/exec"
	"github.com/sendoff-dev/sendoff/internal/protocol"
)

// The errors of a bridge.
var (
	// ErrNoRequest says that nobody waits for an answer under this id any more.
	// It has a method Gone, for those who cannot name it.
	ErrNoRequest error = &gone{"no such request: it was answered, dropped, or its time was over"}

	// ErrBadSession says that a text cannot name a session.
	ErrBadSession = errors.New("want a session of 1 to 128 letters, digits, - and _")

	errNoPoller = errors.New("nobody asks for the requests of this bridge session: is the CLI that serves it running?")
	errDropped  = fmt.Errorf("the app behind the bridge did not answer: %w", io.ErrUnexpectedEOF)
)

type gone struct{ text string }

func (e *gone) Error() string { return e.text }

// Gone tells that nobody waits any more.
func (e *gone) Gone() bool { return true }

// pollerWait is how long a run waits for somebody to fetch it.
const pollerWait = 5 * time.Second

// Hub is where runs for bridge://SESSION meet the clients that fetch them: an app
// that cannot be called asks for its requests and sends the answers. It is safe
// for concurrent use.
type Hub struct {
	mu       sync.Mutex
	sessions map[string]*session
}

type session struct {
	pollers int
	ready   chan struct{}       // closed and replaced when a request was added
	queue   []*bridged          // not fetched yet, oldest first
	open    map[string]*bridged // by id, fetched or not
}

// bridged is a run on its way over a bridge.
type bridged struct {
	id      string
	wire    []byte
	fetched chan struct{} // closed when a client has it
	answer  chan bridgedAnswer
}

type bridgedAnswer struct {
	response *http.Response
	err      error
}

// NewHub returns a hub without sessions.
func NewHub() *Hub { return &Hub{sessions: map[string]*session{}} }

// with calls fn with a session that is made when it is new, and forgets the
// session when nothing is left of it.
func (h *Hub) with(name string, fn func(*session)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s, ok := h.sessions[name]
	if !ok {
		s = &session{ready: make(chan struct{}), open: map[string]*bridged{}}
		h.sessions[name] = s
	}
	fn(s)
	if s.pollers == 0 && len(s.open) == 0 {
		delete(h.sessions, name)
	}
}

// Next waits for a run for a session and returns its id and the complete HTTP/1.1
// request in wire form. It fails when ctx ends, and with [ErrBadSession].
func (h *Hub) Next(ctx context.Context, name string) (id string, wire []byte, err error) {
	if !protocol.IsSession(name) {
		return "", nil, ErrBadSession
	}
	h.with(name, func(s *session) { s.pollers++ })
	defer h.with(name, func(s *session) { s.pollers-- })
	for {
		var next *bridged
		var ready chan struct{}
		h.with(name, func(s *session) { next, ready = s.take(), s.ready })
		if next != nil {
			return next.id, next.wire, nil
		}
		select {
		case <-ready:
		case <-ctx.Done():
			return "", nil, ctx.Err()
		}
	}
}

func (s *session) take() *bridged {
	if len(s.queue) == 0 {
		return nil
	}
	b := s.queue[0]
	s.queue = s.queue[1:]
	close(b.fetched)
	return b
}

// Answer takes the complete HTTP/1.1 response to a run, in wire form, from a
// reader that the caller has bounded. [ErrNoRequest] when nobody waits for it;
// any other error says that the response cannot be read, and the run is told so.
func (h *Hub) Answer(name, id string, wire io.Reader) error {
	b := h.claim(name, id)
	if b == nil {
		return ErrNoRequest
	}
	response, err := http.ReadResponse(bufio.NewReader(wire), &http.Request{Method: http.MethodPost})
	if err == nil {
		defer response.Body.Close()
		var body []byte
		body, err = io.ReadAll(response.Body)
		response.Body, response.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	}
	if err != nil {
		err = fmt.Errorf("the response that came over the bridge cannot be read: %w", err)
		response = nil
	}
	b.answer <- bridgedAnswer{response, err}
	return err
}

// Drop says that the client could not get an answer. [ErrNoRequest].
func (h *Hub) Drop(name, id string) error {
	b := h.claim(name, id)
	if b == nil {
		return ErrNoRequest
	}
	b.answer <- bridgedAnswer{err: errDropped}
	return nil
}

// claim takes a request out, so that it is answered once.
func (h *Hub) claim(name, id string) (b *bridged) {
	if !protocol.IsSession(name) {
		return nil
	}
	h.with(name, func(s *session) {
		b = s.open[id]
		delete(s.open, id)
		s.unqueue(b)
	})
	return b
}

// unqueue tells whether nobody has fetched the request, and sees to it that
// nobody does.
func (h *Hub) unqueue(name string, b *bridged) (was bool) {
	h.with(name, func(s *session) { was = s.unqueue(b) })
	return was
}

func (s *session) unqueue(b *bridged) bool {
	for i, other := range s.queue {
		if other == b {
			s.queue = append(s.queue[:i:i], s.queue[i+1:]...)
			return true
		}
	}
	return false
}

// roundTrip sends a request over a bridge.
func (h *Hub) roundTrip(ctx context.Context, name string, r *http.Request) (*http.Response, error) {
	if !protocol.IsSession(name) {
		return nil, ErrBadSession
	}
	var wire bytes.Buffer
	if err := r.Write(&wire); err != nil {
		return nil, err
	}
	b := &bridged{id: rand.Text(), wire: wire.Bytes(), fetched: make(chan struct{}), answer: make(chan bridgedAnswer, 1)}
	h.with(name, func(s *session) {
		s.open[b.id] = b
		s.queue = append(s.queue, b)
		close(s.ready)
		s.ready = make(chan struct{})
	})
	defer h.claim(name, b.id)
	timer := time.NewTimer(pollerWait)
	defer timer.Stop()
	select {
	case <-b.fetched:
	case <-timer.C:
		if h.unqueue(name, b) {
			return nil, errNoPoller
		}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	exec.Begin(ctx)
	select {
	case a := <-b.answer:
		return a.response, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
