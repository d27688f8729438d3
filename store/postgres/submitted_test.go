package postgres_test

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/testkit"
	"github.com/sendoff-dev/sendoff/store/postgres"
	"github.com/sendoff-dev/sendoff/task"
)

// TestWhatIsSubmittedInSQLIsThereWhenItsTransactionCommits, under the id that its task gets.
func TestWhatIsSubmittedInSQLIsThereWhenItsTransactionCommits(t *testing.T) {
	t.Parallel()
	f := newFixture(t, testkit.Postgres(t), postgres.Options{})
	conn, err := pgx.Connect(t.Context(), f.dsn)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	submit := func(channel, message string) (id string) {
		tx, err := conn.Begin(t.Context())
		require.NoError(t, err)
		require.NoError(t, tx.QueryRow(t.Context(), "select sendoff.submit($1, $2::text::jsonb)::text", channel, message).Scan(&id))
		all, err := f.s.Submitted(t.Context(), []string{"a", "b"}, 10)
		require.NoError(t, err)
		for _, s := range all {
			require.NotEqual(t, id, s.ID.String(), "not before the commit")
		}
		require.NoError(t, tx.Commit(t.Context()))
		return id
	}
	first, second := submit("a", `{"task": "x"}`), submit("b", `{"task": "y", "args": [1], "uuid": "own"}`)
	submit("other", `{"task": "z"}`)
	all, err := f.s.Submitted(t.Context(), []string{"a", "b"}, 10)
	require.NoError(t, err)
	require.Len(t, all, 2)
	require.Equal(t, []string{first, second}, []string{all[0].ID.String(), all[1].ID.String()})
	require.JSONEq(t, `{"task": "x", "uuid": "`+first+`"}`, all[0].Message)
	require.JSONEq(t, `{"task": "y", "args": [1], "uuid": "own"}`, all[1].Message)
	require.EqualValues(t, '7', first[14], "a UUID of version 7")
	require.Contains(t, "89ab", string(first[19]))

	require.NoError(t, f.s.ForgetSubmitted(t.Context(), []task.ID{all[0].ID}))
	all, err = f.s.Submitted(t.Context(), []string{"a", "b"}, 10)
	require.NoError(t, err)
	require.Len(t, all, 1)

	tx, err := conn.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), `select sendoff.submit('a', '{"task": "x"}')`)
	require.NoError(t, err)
	require.NoError(t, tx.Rollback(t.Context()))
	all, err = f.s.Submitted(t.Context(), []string{"a"}, 10)
	require.NoError(t, err)
	require.Empty(t, all)
}

func TestWhatIsSubmittedInSQLIsCheckedThere(t *testing.T) {
	t.Parallel()
	f := newFixture(t, testkit.Postgres(t), postgres.Options{})
	conn, err := pgx.Connect(t.Context(), f.dsn)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	for call, want := range map[string]string{
		`sendoff.submit('', '{"task": "x"}')`:              "the channel has 0 bytes: want 1 to 63",
		`sendoff.submit(null, '{"task": "x"}')`:            "the channel has 0 bytes",
		`sendoff.submit(repeat('c', 64), '{"task": "x"}')`: "the channel has 64 bytes",
		`sendoff.submit('a', '[]')`:                        "names no task",
		`sendoff.submit('a', null)`:                        "names no task",
		`sendoff.submit('a', '{"task": 5}')`:               "names no task",
		`sendoff.submit('a', 'x')`:                         "invalid input syntax for type json",
		`sendoff.submit('a', jsonb_build_object('task', 'x', 'args', repeat('long', 300000)::text))`: "at most 1000000 are allowed",
	} {
		_, err := conn.Exec(t.Context(), "select "+call)
		require.ErrorContains(t, err, want, call)
	}
	all, err := f.s.Submitted(t.Context(), []string{"a", ""}, 10)
	require.NoError(t, err)
	require.Empty(t, all)
}
