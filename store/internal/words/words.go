// Package words has statements speak the words of task and store: a number that
// means something is written as :running, :kind_local or :flag_parent. It knows
// neither database.
package words

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// SQL replaces the words of a statement by their numbers. It is for statements that
// are made once, when the program starts, and panics at a word that nobody knows.
//
// States are bare (:ready), all else says what it is: :kind_, :reason_, :outcome_,
// :cause_, :flag_, :part_, :message_, :todo_ and :undo_ come before the name. Besides them
// there are :final and :timed, the lists of states that have ended and that wait
// with a timer, :related, :wait_over and :suspect_priority. What is quoted is left alone.
func SQL(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); {
		n := 1
		switch c := text[i]; {
		case c == '\'' || c == '"':
			n = quoted(text[i:])
		case strings.HasPrefix(text[i:], "::"): // a cast
			n = 2
		case c == ':':
			n += word(text[i+1:])
			b.WriteString(number(text[i+1 : i+n]))
			i += n
			continue
		}
		b.WriteString(text[i : i+n])
		i += n
	}
	return b.String()
}

// quoted is the length of what is quoted at the beginning of text.
func quoted(text string) int {
	end := strings.IndexByte(text[1:], text[0])
	if end < 0 {
		panic(fmt.Sprintf("a quote is not closed: %s", text))
	}
	return end + 2
}

// word is the length of the word at the beginning of text.
func word(text string) int {
	letter := func(r rune) bool { return r == '_' || 'a' <= r && r <= 'z' }
	return len(text) - len(strings.TrimLeftFunc(text, letter))
}

func number(name string) string {
	n, ok := numbers[name]
	if !ok {
		panic(fmt.Sprintf("unknown word %q in a statement: want one such as :ready, :kind_function, :reason_expired, :flag_parent, :part_state", ":"+name))
	}
	return n
}

var numbers = all()

func all() map[string]string {
	words := map[string]string{
		"related":          strconv.Itoa(int(store.Related)),
		"wait_over":        strconv.Itoa(int(task.MailboxOver)),
		"suspect_priority": strconv.Itoa(task.SuspectPriority),
		"timed":            list(task.Scheduled, task.Suspended, task.Blocked),
		"final":            list(task.Succeeded, task.Failed, task.Canceled),
	}
	add := func(name string, n int64) { words[name] = strconv.FormatInt(n, 10) }
	for _, s := range task.States {
		add(s.String(), int64(s))
	}
	for _, k := range []task.Kind{task.HTTP, task.Function, task.Process, task.Local, task.Job} {
		add("kind_"+k.String(), int64(k))
	}
	add("reason_none", int64(task.NoReason))
	for r := task.NoReason + 1; r <= task.Acknowledging; r++ {
		add("reason_"+r.String(), int64(r))
	}
	add("outcome_none", int64(task.NoOutcome))
	for c := task.NoOutcome + 1; c <= task.Block; c++ {
		add("outcome_"+c.String(), int64(c))
	}
	add("cause_none", int64(task.NoCause))
	for name, flag := range map[string]int32{
		"body": store.FlagBody, "keys": store.FlagKeys, "parent": store.FlagParent, "gate": store.FlagGate, "deps": store.FlagDeps,
		"waits": store.FlagWaits, "undo": store.FlagUndo, "canceling": store.FlagCanceling,
		"need": store.FlagNeed, "holds": store.FlagHolds, "slot": store.FlagSlot, "once": store.FlagOnce, "progress": store.FlagProgress,
		"retention": store.FlagRetention,
	} {
		add("flag_"+name, int64(flag))
	}
	add("part_payload", int64(store.PartPayload))
	add("part_state", int64(store.PartState))
	add("part_progress", int64(store.PartProgress))
	add("message_result", int64(store.Result))
	add("message_signal", int64(store.Signal))
	add("message_poll_error", int64(store.PollError))
	add("todo_open_gate", int64(store.OpenGate))
	add("undo_something", int64(store.UndoSomething))
	add("undo_nothing", int64(store.UndoNothing))
	return words
}

// list is the operand of "in".
func list(states ...task.State) string {
	numbers := make([]string, len(states))
	for i, s := range states {
		numbers[i] = strconv.Itoa(int(s))
	}
	return "(" + strings.Join(numbers, ", ") + ")"
}
