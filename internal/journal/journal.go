// Package journal is the format of the journal of a durable function: what the
// function asked for, and what came of it. The SDK writes and replays it; the
// server keeps it as opaque segments, and reads it only to show it. It knows
// neither of them.
package journal

import (
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// Newest is the newest format that this code reads and writes. Format 1
// has no generation, and is still written for the first journal of a run.
const Newest = 2

// maxCommands bounds what a damaged journal can make us allocate.
const maxCommands = 1 << 24

// ErrDamaged is wrapped by every error of reading a journal.
var ErrDamaged = errors.New("the journal is damaged")

// Kind is the kind of an entry.
type Kind uint8

// The kinds.
const (
	Header  Kind = 1
	Command Kind = 2
	Done    Kind = 3 // of a command
	Signal  Kind = 4 // came, whether somebody waits for it or not
	Version Kind = 5
	Poll    Kind = 6 // all commands so far are sent; with OpStep: but for steps, which start after it
	seal    Kind = 7 // checksum of all before it
	Expire  Kind = 8 // the run's deadline passed; with N = ByCancel: it was canceled
)

// ByCancel is the number of an Expire that somebody asked for.
const ByCancel = 1

// Op is the kind of a command.
type Op uint8

// The commands.
const (
	OpCall    Op = 1
	OpStep    Op = 2
	OpTimer   Op = 3
	OpGo      Op = 4
	OpPromise Op = 5
)

func (o Op) String() string {
	switch o {
	case OpCall:
		return "call"
	case OpStep:
		return "step"
	case OpTimer:
		return "timer"
	case OpGo:
		return "branch"
	case OpPromise:
		return "promise"
	}
	return fmt.Sprintf("command %d", uint8(o))
}

// Entry is one line of a journal. Which fields are set depends on its kind.
type Entry struct {
	Kind Kind

	// header
	Version  uint64
	SDK      string
	Seed     uint64
	Epoch    uint64
	Expires  int64 // microseconds; 0 = never
	Dispatch string
	// generation tells the journals of one run apart; 0 = the first one, or format 1.
	Generation uint64

	// command; name also of header (function), signal and version, and of a poll: the
	// signals that it waits for, see Awaited
	Op      Op
	Branch  uint64
	Name    string
	Site    string
	Digest  uint64
	Count   uint64 // of commands in one entry, at least 1
	Ordinal uint64 // of the first; of done: which

	At    int64  // microseconds: start, deadline, or when it came
	N     uint64 // of a signal: its sequence; a poll: calls sent; a version: which; the end of a step: attempts, 0 = 1
	Value Value
	Fail  []byte // a dispatch.sdk.v1.Error

	Child uint64 // branch that an OpGo made
	Index int    // in the journal
	End   int64  // bytes of the journal up to its end
}

// The numbers of the fields in the encoding: the journal is a protobuf message
// with a repeated field 1, so that segments can be put one after another.
const (
	fieldEntry = 1

	fKind     = 1
	fBranch   = 2
	fOp       = 3
	fName     = 4
	fNameRef  = 5
	fSite     = 6
	fSiteRef  = 7
	fDigest   = 8
	fCount    = 9
	fAt       = 10
	fOrdinal  = 11
	fURL      = 12
	fURLRef   = 13
	fData     = 14
	fFail     = 15
	fN        = 16
	fVersion  = 17
	fSDK      = 18
	fSeed     = 19
	fEpoch    = 20
	fExpires  = 21
	fDispatch = 22
	fLife     = 23
)

// Writer encodes entries. What was not taken yet is pending. The zero Writer
// begins a journal. Not safe for concurrent use.
type Writer struct {
	pending []byte
	taken   int64  // bytes taken before
	sum     uint32 // of them
	texts   map[string]uint64
	scratch []byte
	start   int64 // of the header; times are written as distances from it
	all     []byte
	keepAll bool
}

// KeepAll has the writer keep the whole journal, which had these bytes before.
func (w *Writer) KeepAll(before []byte) { w.keepAll, w.all = true, before }

// All is the whole journal as it was taken; see KeepAll.
func (w *Writer) All() []byte { return w.all }

// Taken is the length of what was taken, in bytes: where the next segment begins.
func (w *Writer) Taken() int64 { return w.taken }

// Pending is the length of what was not taken yet, in bytes.
func (w *Writer) Pending() int { return len(w.pending) }

// Len is the length of the journal so far, in bytes.
func (w *Writer) Len() int64 { return w.taken + int64(len(w.pending)) }

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Add writes an entry.
func (w *Writer) Add(e *Entry) {
	if e.Kind == Header {
		w.start = e.At
	}
	b := w.scratch[:0]
	b = appendNum(b, fKind, uint64(e.Kind))
	b = appendNum(b, fBranch, e.Branch)
	b = appendNum(b, fOp, uint64(e.Op))
	b = w.appendText(b, fName, fNameRef, e.Name)
	b = w.appendText(b, fSite, fSiteRef, e.Site)
	if e.Digest != 0 {
		b = protowire.AppendTag(b, fDigest, protowire.Fixed64Type)
		b = protowire.AppendFixed64(b, e.Digest)
	}
	if e.Count > 1 {
		b = appendNum(b, fCount, e.Count)
	}
	if e.At != 0 {
		at := e.At
		if e.Kind != Header {
			at -= w.start
		}
		b = protowire.AppendTag(b, fAt, protowire.VarintType)
		b = protowire.AppendVarint(b, protowire.EncodeZigZag(at))
	}
	if e.Kind == Done {
		b = appendNum(b, fOrdinal, e.Ordinal)
	}
	b = w.appendText(b, fURL, fURLRef, e.Value.URL)
	b = appendBytes(b, fData, e.Value.Data)
	b = appendBytes(b, fFail, e.Fail)
	b = appendNum(b, fN, e.N)
	if e.Kind == Header {
		b = w.appendHeader(b, e)
	}
	w.scratch = b
	w.pending = protowire.AppendTag(w.pending, fieldEntry, protowire.BytesType)
	w.pending = protowire.AppendBytes(w.pending, b)
}

func (w *Writer) appendHeader(b []byte, e *Entry) []byte {
	b = appendNum(b, fVersion, e.Version)
	b = appendBytes(b, fSDK, []byte(e.SDK))
	b = appendNum(b, fSeed, e.Seed)
	b = appendNum(b, fEpoch, e.Epoch)
	b = appendNum(b, fExpires, uint64(max(e.Expires, 0)))
	b = appendBytes(b, fDispatch, []byte(e.Dispatch))
	return appendNum(b, fLife, e.Generation)
}

func appendNum(b []byte, field protowire.Number, v uint64) []byte {
	if v == 0 {
		return b
	}
	b = protowire.AppendTag(b, field, protowire.VarintType)
	return protowire.AppendVarint(b, v)
}

func appendBytes(b []byte, field protowire.Number, v []byte) []byte {
	if len(v) == 0 {
		return b
	}
	b = protowire.AppendTag(b, field, protowire.BytesType)
	return protowire.AppendBytes(b, v)
}

// appendText writes a text in full the first time, and as its number later.
func (w *Writer) appendText(b []byte, full, ref protowire.Number, text string) []byte {
	if text == "" {
		return b
	}
	if n, ok := w.texts[text]; ok {
		return appendNum(b, ref, n)
	}
	if w.texts == nil {
		w.texts = make(map[string]uint64)
	}
	w.texts[text] = uint64(len(w.texts)) + 1
	b = protowire.AppendTag(b, full, protowire.BytesType)
	return protowire.AppendString(b, text)
}

// Take seals the first n pending bytes, and returns them as a segment.
func (w *Writer) Take(n int) []byte {
	w.sum = crc32.Update(w.sum, castagnoli, w.pending[:n])
	seal := appendNum(nil, fKind, uint64(seal))
	seal = appendNum(seal, fN, uint64(w.sum)+1)
	segment := append(make([]byte, 0, n+len(seal)+2), w.pending[:n]...)
	segment = protowire.AppendTag(segment, fieldEntry, protowire.BytesType)
	segment = protowire.AppendBytes(segment, seal)
	w.sum = crc32.Update(w.sum, castagnoli, segment[n:])
	w.taken += int64(len(segment))
	w.pending = w.pending[:copy(w.pending, w.pending[n:])]
	if w.keepAll {
		w.all = append(w.all, segment...)
	}
	return segment
}

// reader decodes a journal and leaves a writer that goes on with it.
type reader struct {
	entries  []Entry
	texts    []string
	start    int64
	commands uint64
	branches uint64
	sum      uint32
	sealed   bool
	position int
	whole    []byte
}

// Decode reads all segments of a journal. Errors wrap ErrDamaged, but for
// a journal of a newer format. The entries alias the bytes.
func Decode(journal []byte) ([]Entry, *Writer, error) {
	r := &reader{whole: journal}
	for rest := journal; len(rest) > 0; {
		r.position = len(journal) - len(rest)
		field, kind, n := protowire.ConsumeTag(rest)
		if n < 0 || field != fieldEntry || kind != protowire.BytesType {
			return nil, nil, r.damaged("it is no journal")
		}
		body, m := protowire.ConsumeBytes(rest[n:])
		if m < 0 {
			return nil, nil, r.damaged("it ends within an entry")
		}
		if err := r.entry(body, rest[:n+m]); err != nil {
			return nil, nil, err
		}
		rest = rest[n+m:]
	}
	if len(r.entries) == 0 || !r.sealed {
		return nil, nil, r.damaged("its end is missing")
	}
	w := &Writer{taken: int64(len(journal)), sum: r.sum, start: r.start, texts: make(map[string]uint64, len(r.texts))}
	for i, text := range r.texts {
		w.texts[text] = uint64(i) + 1
	}
	return r.entries, w, nil
}

func (r *reader) damaged(format string, args ...any) error {
	return fmt.Errorf("%w: at byte %d: %s", ErrDamaged, r.position, fmt.Sprintf(format, args...))
}

func (r *reader) entry(body, raw []byte) error {
	e := Entry{Count: 1}
	if err := r.fields(body, &e); err != nil {
		return err
	}
	if (len(r.entries) == 0) != (e.Kind == Header) {
		return r.damaged("the header is not where it must be")
	}
	switch e.Kind {
	case Header:
		if e.Version == 0 || e.Version > Newest {
			return fmt.Errorf("the journal was written by a newer SDK (%s, format %d; this one reads up to %d): deploy that version again", e.SDK, e.Version, Newest)
		}
		r.start = e.At
	case Command:
		if e.Branch > r.branches || e.Count > maxCommands || r.commands+e.Count > maxCommands {
			return r.damaged("command of branch %d with %d parts", e.Branch, e.Count)
		}
		if e.Op == OpGo {
			r.branches++
			e.Child = r.branches
		}
		e.Ordinal = r.commands
		r.commands += e.Count
	case Done:
		if e.Ordinal >= r.commands {
			return r.damaged("end of command %d, which was never given", e.Ordinal)
		}
	case Signal, Version, Poll, Expire:
	case seal:
		if e.N != uint64(r.sum)+1 {
			return r.damaged("its checksum is wrong")
		}
	default:
		return r.damaged("entry of unknown kind %d", e.Kind)
	}
	r.sum = crc32.Update(r.sum, castagnoli, raw)
	if r.sealed = e.Kind == seal; !r.sealed {
		e.Index, e.End = len(r.entries), int64(r.position+len(raw))
		r.entries = append(r.entries, e)
	}
	return nil
}

func (r *reader) fields(body []byte, e *Entry) error {
	for len(body) > 0 {
		field, kind, n := protowire.ConsumeTag(body)
		if n < 0 {
			return r.damaged("a field cannot be read")
		}
		body = body[n:]
		var err error
		switch kind {
		case protowire.VarintType:
			var v uint64
			if v, n = protowire.ConsumeVarint(body); n >= 0 {
				err = r.number(e, field, v)
			}
		case protowire.BytesType:
			var v []byte
			if v, n = protowire.ConsumeBytes(body); n >= 0 {
				r.bytes(e, field, v)
			}
		case protowire.Fixed64Type:
			var v uint64
			if v, n = protowire.ConsumeFixed64(body); n >= 0 && field == fDigest {
				e.Digest = v
			}
		default:
			n = protowire.ConsumeFieldValue(field, kind, body)
		}
		if n < 0 {
			return r.damaged("a field cannot be read")
		}
		if err != nil {
			return err
		}
		body = body[n:]
	}
	return nil
}

func (r *reader) number(e *Entry, field protowire.Number, v uint64) (err error) {
	switch field {
	case fKind:
		e.Kind = Kind(min(v, math.MaxUint8))
	case fBranch:
		e.Branch = v
	case fOp:
		e.Op = Op(min(v, math.MaxUint8))
	case fNameRef:
		e.Name, err = r.text(v)
	case fSiteRef:
		e.Site, err = r.text(v)
	case fURLRef:
		e.Value.URL, err = r.text(v)
	case fCount:
		e.Count = max(v, 1)
	case fAt:
		e.At = protowire.DecodeZigZag(v) + r.start
	case fOrdinal:
		e.Ordinal = v
	case fN:
		e.N = v
	case fVersion:
		e.Version = v
	case fSeed:
		e.Seed = v
	case fEpoch:
		e.Epoch = v & math.MaxUint16
	case fExpires:
		e.Expires = int64(v & math.MaxInt64)
	case fLife:
		e.Generation = v
	}
	return err
}

func (r *reader) bytes(e *Entry, field protowire.Number, v []byte) {
	switch field {
	case fName:
		e.Name = r.newText(v)
	case fSite:
		e.Site = r.newText(v)
	case fURL:
		e.Value.URL = r.newText(v)
	case fData:
		e.Value.Data = v
	case fFail:
		e.Fail = v
	case fSDK:
		e.SDK = string(v)
	case fDispatch:
		e.Dispatch = string(v)
	}
}

func (r *reader) newText(v []byte) string {
	r.texts = append(r.texts, string(v))
	return r.texts[len(r.texts)-1]
}

func (r *reader) text(ref uint64) (string, error) {
	if ref == 0 || ref > uint64(len(r.texts)) {
		return "", r.damaged("text %d, which was never given", ref)
	}
	return r.texts[ref-1], nil
}

// Micros is a time as journals keep it.
func Micros(t time.Time) int64 { return t.UnixMicro() }

// Time is the time of so many microseconds.
func Time(us int64) time.Time { return time.UnixMicro(us).UTC() }
