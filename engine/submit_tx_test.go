package engine_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/internal/testkit"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/postgres"
	"github.com/sendoff-dev/sendoff/store/sqlite"
)

// transacting is a program with a table of its own in the engine's database.
type transacting struct {
	e    *engine.Engine
	runs chan string // payloads
	do   func(fn func(exec func(string) error, tx store.Tx) error) error
	rows func() int // of the table
}

var errNo = errors.New("no")

// inTransactions does a test with an engine that looks for tasks without being told once
// an hour: what runs at once was told of.
func inTransactions(t *testing.T, test func(t *testing.T, p *transacting)) {
	run := func(t *testing.T, p *transacting, db store.Store) {
		var err error
		p.e, err = engine.New(db, engine.Config{Poll: time.Hour, Grace: time.Second})
		require.NoError(t, err)
		p.runs = make(chan string, 10)
		p.e.HandleFunc("h", func(_ context.Context, c *engine.Call) error {
			p.runs <- string(c.Payload)
			return nil
		})
		runUntilTheEnd(t, p.e, db)
		test(t, p)
	}
	t.Run("sqlite", func(t *testing.T) {
		ctx := t.Context()
		db, err := sqlite.Open(ctx, t.TempDir()+"/n.db", sqlite.Options{})
		require.NoError(t, err)
		p := &transacting{}
		p.do = func(fn func(func(string) error, store.Tx) error) error {
			return db.Tx(ctx, func(turn *sqlite.Turn) error {
				return fn(func(text string) error { _, err := turn.ExecContext(ctx, text); return err }, turn)
			})
		}
		p.rows = func() (n int) {
			require.NoError(t, db.Tx(ctx, func(turn *sqlite.Turn) error { return turn.QueryRowContext(ctx, "select count(*) from mine").Scan(&n) }))
			return n
		}
		run(t, p, db)
	})
	t.Run("postgres", func(t *testing.T) {
		ctx, dsn := t.Context(), testkit.Postgres(t)
		db, err := postgres.Open(ctx, dsn, postgres.Options{})
		require.NoError(t, err)
		conn, err := pgx.Connect(ctx, dsn)
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close(context.Background()) })
		p := &transacting{}
		p.do = func(fn func(func(string) error, store.Tx) error) error {
			return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
				return fn(func(text string) error { _, err := tx.Exec(ctx, text); return err }, db.In(tx))
			})
		}
		p.rows = func() (n int) {
			require.NoError(t, conn.QueryRow(ctx, "select count(*) from mine").Scan(&n))
			return n
		}
		run(t, p, db)
	})
}

// next is what runs next, of what is not a try whether the node listens.
func (p *transacting) next() string {
	for {
		select {
		case got := <-p.runs:
			if got != "0" {
				return got
			}
		case <-time.After(10 * time.Second):
			return "nothing"
		}
	}
}

func TestATaskIsThereWhenTheTransactionCommitsAndStartsAtOnce(t *testing.T) {
	inTransactions(t, func(t *testing.T, p *transacting) {
		require.NoError(t, p.do(func(exec func(string) error, _ store.Tx) error { return exec("create table mine (n int)") }))
		listening := func() { // a hint that comes before the node listens is lost
			require.Eventually(t, func() bool {
				err := p.do(func(_ func(string) error, tx store.Tx) error {
					_, err := p.e.SubmitTx(t.Context(), tx, engine.Task{Handler: "h", Payload: 0})
					return err
				})
				require.NoError(t, err)
				select {
				case <-p.runs:
					return true
				case <-time.After(time.Second):
					return false
				}
			}, 20*time.Second, time.Millisecond)
		}
		listening()
		for _, queue := range []string{"", "new", "new"} { // the lane of a new queue is made on the way
			var id string
			err := p.do(func(exec func(string) error, tx store.Tx) error {
				r, err := p.e.SubmitTx(t.Context(), tx, engine.Task{Handler: "h", Queue: queue, ID: "gone", Payload: 1})
				require.NoError(t, err)
				require.Equal(t, engine.Created, r.Status)
				require.NoError(t, exec("insert into mine values (1)"))
				return errNo
			})
			require.ErrorIs(t, err, errNo)
			_, err = p.e.Tasks().Get(t.Context(), "gone")
			require.ErrorIs(t, err, store.ErrNotFound)

			rows := p.rows()
			require.NoError(t, p.do(func(exec func(string) error, tx store.Tx) error {
				r, err := p.e.SubmitTx(t.Context(), tx, engine.Task{Handler: "h", Queue: queue, Payload: 2})
				id = r.ID
				return errors.Join(err, exec("insert into mine values (1)"))
			}))
			require.Equal(t, "2", p.next(), "queue %q", queue)
			require.Equal(t, rows+1, p.rows())
			got, err := p.e.Tasks().Wait(t.Context(), id, 10*time.Second)
			require.NoError(t, err)
			require.True(t, got.Final())
		}
	})
}

func TestASubmitInATransactionSaysWhatIsWrong(t *testing.T) {
	inTransactions(t, func(t *testing.T, p *transacting) {
		err := p.do(func(_ func(string) error, tx store.Tx) error {
			_, err := p.e.SubmitTx(t.Context(), tx, engine.Task{})
			return err
		})
		require.ErrorContains(t, err, "exactly one target is needed")
		require.NoError(t, p.do(func(_ func(string) error, tx store.Tx) error {
			r, err := p.e.SubmitManyTx(t.Context(), tx, []engine.Task{{Handler: "h", ID: "a"}, {}, {Handler: "h", ID: "a"}}, false)
			require.Equal(t, []engine.Status{engine.Created, engine.Invalid, engine.Conflict}, []engine.Status{r[0].Status, r[1].Status, r[2].Status})
			return err
		}))
	})
}
