package auditor

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Event is a line of the log: a delivery has one when it arrives and, unless
// the auditor ends first, one when it is answered.
type Event struct {
	Delivery int64     `json:"delivery"`
	Answer   bool      `json:"answer,omitempty"` // false: it arrived
	At       time.Time `json:"at"`
	Task     string    `json:"task"`
	Key      string    `json:"key,omitempty"` // what the producer calls the task
	Attempt  int       `json:"attempt"`
	Token    int64     `json:"token"`
	PID      int       `json:"pid,omitempty"`    // the process that delivers
	Status   int       `json:"status,omitempty"` // the answer given
	Gone     bool      `json:"gone,omitempty"`   // the caller hung up before the answer
}

// Auditor answers deliveries and logs them. Its zero value is not usable.
type Auditor struct {
	log  *os.File
	next atomic.Int64

	mu   sync.Mutex
	seen map[string]int // deliveries by key
}

// Open returns an auditor that appends to the log file at path. Lines of one
// event are written whole, so that the log can be read at any time.
func Open(path string) (*Auditor, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open delivery log: %w", err)
	}
	return &Auditor{log: f, seen: map[string]int{}}, nil
}

// Serve answers deliveries on l until ctx ends.
func (a *Auditor) Serve(ctx context.Context, l net.Listener) error {
	s := &http.Server{
		Handler: a,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, pidKey{}, sync.OnceValue(func() int { return peer(c) }))
		},
	}
	defer context.AfterFunc(ctx, func() { s.Close() })()
	if err := s.Serve(l); err != http.ErrServerClosed {
		return err
	}
	return nil
}

type pidKey struct{}

// ServeHTTP answers as the query of the task's URL says:
//
//	key=K       the producer's name for the task
//	status=500  answer with this status instead of 200
//	sleep=2s    answer after this time
//	until=PATH  answer when there is a file at PATH
//	final=1     with a status: add Sendoff-Retry: no
//	first=N     all this holds for the first N deliveries of K only
//	then=QUERY  and this for those after them
func (a *Auditor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e, s := a.event(r), script(r, a.count(r))
	a.append(e)
	io.Copy(io.Discard, r.Body)
	e.Gone = !s.wait(r.Context())
	e.Answer, e.At, e.Status = true, time.Now(), s.status
	a.append(e)
	if s.final {
		w.Header().Set("Sendoff-Retry", "no")
	}
	w.WriteHeader(s.status)
	fmt.Fprintf(w, `{"token":%d}`, e.Token)
}

func (a *Auditor) event(r *http.Request) Event {
	e := Event{
		Delivery: a.next.Add(1),
		At:       time.Now(),
		Task:     r.Header.Get("Sendoff-Task-Id"),
		Key:      r.URL.Query().Get("key"),
	}
	e.Attempt, _ = strconv.Atoi(r.Header.Get("Sendoff-Attempt"))
	e.Token, _ = strconv.ParseInt(r.Header.Get("Sendoff-Token"), 10, 64)
	if pid, ok := r.Context().Value(pidKey{}).(func() int); ok {
		e.PID = pid()
	}
	if e.PID == 0 { // a worker calls for the server that it is of
		e.PID, _ = strconv.Atoi(r.Header.Get("Auditor-Server"))
	}
	return e
}

// count returns how many deliveries of the key there were before this one.
func (a *Auditor) count(r *http.Request) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	key := r.URL.Query().Get("key")
	n := a.seen[key]
	a.seen[key]++
	return n
}

func (a *Auditor) append(e Event) {
	line, err := json.Marshal(e)
	if err == nil {
		_, err = a.log.Write(append(line, '\n'))
	}
	if err != nil {
		panic(fmt.Sprintf("auditor: the log is the proof and cannot be written: %v", err))
	}
}

// behavior is what one delivery is answered with.
type behavior struct {
	status int
	sleep  time.Duration
	until  string
	final  bool
}

func script(r *http.Request, before int) behavior {
	q := r.URL.Query()
	s := behavior{status: http.StatusOK}
	if first, err := strconv.Atoi(q.Get("first")); err == nil && before >= first {
		q, _ = url.ParseQuery(q.Get("then"))
	}
	if status, err := strconv.Atoi(q.Get("status")); err == nil {
		s.status = status
	}
	s.sleep, _ = time.ParseDuration(q.Get("sleep"))
	s.until, s.final = q.Get("until"), q.Get("final") == "1"
	return s
}

// wait tells whether the caller was still there at the end.
func (s behavior) wait(ctx context.Context) bool {
	for sleep := s.sleep; ; sleep = 20 * time.Millisecond {
		select {
		case <-time.After(sleep):
		case <-ctx.Done():
			return false
		}
		if _, err := os.Stat(s.until); s.until == "" || err == nil {
			return ctx.Err() == nil
		}
	}
}

// ReadLog returns the events of a log, in the order they were written. A line
// that is still being written is left out.
func ReadLog(path string) ([]Event, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var events []Event
	for lines := bufio.NewReader(f); ; {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF {
			return events, nil
		}
		if err != nil {
			return nil, err
		}
		var e Event
		if err := json.Unmarshal(line, &e); err != nil {
			return nil, fmt.Errorf("delivery log: %w", err)
		}
		events = append(events, e)
	}
}
