package task

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// MaxFaults is how many faults of a request are told.
const MaxFaults = 20

// What a fault repeats of a request is cut, in bytes.
const (
	maxField   = 200
	maxMessage = 500
)

// FieldError says what is wrong with one field of a request, and what would be
// right.
type FieldError struct {
	Field   string // as the client wrote it: "url", "retry.max_attempts", "tasks[3].queue"
	Message string
}

func (e FieldError) Error() string { return e.Field + ": " + e.Message }

// Invalid is a request that was refused for the named fields. Nothing of it was
// stored.
type Invalid []FieldError

func (e Invalid) Error() string {
	texts := make([]string, len(e))
	for i, f := range e {
		texts[i] = f.Error()
	}
	return strings.Join(texts, "; ")
}

// Add notes a fault. Those beyond MaxFaults are not told, and long texts are cut.
func (e *Invalid) Add(field, format string, args ...any) {
	if len(*e) < MaxFaults {
		*e = append(*e, FieldError{cut(field, maxField), cut(fmt.Sprintf(format, args...), maxMessage)})
	}
}

// Join notes the faults of a part of a request, whose place stands before each
// field.
func (e *Invalid) Join(place string, part Invalid) {
	for _, f := range part {
		e.Add(place+f.Field, "%s", f.Message)
	}
}

func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most] + "..."
}

// Err returns e as an error, nil when no fault was noted.
func (e Invalid) Err() error {
	if len(e) == 0 {
		return nil
	}
	return e
}
