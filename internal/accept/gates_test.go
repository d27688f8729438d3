package accept

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

func TestWhatATaskSaysBecomesGates(t *testing.T) {
	r := newRig()
	s := push(func(s *Submission) {
		s.Spec.Limits = []task.Limit{
			{Key: "customer:42", Concurrency: 5}, {Key: "api.acme.com", Rate: task.Rate{N: 100, Per: time.Second}, Burst: 20},
			{Key: "both", Concurrency: 1, Rate: task.Rate{N: 1, Per: time.Hour}},
		}
		s.Spec.OrderKey, s.Spec.OnDuplicate, s.Spec.DuplicateKey = "order-7", task.QueueOne, "nightly"
	})
	got, err := r.Prepare(t.Context(), &s)
	require.NoError(t, err)
	const ns = store.DefaultNamespace
	require.Equal(t, []store.Gate{
		{Kind: store.LimitGate, Namespace: ns, Name: "customer:42", Capacity: 5},
		{Kind: store.LimitGate, Namespace: ns, Name: "api.acme.com", Every: 10_000, Burst: 20},
		{Kind: store.LimitGate, Namespace: ns, Name: "both", Capacity: 1, Every: 3_600_000_000, Burst: 1},
		{Kind: store.OrderGate, Namespace: ns, Name: "order-7", Capacity: 1},
		{Kind: store.DuplicateGate, Namespace: ns, Name: "nightly", Capacity: 1, OnFull: store.WaitOne},
	}, got.Gates)
	spec, err := task.DecodeSpec(got.Spec)
	require.NoError(t, err)
	require.Equal(t, s.Spec.Limits, spec.Limits, "and is shown as it was asked for")
	plain := push(func(*Submission) {})
	got, err = r.Prepare(t.Context(), &plain)
	require.NoError(t, err)
	require.Empty(t, got.Gates)
}

func TestADuplicateHasTheSameTargetAndPayload(t *testing.T) {
	name := func(payload string, change func(*Submission)) string {
		s := push(func(s *Submission) { s.Spec.OnDuplicate, s.Payload = task.Discard, []byte(payload) })
		change(&s)
		got, err := newRig().Prepare(t.Context(), &s)
		require.NoError(t, err)
		require.Len(t, got.Gates, 1)
		require.Equal(t, store.Drop, got.Gates[0].OnFull)
		return got.Gates[0].Name
	}
	as := func(*Submission) {}
	one := name(`{"a":1,"b":[1.50,"x"]}`, as)
	require.Equal(t, one, name(` {"b": [1.50, "x"], "a": 1}`, as), "blanks and order do not matter")
	require.Equal(t, one, name(`{"a":1,"b":[1.50,"x"]}`, func(s *Submission) { s.Queue, s.Spec.Name = "other", "n" }))
	for what, other := range map[string]string{
		"value": name(`{"a":2,"b":[1.50,"x"]}`, as), "list": name(`{"a":1,"b":["x",1.50]}`, as), "text": name(`{"a":1`, as), "nothing": name("", as),
		"target": name(`{"a":1,"b":[1.50,"x"]}`, func(s *Submission) { s.Spec.URL += "?" }),
		"method": name(`{"a":1,"b":[1.50,"x"]}`, func(s *Submission) { s.Spec.Method = "PUT" }),
		"number": name(`{"a":10000000000000000000001,"b":[1.50,"x"]}`, as),
	} {
		require.NotEqual(t, one, other, what)
	}
	require.NotEqual(t, name(`10000000000000000000001`, as), name(`10000000000000000000002`, as), "numbers are compared to the last digit")
}
