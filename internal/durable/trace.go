package durable

import "fmt"

// traceEntry prints an entry, when that is asked for.
func (r *Run) traceEntry(e *entry) {
	if r.host.Trace == nil {
		return
	}
	r.host.Trace(fmt.Sprintf("%s %s", r.info.ID, e))
}

// String is for traces and tools.
func (e *entry) String() string {
	at := ""
	if e.at != 0 {
		at = " " + fromMicros(e.at).Format("15:04:05.000000")
	}
	switch e.kind {
	case entryHeader:
		return fmt.Sprintf("start %s%s input=%s %d bytes", e.name, at, e.value.URL, len(e.value.Data))
	case entryCommand:
		return fmt.Sprintf("  #%d branch %d: %s%s", e.ordinal, e.branch, describe(e), at)
	case entryDone:
		if e.fail != nil {
			return fmt.Sprintf("  #%d failed%s", e.ordinal, at)
		}
		return fmt.Sprintf("  #%d done%s %s %d bytes", e.ordinal, at, e.value.URL, len(e.value.Data))
	case entrySignal:
		return fmt.Sprintf("  signal %s (%d)%s", e.name, e.n, at)
	case entryVersion:
		return fmt.Sprintf("  version %s = %d", e.name, e.n)
	case entryPoll:
		return "  suspended"
	case entryExpire:
		return "  expired" + at
	}
	return fmt.Sprintf("  entry %d", e.kind)
}
