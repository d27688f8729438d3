package api

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"sync"

	"github.com/sendoff-dev/sendoff/task"
)

// checkFields looks for what encoding/json lets pass in a value that it has
// decoded into a t: names in other letters, which it takes for the field, and
// names that come twice, of which it takes the last.
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

func (s *scanner) value(t reflect.Type, path string) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch c := s.next(); {
	case c == '{' && t.Kind() == reflect.Struct:
		s.object(path, func(name string) (reflect.Type, bool) { f, ok := fieldsOf(t)[name]; return f, ok })
	case c == '{' && t.Kind() == reflect.Map:
		s.object(path, func(string) (reflect.Type, bool) { return t.Elem(), true })
	case c == '[' && t.Kind() == reflect.Slice && t != reflect.TypeFor[json.RawMessage]():
		s.list(t.Elem(), path)
	default:
		s.skip()
	}
}

func (s *scanner) object(path string, field func(name string) (reflect.Type, bool)) {
	seen := map[string]bool{}
	for s.i++; s.fault == nil && s.next() != '}'; {
		name := s.text()
		t, known := field(name)
		switch at := strings.TrimPrefix(path+"."+name, "."); {
		case !known:
			s.fault = &task.FieldError{Field: at, Message: unknownField}
		case seen[name]:
			s.fault = &task.FieldError{Field: at, Message: "is given twice"}
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

func (s *scanner) list(t reflect.Type, path string) {
	n := 0
	for s.i++; s.fault == nil && s.next() != ']'; n++ {
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
func (s *scanner) text() (text string) {
	from := s.i
	s.skip()
	_ = json.Unmarshal(s.b[from:s.i], &text) // valid, as all of it
	return text
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
