package task

import (
	"encoding/json"
	"maps"
	"slices"
)

// Discipline is how the tasks of a queue that have the same priority take turns.
type Discipline string

// The disciplines. None is Fifo.
const (
	Fifo Discipline = "fifo" // first in, first out
	Fair Discipline = "fair" // groups take turns, by their weights; within a group it is first in, first out
)

// Weights are the weights of groups of a fair queue, by name: a group with the weight 4
// starts four times as many tasks as one with the weight 1, which those have that are not
// named. The zero value has none. Weights can be compared.
type Weights struct{ text string } // a JSON object, in the order of names

// MaxGroup is the length of the longest name of a group, in bytes.
const MaxGroup = 200

// What a weight may be, and how many of a queue there may be.
const (
	MaxWeight  = 1000
	MaxWeights = 1000
)

// NewWeights returns weights by the names of groups. One of 1, as all have, is left out.
func NewWeights(of map[string]int32) Weights {
	of = maps.Clone(of)
	maps.DeleteFunc(of, func(_ string, weight int32) bool { return weight == 1 })
	if len(of) == 0 {
		return Weights{}
	}
	b, _ := json.Marshal(of) // plain data cannot fail
	return Weights{string(b)}
}

// Map is a copy of the weights by name; nil when there are none.
func (w Weights) Map() (of map[string]int32) {
	if w.text != "" {
		_ = json.Unmarshal([]byte(w.text), &of) // as NewWeights wrote it
	}
	return of
}

// MarshalJSON implements json.Marshaler: an object of weights by name.
func (w Weights) MarshalJSON() ([]byte, error) {
	if w.text == "" {
		return []byte("{}"), nil
	}
	return []byte(w.text), nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (w *Weights) UnmarshalJSON(b []byte) error {
	var of map[string]int32
	err := json.Unmarshal(b, &of)
	*w = NewWeights(of)
	return err
}

func (q *QueueSettings) checkTurns(bad *Invalid) {
	if d := q.Discipline; d != "" && d != Fifo && d != Fair {
		bad.Add("discipline", "is %q: want %q (first in, first out) or %q (groups take turns)", d, Fifo, Fair)
	}
	weights := q.Weights.Map()
	switch {
	case len(weights) > 0 && q.Discipline == "":
		bad.Add("weights", "belong to a discipline: want discipline %q as well", Fair)
	case len(weights) > MaxWeights:
		bad.Add("weights", "are %d: at most %d are allowed", len(weights), MaxWeights)
		return
	}
	for _, group := range slices.Sorted(maps.Keys(weights)) {
		if group == "" {
			bad.Add("weights", "has an empty name: want the name of a group")
			continue
		}
		bad.CheckText("weights", group, MaxGroup)
		if n := weights[group]; n < 1 || n > MaxWeight {
			bad.Add("weights."+group, "is %d: want 1 to %d", n, MaxWeight)
		}
	}
}
