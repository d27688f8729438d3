package process

import (
	"bytes"
	"context"
	"encoding/json"
	"strconv"
	"time"
)

// Version of the frames.
const Version = 1

// maxFrame is how long a line of a worker may be, in bytes.
const maxFrame = 16 << 20

// frame is a line from a worker. Unknown members and types are skipped, so that a newer
// worker may say more.
type frame struct {
	Type string `json:"type"` // ready, done, progress, control, bye

	// ready
	V    int      `json:"v"`
	PID  int      `json:"pid"`
	Lang string   `json:"lang"`
	Caps []string `json:"caps"` // usr1: it looks at its channel upon SIGUSR1

	// done and progress: of the task with this ID; control: to be answered under it
	ID       string          `json:"id"`
	Outcome  string          `json:"outcome"` // ok, error, canceled
	Result   json.RawMessage `json:"result"`
	Error    *frameError     `json:"error"`
	Stopping bool            `json:"stopping"` // it ends, and takes no further task

	// progress
	Done  int64  `json:"done"`
	Total int64  `json:"total"`
	Text  string `json:"text"`

	// control
	Command string          `json:"command"`
	Data    json.RawMessage `json:"data"`
}

// frameError is why a task did not work.
type frameError struct {
	Type       string  `json:"type"`
	Message    string  `json:"message"`
	Trace      string  `json:"trace"`
	Permanent  bool    `json:"permanent"`   // it never will
	RetryAfter float64 `json:"retry_after"` // seconds
	Snooze     bool    `json:"snooze"`      // no fault: run it again after RetryAfter
}

// Call is one attempt of a task.
type Call struct {
	ID          string // as it is known outside
	Name        string
	Target      string // what is to be run
	Attempt     int    // from 1
	MaxAttempts int
	Token       int64
	Timeout     time.Duration           // from its start; 0 = none
	ContentType string                  // of the payload
	Payload     []byte                  // JSON, unless the content type says otherwise
	Message     []byte                  // JSON: the message of dispatcherd that it came in, in place of a payload
	Progress    func(Progress)          // told how far it is, and does not block; nil = nobody wants to know
	Started     func(worker int)        // called when a worker has it; nil = nobody wants to know
	Stop        context.CancelCauseFunc // of a message: stops this attempt
	Priority    int16
	Workers     string // by name
	ReadyAt     int64  // since when it has been ready, microseconds
	Back        bool   // when no worker comes free for a while it is given back, not begun: another node may have one
}

// Progress is how far an attempt is, as its process says.
type Progress struct {
	Done, Total int64  // Total 0 = it is not known
	Text        string // for people
}

// appendTask appends the frame that has a worker carry a task out. Payload and message
// stay the JSON that they are; line ends in them, which can only stand between tokens,
// become blanks.
func appendTask(b []byte, c *Call) []byte {
	b = append(b, `{"type":"task","id":`...)
	b = appendText(b, c.ID)
	b = append(b, `,"task":`...)
	b = appendText(b, c.Target)
	b = append(b, `,"attempt":`...)
	b = strconv.AppendInt(b, int64(c.Attempt), 10)
	b = append(b, `,"max_attempts":`...)
	b = strconv.AppendInt(b, int64(c.MaxAttempts), 10)
	b = append(b, `,"token":`...)
	b = strconv.AppendInt(b, c.Token, 10)
	if c.Name != "" {
		b = append(b, `,"name":`...)
		b = appendText(b, c.Name)
	}
	if c.Timeout > 0 {
		b = append(b, `,"timeout":`...)
		b = strconv.AppendFloat(b, c.Timeout.Seconds(), 'f', -1, 64)
	}
	switch {
	case c.Message != nil:
		b = append(b, `,"message":`...)
		b = appendLine(b, c.Message)
	case len(c.Payload) > 0 && isJSON(c.ContentType):
		b = append(b, `,"payload":`...)
		b = appendLine(b, c.Payload)
	case len(c.Payload) > 0:
		b = append(b, `,"payload_base64":`...)
		b, _ = appendJSON(b, c.Payload)
		b = append(b, `,"content_type":`...)
		b = appendText(b, c.ContentType)
	}
	return append(b, '}', '\n')
}

func isJSON(contentType string) bool {
	media, _, _ := bytes.Cut([]byte(contentType), []byte{';'})
	media = bytes.ToLower(bytes.TrimSpace(media))
	return len(media) == 0 || bytes.Equal(media, []byte("application/json")) || bytes.HasSuffix(media, []byte("+json"))
}

func appendText(b []byte, s string) []byte {
	b, _ = appendJSON(b, s)
	return b
}

func appendLine(b, text []byte) []byte {
	from := len(b)
	b = append(b, text...)
	for i := from; i < len(b); i++ {
		if b[i] == '\n' || b[i] == '\r' {
			b[i] = ' '
		}
	}
	return b
}

func appendJSON(b []byte, v any) ([]byte, error) {
	text, err := json.Marshal(v)
	return append(b, text...), err
}

// line is any other frame to a worker.
func line(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil { // a frame of ours that is no JSON
		panic(err)
	}
	return append(text, '\n')
}

type helloFrame struct {
	Type     string          `json:"type"`
	V        int             `json:"v"`
	Worker   int             `json:"worker"`
	Settings json.RawMessage `json:"settings"`
}

type cancelFrame struct {
	Type   string `json:"type"`
	ID     string `json:"id"`
	Reason string `json:"reason"`
}

// appendReply appends the answer to what a task has asked: JSON, or what went wrong.
func appendReply(b []byte, id string, data []byte, fault string) []byte {
	b = append(b, `{"type":"reply","id":`...)
	b = appendText(b, id)
	if fault != "" {
		b = append(b, `,"error":`...)
		b = appendText(b, fault)
	} else {
		b = append(b, `,"data":`...)
		b = appendLine(b, data)
	}
	return append(b, '}', '\n')
}

var stopFrame = []byte("{\"type\":\"stop\"}\n")
