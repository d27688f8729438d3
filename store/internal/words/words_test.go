package words_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/store/internal/words"
)

func TestWordsBecomeNumbers(t *testing.T) {
	for text, want := range map[string]string{
		"state = :running":                          "state = 2",
		"state in (:ready,:running)":                "state in (1,2)",
		"state in :timed or state not in :final":    "state in (3, 4, 5) or state not in (6, 7, 8)",
		"select :suspect_priority::int2, '1'::x":    "select 10::int2, '1'::x",
		"kind <> :kind_function and :kind_local":    "kind <> 2 and 4",
		"reason = :reason_expired":                  "reason = 7",
		"reason in (:reason_none, :reason_put_off)": "reason in (0, 20)",
		"flags & ~(:flag_body|:flag_parent)":        "flags & ~(1|4)",
		"part = :part_state":                        "part = 1",
		"last_outcome = :outcome_success;":          "last_outcome = 1;",
		"kind <> :message_signal":                   "kind <> 2",
		"need = :wait_over":                         "need = -1",
		"select 'a :quoted word', \":col\", :ready": "select 'a :quoted word', \":col\", 1",
		"case undo when :undo_something then 1":     "case undo when 1 then 1",
	} {
		require.Equal(t, want, words.SQL(text))
	}
}

func TestAnUnknownWordIsFoundWhenTheProgramStarts(t *testing.T) {
	require.PanicsWithValue(t, `unknown word ":resting" in a statement: want one such as :ready, :kind_function, :reason_expired, :flag_parent, :part_state`,
		func() { words.SQL("state = :resting") })
	require.Panics(t, func() { words.SQL("select : 1") })
	require.Panics(t, func() { words.SQL("select 'never closed") })
}
