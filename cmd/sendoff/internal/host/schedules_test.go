package host

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
)

// TestDeclaredSchedulesFollowTheFileUnlessTheyWereEdited: the server is started with one
// file after the other.
func TestDeclaredSchedulesFollowTheFileUnlessTheyWereEdited(t *testing.T) {
	dir := t.TempDir()
	start := func(file string) (func(string) string, *sendoff.Client, func(), error) {
		set := Defaults()
		set.Listen.Addr, set.DB.DSN, set.Config = "127.0.0.1:0", filepath.Join(dir, "x.db"), filepath.Join(dir, "sendoff.yaml")
		require.NoError(t, os.WriteFile(set.Config, []byte(file), 0o600))
		s, err := Open(t.Context(), &set, "test", slog.New(slog.DiscardHandler))
		if err != nil {
			return nil, nil, nil, err
		}
		c, err := sendoff.NewClient(sendoff.ClientConfig{URL: "http://embedded", HTTPClient: &http.Client{Transport: s.Engine.Transport()}})
		require.NoError(t, err)
		show := func(name string) string {
			one, err := c.Schedules.Get(context.Background(), name)
			if sendoff.IsNotFound(err) {
				return "gone"
			}
			require.NoError(t, err)
			return fmt.Sprintf("every %s, declared %t, edited %t, revision %d", one.Every, one.Declared, one.Edited, one.Revision)
		}
		return show, c, s.Close, nil
	}
	const both = "schedules:\n  a: {every: 1h, task: {url: http://127.0.0.1/a}}\n  b: {every: 3600, task: {url: http://127.0.0.1/b}}\n"
	show, c, stop, err := start(both)
	require.NoError(t, err)
	require.Equal(t, "every 1h0m0s, declared true, edited false, revision 1", show("a"))
	require.Equal(t, show("a"), show("b"))
	_, err = c.Schedules.Set(t.Context(), "b", sendoff.ScheduleSpec{Every: "2h", Task: []byte(`{"url":"http://127.0.0.1/b"}`)})
	require.NoError(t, err)
	_, err = c.Schedules.Set(t.Context(), "c", sendoff.ScheduleSpec{Every: "2h", Task: []byte(`{"url":"http://127.0.0.1/c"}`)})
	require.NoError(t, err)
	stop()

	show, _, stop, err = start(both)
	require.NoError(t, err)
	require.Equal(t, "every 1h0m0s, declared true, edited false, revision 1", show("a"), "nothing has changed")
	require.Equal(t, "every 2h0m0s, declared true, edited true, revision 2", show("b"), "the edit is kept")
	require.Equal(t, "every 2h0m0s, declared false, edited false, revision 1", show("c"))
	stop()

	show, c, stop, err = start("schedules:\n  a: {every: 5h, task: {url: http://127.0.0.1/a}}\n  b: {every: 6h, task: {url: http://127.0.0.1/b}}\n")
	require.NoError(t, err)
	require.Equal(t, "every 5h0m0s, declared true, edited false, revision 2", show("a"))
	require.Equal(t, "every 2h0m0s, declared true, edited true, revision 3", show("b"))
	_, err = c.Schedules.Reset(t.Context(), "b")
	require.NoError(t, err)
	require.Equal(t, "every 6h0m0s, declared true, edited false, revision 4", show("b"))
	_, err = c.Schedules.Set(t.Context(), "b", sendoff.ScheduleSpec{Every: "7h", Task: []byte(`{"url":"http://127.0.0.1/b"}`)})
	require.NoError(t, err)
	stop()

	show, _, stop, err = start("log_level: info\n")
	require.NoError(t, err)
	require.Equal(t, "gone", show("a"))
	require.Equal(t, "every 7h0m0s, declared false, edited false, revision 6", show("b"), "it was edited")
	require.Equal(t, "every 2h0m0s, declared false, edited false, revision 1", show("c"), "no file ever declared it")
	stop()

	_, _, _, err = start("schedules:\n  a: {evry: 5h, task: {url: http://127.0.0.1/a}}\n")
	require.ErrorContains(t, err, `schedule "a"`)
	require.ErrorContains(t, err, "evry")
}
