package task

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strings"
)

// Trace is where a task stands in a distributed trace, as W3C Trace Context names it. The
// zero value is for a task that whoever submitted it did not follow: it has a trace of its
// own, see [Spec.TraceOf].
type Trace struct {
	ID     [16]byte
	Parent SpanID // below which it is; zero = it begins the trace
	Hidden bool   // whoever began the trace does not record it
	Own    bool   // a task of ours began it, and it has that task's id
}

// SpanID is the id of a span.
type SpanID [8]byte

// ParseTrace reads a traceparent header. What is not valid is none, as the standard wants.
func ParseTrace(traceparent string) Trace {
	var t Trace
	var flags [1]byte
	parts := strings.Split(traceparent, "-")
	if len(parts) < 4 || len(parts[0]) != 2 || parts[0] == "ff" || parts[0] == "00" && len(parts) > 4 {
		return Trace{}
	}
	for i, into := range [][]byte{flags[:], t.ID[:], t.Parent[:], flags[:]} {
		if text := parts[i]; len(text) != 2*len(into) || text != strings.ToLower(text) {
			return Trace{}
		}
		if _, err := hex.Decode(into, []byte(parts[i])); err != nil {
			return Trace{}
		}
	}
	if t.ID == [16]byte{} || t.Parent == (SpanID{}) {
		return Trace{}
	}
	t.Hidden = flags[0]&1 == 0
	return t
}

// TraceOf is the trace of the task with that id: the one that it was submitted in, or one that
// has its id.
func (s *Spec) TraceOf(id ID) Trace {
	if s.Trace != (Trace{}) {
		return s.Trace
	}
	return Trace{ID: id, Own: true}
}

// SpanOf is the span of a task, from its acceptance to its end. Every node knows it.
func SpanOf(id ID) (s SpanID) {
	copy(s[:], id[8:]) // the random half of it, never zero
	return s
}

// AttemptSpan is the span of the attempt with that token.
func AttemptSpan(id ID, token int64) (s SpanID) {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(id[:], uint64(token)))
	copy(s[:], sum[:])
	s[0] |= 1 // never zero
	return s
}

// TraceparentOf is the header that tells others of an attempt of a task.
func TraceparentOf(s *Spec, id ID, token int64) string {
	return s.TraceOf(id).Traceparent(AttemptSpan(id, token))
}

// Below is the trace of what is begun by one of its spans.
func (t Trace) Below(span SpanID) Trace {
	t.Parent = span
	return t
}

// Traceparent is the header that tells others of a span.
func (t Trace) Traceparent(span SpanID) string {
	var b [55]byte
	copy(b[:], "00-")
	hex.Encode(b[3:35], t.ID[:])
	b[35] = '-'
	hex.Encode(b[36:52], span[:])
	copy(b[52:], "-01")
	if t.Hidden {
		b[54] = '0'
	}
	return string(b[:])
}

// The bits of a stored trace.
const (
	traceHidden = 1 << iota
	traceOwn
)

// text is the stored form; "" = none.
func (t Trace) text() string {
	if t == (Trace{}) {
		return ""
	}
	var bits byte
	if t.Hidden {
		bits |= traceHidden
	}
	if t.Own {
		bits |= traceOwn
	}
	return string(t.ID[:]) + string(t.Parent[:]) + string([]byte{bits})
}

// readTrace reads what text wrote. What it does not know is no trace, and no fault.
func readTrace(b []byte) (t Trace) {
	const size = len(t.ID) + len(t.Parent)
	if len(b) <= size {
		return t
	}
	copy(t.Parent[:], b[copy(t.ID[:], b):])
	t.Hidden, t.Own = b[size]&traceHidden != 0, b[size]&traceOwn != 0
	return t
}
