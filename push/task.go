package push

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// The headers of a push.
const (
	HeaderTaskID       = "Sendoff-Task-Id"
	HeaderQueue        = "Sendoff-Queue"
	HeaderTaskName     = "Sendoff-Task-Name"
	HeaderAttempt      = "Sendoff-Attempt"
	HeaderMaxAttempts  = "Sendoff-Max-Attempts"
	HeaderFinalAttempt = "Sendoff-Final-Attempt" // "?1" or "?0"
	HeaderToken        = "Sendoff-Token"
	HeaderDependsOn    = "Sendoff-Depends-On" // ids, with a comma between two
)

// HeaderRetry is the header of an answer that says whether the task is tried again,
// whatever its status: "no" of a failed one, "yes" of any.
const HeaderRetry = "Sendoff-Retry"

// HeaderAck is the header of a 202 that says "manual": its app tells later how the task ends,
// within the time in HeaderAckTimeout, "10m" or seconds. See [Manual].
const (
	HeaderAck        = "Sendoff-Ack"
	HeaderAckTimeout = "Sendoff-Ack-Timeout"
)

// Task is what a push says of its task. Its payload is the body of the request.
type Task struct {
	ID          string // the one that its client chose, or the server's; the same in all attempts
	Queue       string
	Name        string
	Attempt     int   // from 1; an attempt that was put off has the number of the one before
	MaxAttempts int   // in all
	Final       bool  // no attempt comes after this one
	Token       int64 // the fence: larger with each attempt, over all runs of the task

	DependsOn []string // ids of the tasks that it has waited for, as it was submitted with them; of many, those that fit into 4 KiB
}

// TaskOf reads the headers of a push. Whether they are the server's is told by a
// [Verifier]; a field that is missing or cannot be read is zero.
func TaskOf(r *http.Request) Task {
	t := Task{
		ID: text(r, HeaderTaskID), Queue: text(r, HeaderQueue), Name: text(r, HeaderTaskName),
		Final: r.Header.Get(HeaderFinalAttempt) == "?1",
	}
	t.Attempt, _ = strconv.Atoi(r.Header.Get(HeaderAttempt))
	t.MaxAttempts, _ = strconv.Atoi(r.Header.Get(HeaderMaxAttempts))
	t.Token, _ = strconv.ParseInt(r.Header.Get(HeaderToken), 10, 64)
	for id := range strings.SplitSeq(r.Header.Get(HeaderDependsOn), ", ") {
		if id != "" {
			t.DependsOn = append(t.DependsOn, unescaped(id))
		}
	}
	return t
}

// text reads a header that is percent-encoded where it is not printable ASCII.
func text(r *http.Request, name string) string {
	return unescaped(r.Header.Get(name))
}

func unescaped(value string) string {
	if plain, err := url.PathUnescape(value); err == nil {
		return plain
	}
	return value
}
