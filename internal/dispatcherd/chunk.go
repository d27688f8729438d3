package dispatcherd

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// Messages that are too long for a broker travel in pieces, each an object with these
// members; docs of dispatcherd call them chunks.
const chunkMark = "__dispatcherd_chunk__"

// What unfinished messages may take: nobody may fill the memory with beginnings.
const (
	maxPieces  = 100_000
	maxPartial = 1_000
	maxHeld    = 256 << 20 // bytes
)

// chunks puts messages together. Not safe for concurrent use.
type chunks struct {
	expiry  time.Duration // 0 = never
	partial map[string]*partial
	held    int

	received, assembled, errored, expired int
}

type partial struct {
	began  time.Time
	total  int
	pieces map[int]string
	size   int
}

type piece struct {
	Version   string  `json:"__dispatcherd_chunk__"`
	MessageID *string `json:"message_id"`
	Index     *int    `json:"index"`
	Total     *int    `json:"total"`
	Payload   *string `json:"payload"`
}

// take takes a message that is a piece. whole is nil while pieces are missing.
func (c *chunks) take(m *message, now time.Time) (whole []byte, err error) {
	c.received++
	c.expire(now)
	var p piece
	if err := json.Unmarshal(m.raw, &p); err != nil || p.Version != "v1" || p.MessageID == nil || p.Index == nil || p.Total == nil || p.Payload == nil ||
		*p.Total < 1 || *p.Index < 0 || *p.Index >= *p.Total || *p.Total > maxPieces {
		return nil, c.fault("a piece of a message that is none: %s", cut(m.raw))
	}
	held := c.partial[*p.MessageID]
	if held == nil {
		if len(c.partial) >= maxPartial {
			return nil, c.fault("a piece of one unfinished message too many")
		}
		held = &partial{began: now, total: *p.Total, pieces: map[int]string{}}
		c.partial[*p.MessageID] = held
	}
	if _, twice := held.pieces[*p.Index]; !twice {
		held.pieces[*p.Index] = *p.Payload
		held.size += len(*p.Payload)
		c.held += len(*p.Payload)
	}
	switch {
	case held.total != *p.Total:
		c.drop(*p.MessageID)
		return nil, c.fault("pieces of message %s that do not agree how many there are", *p.MessageID)
	case c.held > maxHeld:
		c.drop(*p.MessageID)
		return nil, c.fault("message %s, and more unfinished ones than there is room for", *p.MessageID)
	case len(held.pieces) < held.total:
		return nil, nil
	}
	c.drop(*p.MessageID)
	for i := range held.total {
		whole = append(whole, held.pieces[i]...)
	}
	if plain := finite(whole); !json.Valid(plain) || bytes.TrimSpace(plain)[0] != '{' {
		return nil, c.fault("message %s, whose pieces are no object together", *p.MessageID)
	}
	c.assembled++
	return whole, nil
}

func (c *chunks) fault(format string, args ...any) error {
	c.errored++
	return fmt.Errorf(format, args...)
}

func (c *chunks) drop(id string) {
	c.held -= c.partial[id].size
	delete(c.partial, id)
}

func (c *chunks) expire(now time.Time) {
	for id, p := range c.partial {
		if c.expiry > 0 && now.Sub(p.began) > c.expiry {
			c.drop(id)
			c.expired++
		}
	}
}

// status is the answer to the command chunks.
func (c *chunks) status(now time.Time) object {
	c.expire(now)
	var partials object
	for _, id := range slices.SortedFunc(maps.Keys(c.partial), func(a, b string) int {
		return cmp.Or(c.partial[a].began.Compare(c.partial[b].began), cmp.Compare(a, b))
	}) {
		p := c.partial[id]
		list := []any{}
		for _, i := range slices.Sorted(maps.Keys(p.pieces)) {
			list = append(list, object{{"chunk_id", i}, {"length", utf8.RuneCountInString(p.pieces[i])}})
		}
		partials = append(partials, member{id, object{
			{"seconds_since_start", now.Sub(p.began).Seconds()}, {"expected_total", p.total}, {"chunks", list},
		}})
	}
	return object{
		{"status", object{
			{"total_chunks_received", c.received},
			{"successful_assemblies", c.assembled},
			{"errored_assemblies", c.errored},
			{"timed_out_assemblies", c.expired},
			{"active_messages", len(c.partial)},
		}},
		{"partials", partials},
	}
}

// Split cuts a message that is longer than limit bytes into pieces that are not.
func Split(text []byte, limit int) [][]byte {
	if len(text) <= limit {
		return [][]byte{text}
	}
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails
	return split(string(text), limit, hex.EncodeToString(id))
}

func split(text string, limit int, id string) (all [][]byte) {
	most := strconv.Itoa(len(text))
	room := limit - len(`{"`+chunkMark+`":"v1","message_id":"`+id+`","index":`+most+`,"total":`+most+`,"payload":""}`)
	var payloads []string
	begin, used := 0, 0
	for i, r := range text {
		size := escaped(r)
		if used+size > room {
			payloads, begin, used = append(payloads, text[begin:i]), i, 0
		}
		used += size
	}
	payloads = append(payloads, text[begin:])
	for i, p := range payloads {
		all = append(all, fmt.Appendf(nil, `{"%s":"v1","message_id":"%s","index":%d,"total":%d,"payload":%s}`, chunkMark, id, i, len(payloads), ascii(p)))
	}
	return all
}

// escaped is how many bytes a character takes in a text of JSON in ASCII.
func escaped(r rune) int {
	switch {
	case r == '"', r == '\\', r == '\n', r == '\r', r == '\t', r == '\b', r == '\f':
		return 2
	case r < ' ', r > 0x7e && r <= 0xffff:
		return 6
	case r > 0xffff:
		return 12
	}
	return 1
}

// ascii writes a text of JSON as Python does: in ASCII.
func ascii(s string) []byte {
	out := []byte{'"'}
	for _, r := range s {
		switch r {
		case '"', '\\':
			out = append(out, '\\', byte(r))
		case '\n':
			out = append(out, `\n`...)
		case '\r':
			out = append(out, `\r`...)
		case '\t':
			out = append(out, `\t`...)
		case '\b':
			out = append(out, `\b`...)
		case '\f':
			out = append(out, `\f`...)
		default:
			switch {
			case r > 0xffff:
				r -= 0x10000
				out = fmt.Appendf(out, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
			case r < ' ' || r > 0x7e:
				out = fmt.Appendf(out, `\u%04x`, r)
			default:
				out = append(out, byte(r))
			}
		}
	}
	return append(out, '"')
}

// Joiner puts answers together whose pieces come one after the other.
type Joiner struct {
	Whole [][]byte // the answers that are complete

	c chunks
}

// Take takes an answer, or a piece of one. What is neither is left out.
func (j *Joiner) Take(text []byte) {
	m, err := parse(append([]byte(nil), text...))
	if err != nil {
		return
	}
	if m.fields[chunkMark] == nil {
		j.Whole = append(j.Whole, m.raw)
		return
	}
	if j.c.partial == nil {
		j.c.partial = map[string]*partial{}
	}
	if whole, err := j.c.take(m, time.Now()); err == nil && whole != nil {
		j.Whole = append(j.Whole, whole)
	}
}
