package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/sendoff-dev/sendoff/internal/accept"
	"github.com/sendoff-dev/sendoff/internal/operate"
	"github.com/sendoff-dev/sendoff/task"
	"github.com/sendoff-dev/sendoff/task/cron"
)

// checkFields looks in valid JSON for what encoding/json would let pass when it
// decodes it into a t: names in other letters, which it takes for the field; names
// that come twice, of which it takes the last; halves of a character, which it
// replaces; null in place of a text of an object; and more entries than are read.
// A few bytes of JSON can take many of memory, so it ends at the first.
func checkFields(valid []byte, t reflect.Type) *task.FieldError {
	s := scanner{b: valid}
	s.value(t, "")
	return s.fault
}

// scanner walks over valid JSON along a Go type. It ends at the first fault.
type scanner struct {
	b     []byte
	i     int
	fault *task.FieldError
}

func (s *scanner) refuse(path, message string) {
	var bad task.Invalid
	bad.Add(path, "%s", message) // which cuts what is long
	s.fault = &bad[0]
}

func (s *scanner) value(t reflect.Type, path string) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch c := s.next(); {
	case c == '{' && t.Kind() == reflect.Struct:
		s.object(path, func(name string) (reflect.Type, bool) { f, ok := fieldsOf(t)[name]; return f, ok })
	case c == '{' && t == reflect.TypeFor[texts]():
		s.object(path, s.entry(path, reflect.TypeFor[entryText]()))
	case c == '{' && t == reflect.TypeFor[labelChanges]():
		s.object(path, s.entry(path, reflect.TypeFor[labelText]()))
	case c == '[' && longest[t] > 0:
		s.list(t.Elem(), path, longest[t])
	case c == '"' && t.Kind() == reflect.String:
		s.text(path)
	case t == reflect.TypeFor[entryText]():
		s.refuse(path, "is a JSON "+kindOf(s.b[s.i:])+": want text")
	case t == reflect.TypeFor[labelText]() && c != 'n':
		s.refuse(path, "is a JSON "+kindOf(s.b[s.i:])+": want text, or null")
	default:
		s.skip()
	}
}

// entry checks the entries of an object that are of a type.
func (s *scanner) entry(path string, of reflect.Type) func(string) (reflect.Type, bool) {
	n := 0
	return func(name string) (reflect.Type, bool) {
		if n++; n > maxTexts {
			s.refuse(path, fmt.Sprintf("has more than %d entries", maxTexts))
		}
		return of, true
	}
}

// entryText is a text that cannot be left out as null.
type entryText string

func (s *scanner) object(path string, field func(name string) (reflect.Type, bool)) {
	seen := map[string]bool{}
	for s.i++; s.fault == nil && s.next() != '}'; {
		name := s.text(path)
		t, known := field(name)
		switch at := strings.TrimPrefix(path+"."+name, "."); {
		case s.fault != nil:
		case !known:
			s.refuse(at, unknownField)
		case seen[name]:
			s.refuse(at, "is given twice")
		default:
			seen[name] = true
			s.next()
			s.i++ // the colon
			s.value(t, at)
			s.comma()
		}
	}
	s.i++
}

// longest is how many entries lists may have.
var longest = map[reflect.Type]int{
	reflect.TypeFor[batchTasks](): task.MaxBatch, reflect.TypeFor[bulkIDs](): operate.MaxIDs, reflect.TypeFor[limitList](): task.MaxLimits, reflect.TypeFor[idList](): accept.MaxDependencies,
	reflect.TypeFor[timeList](): cron.MaxTimes,
}

func (s *scanner) list(t reflect.Type, path string, most int) {
	n := 0
	for s.i++; s.fault == nil && s.next() != ']'; n++ {
		if n == most {
			s.refuse(path, fmt.Sprintf("has more than %d entries: want 1 to %[1]d", most))
			return
		}
		s.value(t, fmt.Sprintf("%s[%d]", path, n))
		s.comma()
	}
	s.i++
}

// next moves to the next byte that is no blank, and returns it.
func (s *scanner) next() byte {
	for s.b[s.i] <= ' ' {
		s.i++
	}
	return s.b[s.i]
}

func (s *scanner) comma() {
	if s.fault == nil && s.next() == ',' {
		s.i++
	}
}

// text reads a string.
func (s *scanner) text(path string) (text string) {
	from := s.i
	s.quoted()
	quoted := s.b[from:s.i]
	if bytes.IndexByte(quoted, '\\') < 0 {
		return string(quoted[1 : len(quoted)-1])
	}
	_ = json.Unmarshal(quoted, &text) // valid, as all of it
	if half := halfCharacter(quoted); half != "" {
		s.refuse(path, "has "+half+", which is half a character")
	}
	return text
}

// halfCharacter returns the first escape of UTF-16 in a string of JSON that stands
// without its other half; "" = there is none.
func halfCharacter(quoted []byte) string {
	unit := func(i int) rune {
		if i+6 > len(quoted) || quoted[i] != '\\' || quoted[i+1] != 'u' {
			return 0
		}
		n, _ := strconv.ParseUint(string(quoted[i+2:i+6]), 16, 16)
		return rune(n)
	}
	for i := 0; i < len(quoted); i++ {
		if quoted[i] != '\\' {
			continue
		}
		switch r := unit(i); {
		case !utf16.IsSurrogate(r):
			i++
		case utf16.DecodeRune(r, unit(i+6)) == utf8.RuneError:
			return string(quoted[i : i+6])
		default:
			i += 11
		}
	}
	return ""
}

// skip moves behind a value, whatever it holds.
func (s *scanner) skip() {
	for depth := 0; ; {
		switch c := s.b[s.i]; c {
		case '"':
			s.quoted()
		case '{', '[':
			depth++
			s.i++
		case '}', ']':
			depth--
			s.i++
		default:
			s.i++
		}
		if depth == 0 && s.ended() {
			return
		}
	}
}

// ended tells whether a value at depth 0 ends before this byte.
func (s *scanner) ended() bool {
	switch s.b[s.i-1] {
	case '"', '}', ']':
		return true
	}
	return s.i == len(s.b) || strings.IndexByte(",}] \t\r\n", s.b[s.i]) >= 0
}

// quoted moves behind a string.
func (s *scanner) quoted() {
	for s.i++; s.b[s.i] != '"'; s.i++ {
		if s.b[s.i] == '\\' {
			s.i++
		}
	}
	s.i++
}

var fieldsByType sync.Map // reflect.Type to map[string]reflect.Type

// fieldsOf returns the JSON names of a struct's fields with their types.
func fieldsOf(t reflect.Type) map[string]reflect.Type {
	if had, ok := fieldsByType.Load(t); ok {
		return had.(map[string]reflect.Type)
	}
	fields := map[string]reflect.Type{}
	for _, f := range reflect.VisibleFields(t) {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" && name != "-" {
			fields[name] = f.Type
		}
	}
	fieldsByType.Store(t, fields)
	return fields
}
