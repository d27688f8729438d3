package dispatcherd

import (
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestPiecesAreThoseOfDispatcherd: the vectors were made by release 2026.5.27.
func TestPiecesAreThoseOfDispatcherd(t *testing.T) {
	text, err := os.ReadFile("testdata/chunk_vectors.json")
	require.NoError(t, err)
	var vectors []struct {
		Name      string   `json:"name"`
		Message   string   `json:"message"`
		MaxBytes  int      `json:"max_bytes"`
		MessageID string   `json:"message_id"`
		Chunks    []string `json:"chunks"`
	}
	require.NoError(t, json.Unmarshal(text, &vectors))
	require.NotEmpty(t, vectors)
	for _, v := range vectors {
		if v.Chunks == nil {
			continue // a limit that is too small for any
		}
		var join Joiner
		for _, c := range v.Chunks {
			join.Take([]byte(c))
		}
		if len(v.Chunks) > 1 && v.Message[0] == '{' {
			require.Len(t, join.Whole, 1, v.Name)
			require.Equal(t, v.Message, string(join.Whole[0]), v.Name)
		}
		if len(v.Message) <= v.MaxBytes {
			require.Len(t, Split([]byte(v.Message), v.MaxBytes), 1, v.Name)
			continue
		}
		var got []string
		for _, piece := range split(v.Message, v.MaxBytes, v.MessageID) {
			require.LessOrEqual(t, len(piece), v.MaxBytes, v.Name)
			got = append(got, string(piece))
		}
		require.Equal(t, v.Chunks, got, v.Name)
	}
}

// TestPiecesThatAreNoneAreCounted, each once, and hold no memory.
func TestPiecesThatAreNoneAreCounted(t *testing.T) {
	c := chunks{partial: map[string]*partial{}}
	for i, bad := range []string{
		`{"__dispatcherd_chunk__":"v2","message_id":"a","index":0,"total":2,"payload":"x"}`,
		`{"__dispatcherd_chunk__":"v1","index":0,"total":2,"payload":"x"}`,
		`{"__dispatcherd_chunk__":"v1","message_id":7,"index":0,"total":2,"payload":"x"}`,
		`{"__dispatcherd_chunk__":"v1","message_id":"a","index":"0","total":2,"payload":"x"}`,
		`{"__dispatcherd_chunk__":"v1","message_id":"a","index":2,"total":2,"payload":"x"}`,
		`{"__dispatcherd_chunk__":"v1","message_id":"a","index":-1,"total":2,"payload":"x"}`,
		`{"__dispatcherd_chunk__":"v1","message_id":"a","index":0,"total":0,"payload":"x"}`,
		`{"__dispatcherd_chunk__":"v1","message_id":"a","index":0,"total":2000000000,"payload":"x"}`,
		`{"__dispatcherd_chunk__":"v1","message_id":"a","index":0,"total":2,"payload":{}}`,
		`{"__dispatcherd_chunk__":"v1","message_id":"a","index":0,"total":1,"payload":"[1]"}`,
		`{"__dispatcherd_chunk__":"v1","message_id":"a","index":0,"total":1,"payload":"{"}`,
		`{"__dispatcherd_chunk__":"v1","message_id":"a","index":0,"total":1,"payload":""}`,
	} {
		m, err := parse([]byte(bad))
		require.NoError(t, err)
		whole, err := c.take(m, time.Now())
		require.Error(t, err, bad)
		require.Nil(t, whole)
		require.Equal(t, []int{i + 1, i + 1}, []int{c.received, c.errored}, bad)
		require.Zero(t, c.held)
	}
	require.Empty(t, c.partial)
}

func TestPiecesThatNeverComeExpire(t *testing.T) {
	c := chunks{partial: map[string]*partial{}, expiry: time.Minute}
	m, err := parse([]byte(`{"__dispatcherd_chunk__":"v1","message_id":"a","index":1,"total":2,"payload":"xé"}`))
	require.NoError(t, err)
	begin := time.Now()
	_, err = c.take(m, begin)
	require.NoError(t, err)
	require.JSONEq(t, `{"status":{"total_chunks_received":1,"successful_assemblies":0,"errored_assemblies":0,"timed_out_assemblies":0,"active_messages":1},
		"partials":{"a":{"seconds_since_start":30.0,"expected_total":2,"chunks":[{"chunk_id":1,"length":2}]}}}`, string(c.status(begin.Add(30*time.Second)).bytes()))
	c.status(begin.Add(2 * time.Minute))
	require.Equal(t, []int{1, 0}, []int{c.expired, c.held})
}

func TestAMessageIsReadAsItIs(t *testing.T) {
	for payload, want := range map[string]struct {
		task           string
		timeout, delay time.Duration
	}{
		`app.tasks.f`:                             {task: "app.tasks.f"},
		`{"task":"a.b","timeout":1.5,"delay":2}`:  {"a.b", 1500 * time.Millisecond, 2 * time.Second},
		`{"task":"a.b","timeout":0,"delay":null}`: {task: "a.b"},
		`{"task":"a.b","timeout":false}`:          {task: "a.b"},
		`{"task":"lambda: \"{}\"", "args": [NaN, -Infinity, "NaN"], "kwargs": {}}`: {task: `lambda: "{}"`},
	} {
		m, err := parse([]byte(payload))
		require.NoError(t, err, payload)
		require.NoError(t, m.read(), payload)
		require.Equal(t, want.task, m.task)
		require.Equal(t, []time.Duration{want.timeout, want.delay}, []time.Duration{m.timeout, m.delay}, payload)
	}
}

func TestWhatIsNoMessageSaysWhy(t *testing.T) {
	for payload, why := range map[string]string{
		``: "is empty", ` `: "is empty", `[1]`: "is JSON and no object", `5`: "is JSON and no object", `"a.b"`: "is JSON and no object", `null`: "is JSON and no object",
		`{}`: "has neither a control command nor", `{"task":5}`: "has neither", `{"task":"a.b","args":{}}`: "args of another kind",
		`{"task":"a.b","kwargs":[]}`: "kwargs of another kind", `{"task":"a.b","timeout":"x"}`: "timeout that is no number", `{"task":"a.b","delay":"x"}`: "delay that is no number",
		`{"task":"a.b","delay":-1}`: "delay that is no number", `{"task":"a.b","callbacks":"abc"}`: "callbacks that are no list", `{"task":"a.b","errbacks":[1]}`: "errbacks that are no list",
		`{"control":5}`: "control command that is no text", `{"control":"alive","reply_to":7}`: "reply_to that is no text",
	} {
		m, err := parse([]byte(payload))
		if err == nil {
			err = m.read()
		}
		require.ErrorContains(t, err, why, payload)
	}
}

// TestDuplicatesAreWhatPythonTakesForEqual.
func TestDuplicatesAreWhatPythonTakesForEqual(t *testing.T) {
	same := func(payload string) string {
		m, err := parse([]byte(payload))
		require.NoError(t, err)
		require.NoError(t, m.read())
		return m.same
	}
	base := same(`{"task":"t","args":[1,{"a":2,"b":3}],"uuid":"1"}`)
	require.Equal(t, base, same(`{"task":"t","args":[1.0,{"b":3,"a":2}],"kwargs":{},"uuid":"2","delay":1}`))
	require.NotEqual(t, base, same(`{"task":"t","args":[1,{"a":2,"b":"3"}]}`))
	require.NotEqual(t, base, same(`{"task":"t","args":[1,{"a":2,"b":3}],"kwargs":{"k":1}}`))
	require.NotEqual(t, same(`{"task":"t","args":[9007199254740993]}`), same(`{"task":"t","args":[9007199254740992]}`))
}

func TestWhatAWorkerGetsHasItsUUIDAndChannel(t *testing.T) {
	for payload, want := range map[string]string{
		`{"task":"t"}`:                               `{"task":"t", "uuid": "internal-7", "channel": "c\"é"}`,
		"{\"task\":\"t\",\"x\":NaN \n}\n ":           `{"task":"t","x":NaN, "uuid": "internal-7", "channel": "c\"é"}`,
		`{"uuid":"u","channel":"forged","task":"t"}`: `{"uuid":"u","channel":"forged","task":"t", "channel": "c\"é"}`,
		`{}`: `{"uuid": "internal-7", "channel": "c\"é"}`,
	} {
		m, err := parse([]byte(payload))
		require.NoError(t, err)
		m.complete(7, `c"é`)
		require.Equal(t, want, string(m.raw))
	}
}
