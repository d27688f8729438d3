//go:build linux

package dispatcherd_test

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/dispatcherd"
	"github.com/sendoff-dev/sendoff/store/sqlite"
)

// lines is a broker of messages that are there already. It asks for the counts when a task
// has run, and ends with its context.
type lines struct {
	from     any
	messages []string
	answers  chan string
}

func (l *lines) Recycled() int { return 7 }

func (l *lines) Run(ctx context.Context, receive func(dispatcherd.Message)) error {
	for _, text := range l.messages {
		receive(dispatcherd.Message{Channel: "lines", Payload: []byte(text), Reply: func(to string, answer []byte) { l.answers <- to + " " + string(answer) }})
	}
	<-ctx.Done()
	return nil
}

// TestABrokerOfYourOwn brings tasks and questions, and gets the answers.
func TestABrokerOfYourOwn(t *testing.T) {
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "tasks.db"), sqlite.Options{})
	require.NoError(t, err)
	defer db.Close()
	l := &lines{messages: []string{
		`{"task":"time.sleep","args":[600],"uuid":"u","timeout":600}`, `{"control":"running","reply_to":"a"}`, `{"control":"producers","reply_to":"b"}`,
	}, answers: make(chan string, 2)}
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan error, 1)
	go func() {
		over <- dispatcherd.Run(ctx, dispatcherd.Config{
			Settings: []byte("version: 2\nservice: {main_kwargs: {node_id: n}}\nbrokers: {lines: {from: here}}"), Store: db,
			Brokers: map[string]dispatcherd.Open{"lines": func(settings map[string]any) (dispatcherd.Broker, error) {
				l.from = settings["from"]
				return l, nil
			}},
		})
	}()
	require.Contains(t, <-l.answers, `"uuid":"u"`)
	require.Equal(t, "here", l.from)
	answer := <-l.answers
	require.Equal(t, "b ", answer[:2])
	var producers map[string]json.RawMessage
	require.NoError(t, json.Unmarshal([]byte(answer[2:]), &producers))
	require.Contains(t, string(producers["lines-producer"]), `"recycle_count": 7`)
	cancel()
	require.NoError(t, <-over)
}

func TestWhatCannotBeServedIsSaid(t *testing.T) {
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "tasks.db"), sqlite.Options{})
	require.NoError(t, err)
	defer db.Close()
	broken := map[string]dispatcherd.Open{"mine": func(map[string]any) (dispatcherd.Broker, error) { return nil, errors.New("url: is missing") }}
	for settings, want := range map[string]string{
		"version: 2\nbrokers: {other: {}}":                                    "brokers.other: is no broker that this service has: want pg_notify, socket, mine",
		"version: 2\nbrokers: {mine: {}}":                                     "brokers.mine: url: is missing",
		"version: 2\nbrokers: {pg_notify: {channels: [a]}}":                   "brokers.pg_notify: is not linked here",
		"version: 2\nbrokers: {socket: {socket_path: s}}":                     "node_id: is missing",
		"version: 2\npublish: {default_broker: its}\nbrokers: {mine: {a: b}}": `names broker "its": want one of mine`,
	} {
		err := dispatcherd.Run(t.Context(), dispatcherd.Config{Settings: []byte(settings), Brokers: broken, Store: db})
		require.ErrorContains(t, err, want, settings)
	}
}
