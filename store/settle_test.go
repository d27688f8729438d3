package store

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/task"
)

func TestTheRowOfATaskTellsOfASmallSuccess(t *testing.T) {
	small := func(change func(*Transition)) *Transition {
		tr := &Transition{Token: 1, Outcome: task.Success, Decision: task.Decision{To: task.Succeeded}}
		tr.Answer = task.Answer{Header: []task.Header{{Name: "A", Value: "b"}}, Body: make([]byte, InlineAnswer-2)}
		change(tr)
		return tr
	}
	require.True(t, small(func(*Transition) {}).InRow())
	for name, change := range map[string]func(*Transition){
		"too large":                func(t *Transition) { t.Answer.Body = append(t.Answer.Body, 'x') },
		"cut off":                  func(t *Transition) { t.Answer.Truncated = true },
		"empty":                    func(t *Transition) { t.Answer = task.Answer{} },
		"a failure":                func(t *Transition) { t.Outcome, t.Decision.To = task.Reject, task.Failed },
		"canceled by then":         func(t *Transition) { t.Decision.To = task.Canceled },
		"one of more than we keep": func(t *Transition) { t.Token = KeptFirst + KeptLast + 1 },
	} {
		require.False(t, small(change).InRow(), name)
	}
}
