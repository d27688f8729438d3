package journal

import "fmt"

// String is for traces and tools.
func (e *Entry) String() string {
	at := ""
	if e.At != 0 {
		at = " " + Time(e.At).Format("15:04:05.000000")
	}
	switch e.Kind {
	case Header:
		return fmt.Sprintf("start %s%s input=%s %d bytes", e.Name, at, e.Value.URL, len(e.Value.Data))
	case Command:
		return fmt.Sprintf("  #%d branch %d: %s%s", e.Ordinal, e.Branch, Describe(e), at)
	case Done:
		if e.Fail != nil {
			return fmt.Sprintf("  #%d failed%s", e.Ordinal, at)
		}
		return fmt.Sprintf("  #%d done%s %s %d bytes", e.Ordinal, at, e.Value.URL, len(e.Value.Data))
	case Signal:
		return fmt.Sprintf("  signal %s (%d)%s", e.Name, e.N, at)
	case Version:
		return fmt.Sprintf("  version %s = %d", e.Name, e.N)
	case Poll:
		return "  suspended"
	case Expire:
		if e.N == ByCancel {
			return "  canceled" + at
		}
		return "  expired" + at
	}
	return fmt.Sprintf("  entry %d", e.Kind)
}

// Describe names what a command asks for, and where the code does; "nothing" for none.
func Describe(e *Entry) string {
	if e == nil {
		return "nothing"
	}
	text := e.Op.String()
	if e.Name != "" {
		text += " " + e.Name
	}
	if e.Op == OpCall && e.Count > 1 {
		text += fmt.Sprintf(" (%d times)", e.Count)
	}
	if e.Site != "" {
		text += " at " + e.Site
	}
	return text
}
