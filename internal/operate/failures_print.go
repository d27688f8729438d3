package operate

import (
	"crypto/sha256"
	"encoding/binary"
	"strconv"
	"strings"
	"unicode"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// failureOf is the group of a failure: of one queue, target and code, and of errors whose
// first lines differ in nothing but what blanked takes out.
func failureOf(queue string, spec *task.Spec, code, text string) store.FailureGroup {
	g := store.FailureGroup{Queue: queue, Target: TargetOf(spec), Code: code, Text: blanked(store.CleanText(text, store.MaxError), code)}
	h := sha256.New()
	for _, part := range []string{g.Queue, g.Target, g.Code, g.Text} {
		_ = binary.Write(h, binary.BigEndian, int64(len(part))) // a hash takes all
		_, _ = h.Write([]byte(part))
	}
	g.Print = store.Hash(h.Sum(nil)[:len(g.Print)])
	return g
}

// failureOfTask is the id of the group that a task belongs to; "" when it has not failed.
func failureOfTask(t *Task) string {
	if t.State != task.Failed {
		return ""
	}
	g := failureOf(t.Queue, t.Spec, codeOf(t), t.LastError)
	return FailureID(g.Print)
}

// maxTarget bounds the name of a target, in bytes.
const maxTarget = 300

// TargetOf is what a task calls, as counts and groups of failures name it: "" when that is not known.
func TargetOf(spec *task.Spec) string { return store.CleanText(targetOf(spec), maxTarget) }

// targetOf is what a task calls: the host of its URL, or the name of a function, process or
// handler.
func targetOf(spec *task.Spec) string {
	if spec == nil {
		return ""
	}
	switch spec.Kind {
	case task.Function:
		return spec.Function
	case task.Process:
		return spec.Process
	case task.Local:
		return spec.Handler
	}
	return targetHost(spec.URL)
}

// TargetIn is TargetOf of an encoded spec.
func TargetIn(spec []byte) string {
	target, isURL := task.EncodedTarget(spec)
	if isURL {
		target = targetHost(target)
	}
	return store.CleanText(target, maxTarget)
}

// targetHost is the host of a URL that was accepted, which mostly has nothing special.
func targetHost(raw string) string {
	_, host, _ := strings.Cut(raw, "://")
	if end := strings.IndexAny(host, "/?#"); end >= 0 {
		host = host[:end]
	}
	if host == "" || strings.ContainsFunc(host, special) {
		host = hostOf(raw)
	}
	return strings.ToLower(host)
}

func special(r rune) bool {
	return r != '.' && r != '-' && r != ':' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
}

// codeText says in a word how an attempt went: the status of its answer, or why there was
// none, or its outcome.
func codeText(code int32, cause task.Cause, outcome task.Class) string {
	switch {
	case code != 0:
		return strconv.Itoa(int(code))
	case cause != 0:
		return cause.String()
	case outcome == task.NoOutcome:
		return ""
	}
	return outcome.String()
}

const (
	blank   = "…"
	maxLine = 300 // bytes of an error's first line that are looked at
)

// blanked is the first line of an error without what differs from task to task: ids,
// numbers, quoted text and addresses. What is kept as it is is the code.
func blanked(text, code string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	line = store.CleanText(strings.TrimSpace(line), maxLine)
	var b strings.Builder
	for line != "" {
		if n := inQuotes(line, b.String()); n > 0 {
			b.WriteString(`"` + blank + `"`)
			line = line[n:]
			continue
		}
		if n := wordLen(line); n > 0 {
			b.WriteString(blankedWord(line[:n], code))
			line = line[n:]
			continue
		}
		r := []rune(line[:min(len(line), 4)])[0]
		b.WriteRune(r)
		line = line[len(string(r)):]
	}
	return b.String()
}

// wordLen is the length of the word that line begins with. A URL ends where a space or a
// quote does.
func wordLen(line string) int {
	n := strings.IndexFunc(line, apart)
	if n > 0 && strings.Contains(line[:n], "://") {
		n = strings.IndexFunc(line, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune("\"'`<>“”", r) })
	}
	if n < 0 {
		return len(line)
	}
	return n
}

// apart tells whether a rune stands between words.
func apart(r rune) bool {
	return unicode.IsSpace(r) || strings.ContainsRune("()[]{}<>,;=|\"'`“”", r)
}

// inQuotes is the length of a text in quotes that line begins with; 0 = it begins with none.
// The ' of don't is none: before is what stands before it.
func inQuotes(line, before string) int {
	for _, q := range [][2]string{{`"`, `"`}, {"`", "`"}, {"“", "”"}, {"'", "'"}} {
		rest, ok := strings.CutPrefix(line, q[0])
		if !ok {
			continue
		}
		end := strings.Index(rest, q[1])
		if end < 0 || q[0] == "'" && before != "" && !apart(rune(before[len(before)-1])) {
			return 0
		}
		return len(q[0]) + end + len(q[1])
	}
	return 0
}

// blankedWord blanks a word, or what of it differs.
func blankedWord(word, code string) string {
	core := strings.TrimRight(word, ".:!?,")
	tail := word[len(core):]
	switch {
	case core == code || !strings.ContainsFunc(core, isDigit) && !strings.Contains(core, "://") && !strings.Contains(core, "@"):
		return word
	case strings.Contains(core, "://"), strings.Contains(core, "@"), strings.Trim(core, "0123456789abcdefABCDEF-_:.") == "", looksRandom(core):
		return blank + tail
	}
	out, sep := "", ""
	for core != "" {
		n := strings.IndexAny(core, "-_:./")
		if n < 0 {
			n = len(core)
		}
		if part := blankedPart(core[:n]); part != blank || !strings.HasSuffix(out, blank) {
			out += sep + part
		}
		if sep, core = "", core[n:]; core != "" {
			sep, core = core[:1], core[1:]
		}
	}
	return out + sep + tail
}

// blankedPart blanks a part of a word: what begins with a digit or is long, and the number
// behind a short name.
func blankedPart(part string) string {
	n := strings.IndexFunc(part, isDigit)
	switch {
	case n < 0:
		return part
	case len(part) >= 8:
		return blank
	}
	return part[:n] + blank
}

// looksRandom tells whether a word is an id such as V1StGXR8_Z5jdHi6B-myT.
func looksRandom(word string) bool {
	return len(word) >= 12 && !strings.ContainsAny(word, "/.") && strings.ContainsFunc(word, unicode.IsUpper) && strings.ContainsFunc(word, unicode.IsLower)
}

func isDigit(r rune) bool { return r >= '0' && r <= '9' }
