package main

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/sendoff-dev/sendoff"
)

func attemptsText(n int) string {
	if n == 1 {
		return "1 attempt"
	}
	return fmt.Sprintf("%d attempts", n)
}

func printAttempts(t *terminal, attempts []*sendoff.Attempt) {
	rows := make([][]string, 0, len(attempts))
	for _, a := range attempts {
		if a.LeftOut > 0 {
			rows = append(rows, []string{"...", fmt.Sprintf("%d more, not kept", a.LeftOut), "", "", "", "", ""})
		}
		status, took := "-", "-"
		if a.Status != 0 {
			status = strconv.Itoa(a.Status)
		}
		if a.Outcome != "running" {
			took = short(a.Duration)
		}
		if name := a.Headers["Status"]; name != "" && a.Status == 0 {
			status = oneLine(name, 24) // of a function, in the words of its protocol
		}
		rows = append(rows, []string{
			strconv.Itoa(a.Run), strconv.Itoa(a.Number), a.Outcome, status, clock(a.StartedAt), took,
			oneLine(cmp.Or(a.Error, a.Body, string(a.Result)), 70),
		})
	}
	t.table([]string{"RUN", "ATTEMPT", "OUTCOME", "STATUS", "STARTED", "TOOK", "ERROR OR ANSWER"}, rows)
}

// failureLines show an error with its traceback.
func failureLines(lead string, e *sendoff.FunctionError) []string {
	text := clean(e.Message)
	if e.Type != "" {
		text = clean(e.Type) + ": " + text
	}
	lines := []string{lead + text}
	if e.Traceback == "" {
		return lines
	}
	for l := range strings.SplitSeq(strings.TrimRight(e.Traceback, "\n"), "\n") {
		lines = append(lines, strings.Repeat(" ", len(lead))+clean(l))
	}
	return lines
}
