package dispatcherd

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/sendoff-dev/sendoff/task"
)

// message is a message as it came, and what of it the service looks at.
type message struct {
	raw     []byte // as a worker gets it
	fields  map[string]json.RawMessage
	task    string
	same    string // equal for duplicates: task, args and kwargs
	timeout time.Duration
	delay   time.Duration
	onDup   string
	retry   *task.RetryPolicy // nil = it does not say

	control string
	replyTo string
	data    json.RawMessage // control_data
}

var errNoObject = errors.New("is JSON and no object")

// parse reads a payload. One that is no JSON is the bare name of a task.
func parse(payload []byte) (*message, error) {
	plain := finite(payload)
	if !json.Valid(plain) {
		if len(bytes.TrimSpace(payload)) == 0 {
			return nil, errors.New("is empty")
		}
		name, err := json.Marshal(string(payload))
		if err != nil {
			return nil, err
		}
		payload = append(append([]byte(`{"task":`), name...), '}')
		plain = payload
	}
	m := &message{raw: payload}
	if err := json.Unmarshal(plain, &m.fields); err != nil || m.fields == nil {
		return nil, errNoObject
	}
	return m, nil
}

// read reads the fields that the service looks at. The error says which is wrong.
func (m *message) read() (err error) {
	if m.timeout, err = m.seconds("timeout"); err != nil {
		return err
	}
	if m.delay, err = m.seconds("delay"); err != nil {
		return err
	}
	if m.retry, err = readRetry(m.fields["retry"]); err != nil {
		return fmt.Errorf("has a retry that is none: %s: %w", cut(m.fields["retry"]), err)
	}
	m.onDup, _ = text(m.fields["on_duplicate"])
	if raw, ok := m.fields["control"]; ok {
		return m.readControl(raw)
	}
	var ok bool
	if m.task, ok = text(m.fields["task"]); !ok {
		return errors.New("has neither a control command nor the name of a task")
	}
	for field, want := range map[string]byte{"args": '[', "kwargs": '{'} {
		if raw := m.fields[field]; given(raw) && raw[0] != want {
			return fmt.Errorf("has %s of another kind: %s", field, cut(raw))
		}
	}
	for _, field := range []string{"callbacks", "errbacks"} {
		if raw := m.fields[field]; given(raw) {
			var list []map[string]json.RawMessage
			if json.Unmarshal(raw, &list) != nil {
				return fmt.Errorf("has %s that are no list of objects: %s", field, cut(raw))
			}
		}
	}
	m.same = m.task + "\x00" + canonical(m.fields["args"], "[]") + "\x00" + canonical(m.fields["kwargs"], "{}")
	return nil
}

func (m *message) readControl(raw json.RawMessage) error {
	var ok bool
	if m.replyTo, ok = text(m.fields["reply_to"]); !ok && given(m.fields["reply_to"]) {
		return fmt.Errorf("has a reply_to that is no text: %s", cut(m.fields["reply_to"]))
	}
	if m.control, ok = text(raw); !ok {
		return fmt.Errorf("has a control command that is no text: %s", cut(raw))
	}
	m.data = m.fields["control_data"]
	return nil
}

// seconds is a field that is a number of seconds; nothing, null and false are 0.
func (m *message) seconds(field string) (time.Duration, error) {
	raw := m.fields[field]
	if !given(raw) || string(raw) == "false" {
		return 0, nil
	}
	n, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || math.IsNaN(n) || n < 0 || n > 1e9 {
		return 0, fmt.Errorf("has a %s that is no number of seconds: %s", field, cut(raw))
	}
	return time.Duration(n * float64(time.Second)), nil
}

// complete has the message name its uuid and the channel that it came over.
func (m *message) complete(received int, channel string) {
	if !given(m.fields["uuid"]) {
		m.set("uuid", "internal-"+strconv.Itoa(received))
	}
	m.set("channel", channel)
}

// set adds a member to the message, behind all others: readers take the last of a name.
func (m *message) set(name, value string) {
	text, _ := json.Marshal(value) // a text
	m.fields[name] = text
	end := bytes.LastIndexByte(m.raw, '}')
	raw := append([]byte(nil), bytes.TrimRight(m.raw[:end], " \t\r\n")...)
	if !bytes.HasSuffix(raw, []byte("{")) {
		raw = append(raw, ',', ' ')
	}
	raw = append(raw, `"`+name+`": `...)
	m.raw = append(append(raw, text...), '}')
}

// matches tells whether a message is one of those that a filter asks for: by equality of
// the fields that it names.
func (m *message) matches(filter map[string]json.RawMessage) bool {
	for _, field := range []string{"task", "uuid", "args", "kwargs"} {
		want := filter[field]
		if falsy(want) {
			continue
		}
		if have := m.fields[field]; have == nil || canonical(have, "") != canonical(want, "") {
			return false
		}
	}
	return true
}

func given(raw json.RawMessage) bool { return len(raw) > 0 && string(raw) != "null" }

func falsy(raw json.RawMessage) bool {
	switch string(raw) {
	case "", "null", "false", "0", `""`, "[]", "{}":
		return true
	}
	return false
}

func text(raw json.RawMessage) (string, bool) {
	var s string
	if len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return "", false
	}
	return s, true
}

func cut(raw []byte) string {
	if len(raw) > 80 {
		return string(raw[:80]) + "..."
	}
	return string(raw)
}

// canonical writes JSON so that equal values are equal texts: members in order, and whole
// numbers without a fraction, since Python takes 1 and 1.0 for the same.
func canonical(raw json.RawMessage, missing string) string {
	if !given(raw) {
		return missing
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return string(raw)
	}
	out, err := json.Marshal(whole(v))
	if err != nil {
		return string(raw)
	}
	return string(out)
}

func whole(v any) any {
	switch v := v.(type) {
	case json.Number:
		f, err := v.Float64()
		if strings.ContainsAny(v.String(), ".eE") && err == nil && f == math.Trunc(f) && math.Abs(f) < 1<<53 {
			return json.Number(strconv.FormatInt(int64(f), 10))
		}
	case []any:
		for i := range v {
			v[i] = whole(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = whole(v[k])
		}
	}
	return v
}

// finite replaces the words NaN, Infinity and -Infinity, which Python writes and JSON does
// not know, by texts of their own, so that the rest can be read. What a worker gets stays
// as it was.
func finite(b []byte) []byte {
	if !bytes.Contains(b, []byte("NaN")) && !bytes.Contains(b, []byte("Infinity")) {
		return b
	}
	var out []byte
	inside, escaped := false, false
	for i := 0; i < len(b); i++ {
		c := b[i]
		switch {
		case escaped:
			escaped = false
		case inside && c == '\\':
			escaped = true
		case c == '"':
			inside = !inside
		case !inside && (c == 'N' || c == 'I' || c == '-'):
			if word := nonFinite(b[i:]); word != "" {
				out = append(out, `"`+word+`"`...)
				i += len(word) - 1
				continue
			}
		}
		out = append(out, c)
	}
	return out
}

func nonFinite(b []byte) string {
	for _, word := range []string{"NaN", "Infinity", "-Infinity"} {
		if bytes.HasPrefix(b, []byte(word)) {
			return word
		}
	}
	return ""
}
