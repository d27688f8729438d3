//go:build linux

package record

import (
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/testkit"
)

// TestPostgreSQLIsStoppedForThreeSeconds: what was recorded runs, and once; what ended
// meanwhile has its end on record; and what is handed in through the table before the
// service listens again is picked up.
func TestPostgreSQLIsStoppedForThreeSeconds(t *testing.T) {
	db := testkit.NewCluster(t)
	h := newHome(t, db.URL())
	v := h.start("n", nil)
	publish := func(channel, message string) error {
		conn, err := pgx.Connect(t.Context(), h.dsn)
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close(t.Context()) }()
		_, err = conn.Exec(t.Context(), "select pg_notify($1, $2)", channel, message)
		return err
	}
	require.NoError(t, publish("one", `{"task":"jobs.sleep","args":[1.5,"first"],"uuid":"first"}`))
	h.saw("start first")
	require.NoError(t, publish("one", `{"task":"jobs.note","args":["delayed"],"delay":1}`))
	for i := range 20 {
		require.NoError(t, publish("two", fmt.Sprintf(`{"task":"jobs.note","args":["recorded %d"]}`, i)))
	}
	h.until(func() bool { return v.kinds()["queued"] == 20 && v.states()["running"] > 0 }, "all are on record")

	db.Kill()
	away := time.Now()
	h.saw("end first")
	v.send(`{"task":"jobs.note","args":["unrecorded"]}`)
	h.saw("unrecorded")
	time.Sleep(time.Until(away.Add(3 * time.Second))) // that long, and not until anything happens
	db.Start()
	var submit []string
	for i := range 20 {
		submit = append(submit, fmt.Sprintf(`select sendoff.submit('one', '{"task":"jobs.note","args":["handed in %d"]}')`, i))
	}
	require.NoError(t, db.Exec(submit...))

	h.saw("delayed")
	for i := range 20 {
		h.saw(fmt.Sprint("recorded ", i))
		h.saw(fmt.Sprint("handed in ", i))
	}
	h.until(func() bool { return v.states()["succeeded"] == 42 }, "their ends are on record, that of the first too")
	require.Equal(t, map[string]int{"succeeded": 42}, v.states())
	for i := range 20 {
		require.Equal(t, []int{1, 1}, []int{h.count(fmt.Sprint("recorded ", i)), h.count(fmt.Sprint("handed in ", i))}, i)
	}
	require.Equal(t, []int{1, 1, 1}, []int{h.count("start first"), h.count("delayed"), h.count("unrecorded")})
	require.Empty(t, v.kinds())

	h.until(func() bool {
		return v.ask("producers", "{}")["pg_notify-producer"].(map[string]any)["recycle_count"].(float64) > 0
	}, "it has noticed")
	h.until(func() bool {
		return publish("one", `{"task":"jobs.note","args":["after"]}`) == nil && h.count("after") > 0
	}, "it listens again")
}
