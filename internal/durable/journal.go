package durable

import (
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// journalVersion is the newest format that this code reads and writes. Format 1
// has no generation, and is still written for the first journal of a run.
const journalVersion = 2

// maxCommands bounds what a damaged journal can make us allocate.
const maxCommands = 1 << 24

// errDamaged is wrapped by every error of reading a journal.
var errDamaged = errors.New("the journal is damaged")

type entryKind uint8

const (
	entryHeader  entryKind = 1
	entryCommand entryKind = 2
	entryDone    entryKind = 3 // of a command
	entrySignal  entryKind = 4 // came, whether somebody waits for it or not
	entryVersion entryKind = 5
	entryPoll    entryKind = 6 // all commands so far are sent
	entrySeal    entryKind = 7 // checksum of all before it
	entryExpire  entryKind = 8 // the run's deadline passed
)

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

// entry is one line of a journal. Which fields are set depends on its kind.
type entry struct {
	kind entryKind

	// header
	version  uint64
	sdk      string
	seed     uint64
	epoch    uint64
	expires  int64 // microseconds; 0 = never
	dispatch string
	// generation tells the journals of one run apart; 0 = the first one, or format 1.
	generation uint64

	// command; name also of header (function), signal and version
	op      Op
	branch  uint64
	name    string
	site    string
	digest  uint64
	count   uint64 // of commands in one entry, at least 1
	ordinal uint64 // of the first; of done: which

	at    int64 // microseconds: start, deadline, or when it came
	n     uint64
	value Value
	fail  []byte // a dispatch.sdk.v1.Error

	child   uint64 // branch that an OpGo made
	index   int    // in the journal
	end     int64  // bytes of the journal up to its end
	matched bool   // in replay
}

// Value is an encoded value: the two fields of an Any. The zero Value is none.
type Value struct {
	URL  string
	Data []byte
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

// writer encodes entries. What was not taken yet is pending.
type writer struct {
	pending []byte
	taken   int64  // bytes taken before
	sum     uint32 // of them
	texts   map[string]uint64
	scratch []byte
	start   int64 // of the header; times are written as distances from it
	all     []byte
	keepAll bool
}

// len is the length of the journal so far.
func (w *writer) len() int64 { return w.taken + int64(len(w.pending)) }

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (w *writer) add(e *entry) {
	if e.kind == entryHeader {
		w.start = e.at
	}
	b := w.scratch[:0]
	b = appendNum(b, fKind, uint64(e.kind))
	b = appendNum(b, fBranch, e.branch)
	b = appendNum(b, fOp, uint64(e.op))
	b = w.appendText(b, fName, fNameRef, e.name)
	b = w.appendText(b, fSite, fSiteRef, e.site)
	if e.digest != 0 {
		b = protowire.AppendTag(b, fDigest, protowire.Fixed64Type)
		b = protowire.AppendFixed64(b, e.digest)
	}
	if e.count > 1 {
		b = appendNum(b, fCount, e.count)
	}
	if e.at != 0 {
		at := e.at
		if e.kind != entryHeader {
			at -= w.start
		}
		b = protowire.AppendTag(b, fAt, protowire.VarintType)
		b = protowire.AppendVarint(b, protowire.EncodeZigZag(at))
	}
	if e.kind == entryDone {
		b = appendNum(b, fOrdinal, e.ordinal)
	}
	b = w.appendText(b, fURL, fURLRef, e.value.URL)
	b = appendBytes(b, fData, e.value.Data)
	b = appendBytes(b, fFail, e.fail)
	b = appendNum(b, fN, e.n)
	if e.kind == entryHeader {
		b = w.appendHeader(b, e)
	}
	w.scratch = b
	w.pending = protowire.AppendTag(w.pending, fieldEntry, protowire.BytesType)
	w.pending = protowire.AppendBytes(w.pending, b)
}

func (w *writer) appendHeader(b []byte, e *entry) []byte {
	b = appendNum(b, fVersion, e.version)
	b = appendBytes(b, fSDK, []byte(e.sdk))
	b = appendNum(b, fSeed, e.seed)
	b = appendNum(b, fEpoch, e.epoch)
	b = appendNum(b, fExpires, uint64(max(e.expires, 0)))
	b = appendBytes(b, fDispatch, []byte(e.dispatch))
	return appendNum(b, fLife, e.generation)
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
func (w *writer) appendText(b []byte, full, ref protowire.Number, text string) []byte {
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

// take seals the first n pending bytes, and returns them as a segment.
func (w *writer) take(n int) []byte {
	w.sum = crc32.Update(w.sum, castagnoli, w.pending[:n])
	seal := appendNum(nil, fKind, uint64(entrySeal))
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
	entries  []entry
	texts    []string
	start    int64
	commands uint64
	branches uint64
	sum      uint32
	sealed   bool
	position int
	whole    []byte
}

// decode reads all segments of a journal. Errors wrap errDamaged. The entries
// alias the bytes.
func decode(journal []byte) ([]entry, *writer, error) {
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
	w := &writer{taken: int64(len(journal)), sum: r.sum, start: r.start, texts: make(map[string]uint64, len(r.texts))}
	for i, text := range r.texts {
		w.texts[text] = uint64(i) + 1
	}
	return r.entries, w, nil
}

func (r *reader) damaged(format string, args ...any) error {
	return fmt.Errorf("%w: at byte %d: %s", errDamaged, r.position, fmt.Sprintf(format, args...))
}

func (r *reader) entry(body, raw []byte) error {
	e := entry{count: 1}
	if err := r.fields(body, &e); err != nil {
		return err
	}
	if (len(r.entries) == 0) != (e.kind == entryHeader) {
		return r.damaged("the header is not where it must be")
	}
	switch e.kind {
	case entryHeader:
		if e.version == 0 || e.version > journalVersion {
			return fmt.Errorf("the journal was written by a newer SDK (%s, format %d; this one reads up to %d): deploy that version again", e.sdk, e.version, journalVersion)
		}
		r.start = e.at
	case entryCommand:
		if e.branch > r.branches || e.count > maxCommands || r.commands+e.count > maxCommands {
			return r.damaged("command of branch %d with %d parts", e.branch, e.count)
		}
		if e.op == OpGo {
			r.branches++
			e.child = r.branches
		}
		e.ordinal = r.commands
		r.commands += e.count
	case entryDone:
		if e.ordinal >= r.commands {
			return r.damaged("end of command %d, which was never given", e.ordinal)
		}
	case entrySignal, entryVersion, entryPoll, entryExpire:
	case entrySeal:
		if e.n != uint64(r.sum)+1 {
			return r.damaged("its checksum is wrong")
		}
	default:
		return r.damaged("entry of unknown kind %d", e.kind)
	}
	r.sum = crc32.Update(r.sum, castagnoli, raw)
	if r.sealed = e.kind == entrySeal; !r.sealed {
		e.index, e.end = len(r.entries), int64(r.position+len(raw))
		r.entries = append(r.entries, e)
	}
	return nil
}

func (r *reader) fields(body []byte, e *entry) error {
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
				e.digest = v
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

func (r *reader) number(e *entry, field protowire.Number, v uint64) (err error) {
	switch field {
	case fKind:
		e.kind = entryKind(min(v, math.MaxUint8))
	case fBranch:
		e.branch = v
	case fOp:
		e.op = Op(min(v, math.MaxUint8))
	case fNameRef:
		e.name, err = r.text(v)
	case fSiteRef:
		e.site, err = r.text(v)
	case fURLRef:
		e.value.URL, err = r.text(v)
	case fCount:
		e.count = max(v, 1)
	case fAt:
		e.at = protowire.DecodeZigZag(v) + r.start
	case fOrdinal:
		e.ordinal = v
	case fN:
		e.n = v
	case fVersion:
		e.version = v
	case fSeed:
		e.seed = v
	case fEpoch:
		e.epoch = v & math.MaxUint16
	case fExpires:
		e.expires = int64(v & math.MaxInt64)
	case fLife:
		e.generation = v
	}
	return err
}

func (r *reader) bytes(e *entry, field protowire.Number, v []byte) {
	switch field {
	case fName:
		e.name = r.newText(v)
	case fSite:
		e.site = r.newText(v)
	case fURL:
		e.value.URL = r.newText(v)
	case fData:
		e.value.Data = v
	case fFail:
		e.fail = v
	case fSDK:
		e.sdk = string(v)
	case fDispatch:
		e.dispatch = string(v)
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

func micros(t time.Time) int64      { return t.UnixMicro() }
func fromMicros(us int64) time.Time { return time.UnixMicro(us).UTC() }
