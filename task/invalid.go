package task

import (
	"fmt"
	"strings"
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

// Add notes a fault.
func (e *Invalid) Add(field, format string, args ...any) {
	*e = append(*e, FieldError{field, fmt.Sprintf(format, args...)})
}

// Err returns e as an error, nil when no fault was noted.
func (e Invalid) Err() error {
	if len(e) == 0 {
		return nil
	}
	return e
}
