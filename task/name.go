package task

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// CheckText notes what is wrong with a text that people read: too long for
// limit bytes, not UTF-8, or with control characters.
func (e *Invalid) CheckText(field, value string, limit int) {
	switch {
	case len(value) > limit:
		e.Add(field, "has %d bytes: at most %d are allowed", len(value), limit)
	case !utf8.ValidString(value) || strings.ContainsFunc(value, unicode.IsControl):
		e.Add(field, "must be text without control characters")
	}
}

// CheckName notes what is wrong with a name that stands in the path of a URL. It
// may hold anything that can be percent-encoded; "." and ".." cannot: clients
// and servers take them as steps in the path.
func (e *Invalid) CheckName(field, value string, limit int) {
	switch value {
	case "":
		e.Add(field, "is empty")
	case ".", "..":
		e.Add(field, "is %q, which no path can name: choose another", value)
	}
	e.CheckText(field, value, limit)
}

// CheckQueue notes what is wrong with the name of a queue.
func (e *Invalid) CheckQueue(field, value string) {
	e.CheckName(field, value, 100)
	if strings.ContainsAny(value, "/ ") {
		e.Add(field, "must contain neither slashes nor blanks: %q", value)
	}
}
