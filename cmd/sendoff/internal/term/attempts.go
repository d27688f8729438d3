package term

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/sendoff-dev/sendoff"
)

// Attempts is a number of attempts in words.
func Attempts(n int) string {
	if n == 1 {
		return "1 attempt"
	}
	return fmt.Sprintf("%d attempts", n)
}

// PrintAttempts prints the attempts of a task as a table.
func PrintAttempts(t *Terminal, attempts []*sendoff.Attempt) {
	rows := make([][]string, 0, len(attempts))
	for _, a := range attempts {
		if a.LeftOut > 0 {
			rows = append(rows, []string{"...", fmt.Sprintf("%d more, not kept", a.LeftOut), "", "", "", "", ""})
		}
		status, took := "-", "-"
		if a.Status != 0 {
			status = strconv.Itoa(a.Status)
		}
		if !a.Running() {
			took = Short(a.Duration)
		}
		if name := a.Headers["Status"]; name != "" && a.Status == 0 {
			status = OneLine(name, 24) // of a function, in the words of its protocol
		}
		rows = append(rows, []string{
			strconv.Itoa(a.Run), strconv.Itoa(a.Number), a.Outcome, status, Clock(a.StartedAt), took,
			OneLine(cmp.Or(a.Error, a.Body, string(a.Result), a.Output), 70),
		})
	}
	t.Table([]string{"RUN", "ATTEMPT", "OUTCOME", "STATUS", "STARTED", "TOOK", "ERROR OR ANSWER"}, rows)
}

// FailureLines show an error with its traceback.
func FailureLines(lead string, e *sendoff.FunctionError) []string {
	text := Clean(e.Message)
	if e.Type != "" {
		text = Clean(e.Type) + ": " + text
	}
	lines := []string{lead + text}
	if e.Traceback == "" {
		return lines
	}
	for l := range strings.SplitSeq(strings.TrimRight(e.Traceback, "\n"), "\n") {
		lines = append(lines, strings.Repeat(" ", len(lead))+Clean(l))
	}
	return lines
}
