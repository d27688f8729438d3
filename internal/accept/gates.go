package accept

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"strings"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// gatesOf are the gates that a task has to be inside of before it runs.
func gatesOf(s *Submission) []store.Gate {
	var gates []store.Gate
	for i := range s.Spec.Limits {
		l := &s.Spec.Limits[i]
		g := store.Gate{Kind: store.LimitGate, Namespace: s.Namespace, Name: l.Key, Capacity: l.Concurrency}
		if every := l.Rate.Every(); every > 0 {
			g.Every, g.Burst = every.Microseconds(), l.BurstOrDefault()
		}
		gates = append(gates, g)
	}
	if s.Spec.OrderKey != "" {
		gates = append(gates, store.Gate{Kind: store.OrderGate, Namespace: s.Namespace, Name: s.Spec.OrderKey, Capacity: 1})
	}
	if s.Spec.OnDuplicate != task.Parallel {
		gates = append(gates, store.Gate{
			Kind: store.DuplicateGate, Namespace: s.Namespace, Name: duplicateName(s), Capacity: 1, OnFull: onFull[s.Spec.OnDuplicate],
		})
	}
	return gates
}

var onFull = map[task.OnDuplicate]store.OnFull{
	task.Serial: store.WaitInLine, task.Discard: store.Drop, task.QueueOne: store.WaitOne, task.ReplaceDuplicate: store.ReplaceThem,
}

// duplicateName is the key under which a task is a duplicate of others: its own, or its
// target with its payload. No client can choose a key with a tab.
func duplicateName(s *Submission) string {
	if s.Spec.DuplicateKey != "" {
		return s.Spec.DuplicateKey
	}
	target := []string{s.Spec.Kind.String(), s.Spec.URL, s.Spec.Function, s.Spec.Endpoint, s.Spec.Process, s.Spec.Handler}
	if s.Spec.Kind == task.HTTP {
		target = append(target, s.Spec.MethodOrDefault())
	}
	hash := store.HashOf([]byte(strings.Join(target, "\n")), canonical(s.Payload))
	return "\t" + hex.EncodeToString(hash[:])
}

// canonical is JSON without what does not matter: blanks and the order of names. What
// is no JSON stays as it is.
func canonical(payload []byte) []byte {
	d := json.NewDecoder(bytes.NewReader(payload))
	d.UseNumber()
	var v any
	if !json.Valid(payload) || d.Decode(&v) != nil {
		return payload
	}
	b, err := json.Marshal(v)
	if err != nil {
		return payload
	}
	return b
}
