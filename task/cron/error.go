package cron

import "strings"

// Error is a fault of a schedule.
type Error struct {
	Field string // "minute", "every", "line 3": where it is
	Value string // what stands there, cut to 80 bytes
	Want  string // what would be right
}

func (e *Error) Error() string { return e.Field + ": \"" + e.Value + "\": want " + e.Want }

func fault(field, value, want string) error {
	if len(value) > 80 {
		value = value[:77] + "..."
	}
	return &Error{field, strings.ToValidUTF8(value, "?"), want}
}
