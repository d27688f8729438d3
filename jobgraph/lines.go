package jobgraph

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// Lines returns an observer that writes a line for every call, as DoJobber's verbose
// mode does: `Name.check: pass`, `Name.recheck: fail "message"`. With debug the
// traces of failed calls follow, where there is one, and cleanups are told too.
func Lines(w io.Writer, debug bool) func(Event) {
	return func(e Event) {
		if e.Kind != CallEnded || e.Call == CallCleanup && e.Err == nil && !debug {
			return
		}
		line := fmt.Sprintf("%s.%s: %s", e.Job, e.Call, outcomeOf(e.Err))
		if e.Err != nil && (e.Call == CallRecheck || e.Call == CallCleanup) {
			line += fmt.Sprintf(` "%s"`, e.Err) // not escaped, as DoJobber does not
		}
		fmt.Fprintln(w, line)
		if debug && e.Err != nil {
			fmt.Fprintf(w, "  Error was:\n  %s\n", strings.ReplaceAll(strings.TrimRight(trace(e.Err), "\n"), "\n", "\n  "))
		}
	}
}

// trace is where an error comes from, as far as it knows: from a method Trace, or
// its text.
func trace(err error) string {
	if own, ok := errors.AsType[interface {
		error
		Trace() string
	}](err); ok {
		if t := own.Trace(); t != "" {
			return t
		}
	}
	return fmt.Sprintf("%s: %v", ErrorType(err), err)
}
