package push

import (
	"context"
	"crypto/tls"
	"net/http/httptrace"
	"sync"
	"time"

	"github.com/sendoff-dev/sendoff/task"
)

// watch takes the times of the phases of a push. The transport tells of them, some perhaps
// after the push has ended: what it began for it may be of use to another one.
type watch struct {
	connected func() // is told of a connection; nil = nobody is

	mu    sync.Mutex
	a     task.Anatomy
	began [task.Phases]time.Time
	ended [task.Phases]bool
	over  bool
}

// traced returns a context with which a request is watched.
func (w *watch) traced(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		DNSStart:             func(httptrace.DNSStartInfo) { w.start(task.PhaseDNS) },
		DNSDone:              func(i httptrace.DNSDoneInfo) { w.end(task.PhaseDNS, i.Err) },
		ConnectStart:         func(_, address string) { w.dial(address) },
		ConnectDone:          func(_, _ string, err error) { w.end(task.PhaseConnect, err) },
		TLSHandshakeStart:    func() { w.start(task.PhaseTLS) },
		TLSHandshakeDone:     func(_ tls.ConnectionState, err error) { w.end(task.PhaseTLS, err) },
		GotConn:              w.got,
		GotFirstResponseByte: w.answered,
	})
}

// start begins a phase; of several connects that race the first counts.
func (w *watch) start(p task.Phase) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.starts(p)
}

func (w *watch) starts(p task.Phase) {
	if !w.over && w.began[p].IsZero() {
		w.began[p] = time.Now()
	}
}

func (w *watch) dial(address string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.starts(task.PhaseConnect)
	if !w.over {
		w.a.Address = address
	}
}

func (w *watch) end(p task.Phase, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ends(p, err)
}

func (w *watch) ends(p task.Phase, err error) {
	if w.over || w.ended[p] || w.began[p].IsZero() || err != nil {
		return
	}
	w.ended[p] = true
	w.a.Took[p] = time.Since(w.began[p])
}

// got is told which connection it is. One that was dialled for another push has phases of
// that one; those of this push's own dial, which goes on for a third, say nothing of it.
func (w *watch) got(i httptrace.GotConnInfo) {
	if w.connected != nil {
		w.connected()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over {
		return
	}
	if i.Reused {
		w.began, w.ended = [task.Phases]time.Time{}, [task.Phases]bool{}
		w.a.Took, w.a.Reused = [task.Phases]time.Duration{}, true
	}
	w.a.Address = i.Conn.RemoteAddr().String()
	w.starts(task.PhaseFirstByte)
}

func (w *watch) answered() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ends(task.PhaseFirstByte, nil)
	w.starts(task.PhaseBody)
}

// note adds the anatomy to what came of the push.
func (w *watch) note(to *task.Answer, whole bool) {
	a := w.anatomy(whole)
	to.Header = append(to.Header, a.Header())
}

// anatomy ends the watch: whole tells that the answer came to its end.
func (w *watch) anatomy(whole bool) task.Anatomy {
	w.mu.Lock()
	defer w.mu.Unlock()
	if whole {
		w.ends(task.PhaseBody, nil)
	}
	w.over = true
	w.a.FailedIn = task.Phases
	for p := task.Phases; p > 0; p-- {
		if at := p - 1; !w.began[at].IsZero() {
			if !w.ended[at] {
				w.a.FailedIn = at
				w.a.Took[at] = time.Since(w.began[at])
			}
			break
		}
	}
	return w.a
}
