package dispatchapi

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"connectrpc.com/connect"

	"github.com/sendoff-dev/sendoff/internal/protocol"
	"github.com/sendoff-dev/sendoff/internal/server/body"
)

const (
	// sessionWait is how long a session is told nothing: the CLI of Dispatch gives
	// up after 30 s, so we answer before.
	sessionWait = 25 * time.Second

	maxResponse = 18 << 20 // bytes of a response that comes over a bridge
	maxID       = 200      // bytes of an id in the body of Wait
)

// nextRun hands a run to a session: a complete HTTP/1.1 request as the body, its
// id in X-Request-Id. 504 when there is none for a while.
func (d *door) nextRun(w http.ResponseWriter, r *http.Request) {
	wait := sessionWait
	if seconds, err := strconv.Atoi(r.Header.Get("Request-Timeout")); err == nil && seconds > 0 && seconds <= 30 {
		wait = min(wait, max(time.Duration(seconds)*time.Second*5/6, time.Second/2))
	}
	ctx, cancel := context.WithTimeout(r.Context(), wait)
	defer cancel()
	session := r.PathValue("session")
	id, wire, err := d.cfg.Bridge.Next(ctx, session)
	switch {
	case err == nil:
	case ctx.Err() != nil:
		http.Error(w, "no run for this session yet: ask again", http.StatusGatewayTimeout)
		return
	default:
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if r.Context().Err() != nil || send(w, id, wire) != nil {
		_ = d.cfg.Bridge.Drop(session, id) // nobody got it: the run is tried again
	}
}

// send writes a run. That the client is gone afterwards says nothing: it may
// have read all of it.
func send(w http.ResponseWriter, id string, wire []byte) error {
	h := w.Header()
	h.Set("X-Request-Id", id)
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Length", strconv.Itoa(len(wire)))
	_, err := w.Write(wire)
	return err
}

// answerRun takes the response to a run: a complete HTTP/1.1 response as the body.
func (d *door) answerRun(w http.ResponseWriter, r *http.Request) {
	id := r.Header.Get("X-Request-Id")
	if id == "" {
		http.Error(w, "the header X-Request-ID is missing: it says which run is answered", http.StatusBadRequest)
		return
	}
	err := d.cfg.Bridge.Answer(r.PathValue("session"), id, http.MaxBytesReader(w, r.Body, maxResponse))
	switch {
	case err == nil:
		w.WriteHeader(http.StatusAccepted)
	case isGone(err):
		http.Error(w, err.Error(), http.StatusNotFound)
	case errors.Is(err, body.ErrBusy):
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	default:
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
}

// dropRun is told that there will be no response to a run.
func (d *door) dropRun(w http.ResponseWriter, r *http.Request) {
	if err := d.cfg.Bridge.Drop(r.PathValue("session"), r.Header.Get("X-Request-Id")); err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	w.WriteHeader(http.StatusOK)
}

// isGone tells whether the bridge knows no such request. The error is that of
// the executor, which this door does not know by name.
func isGone(err error) bool {
	gone, ok := err.(interface{ Gone() bool })
	return ok && gone.Gone()
}

// waitForText is a procedure that the test server of dispatch-py has and the
// protocol has not: the body is the id of a call as text, the answer its
// CallResult. It is held back until the call has ended, for a minute at most.
func (d *door) waitForText(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxID))
	id := strings.TrimSpace(string(text))
	if err != nil || id == "" {
		writeError(w, r, invalid("want the id of a call as the body"))
		return
	}
	_, result, err := d.wait(r.Context(), id, maxWait)
	switch {
	case err != nil:
		refusal := failure(err)
		d.tell(refusal)
		writeError(w, r, refusal)
	case result == nil:
		writeError(w, r, connect.NewError(connect.CodeDeadlineExceeded, errNotEnded))
	default:
		w.Header().Set("Content-Type", "application/proto")
		_, _ = w.Write(protocol.Encode(result)) // the client may be gone
	}
}
