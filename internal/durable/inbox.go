package durable

import (
	"maps"
	"slices"
	"strings"

	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
	sendoffv1 "github.com/sendoff-dev/sendoff/gen/sendoff/v1"
)

// inbox is what a run was told, and who waits for signals.
type inbox struct {
	brought
	waiting  map[string][]*Future // for signals, by their name
	buffered map[string][]Value   // signals nobody took
	lastSig  int64                // number of the last signal that became an event; 0 = none, or they have none
}

// brought is what the server told and is no event yet, in the order in which it will
// be: results before signals.
type brought struct {
	pollFail *sdkv1.Error // of the calls that the last poll carried
	results  []*sdkv1.CallResult
	signals  []*sendoffv1.Signal
}

func newInbox() inbox {
	return inbox{waiting: make(map[string][]*Future), buffered: make(map[string][]Value)}
}

// join adds what was told beside the request.
func (b *brought) join(result *sdkv1.PollResult, signals []*sendoffv1.Signal) {
	b.results = append(b.results, result.GetResults()...)
	b.signals = append(b.signals, signals...)
	if result.GetError() != nil {
		b.pollFail = result.GetError()
	}
}

// nextResult takes the next result; nil = there is none.
func (b *brought) nextResult() *sdkv1.CallResult {
	if len(b.results) == 0 {
		return nil
	}
	r := b.results[0]
	b.results = b.results[1:]
	return r
}

// nextSignal takes the next signal that was not taken up before; nil = there is none.
func (b *inbox) nextSignal() *sendoffv1.Signal {
	for len(b.signals) > 0 {
		s := b.signals[0]
		b.signals = b.signals[1:]
		if b.news(s) {
			return s
		}
	}
	return nil
}

// news tells whether a signal was not taken up before.
func (b *inbox) news(s *sendoffv1.Signal) bool { return s.GetSequence() > b.lastSig || b.lastSig == 0 }

// deliver finds who gets a signal: the first that waits for it. nil = nobody, and it
// is kept.
func (b *inbox) deliver(name string, v Value) *Future {
	if list := b.waiting[name]; len(list) > 0 {
		return list[0]
	}
	b.buffered[name] = append(b.buffered[name], v)
	return nil
}

// kept takes a signal that came before somebody waited for it.
func (b *inbox) kept(name string) (v Value, ok bool) {
	queue := b.buffered[name]
	if len(queue) == 0 {
		return Value{}, false
	}
	b.buffered[name] = queue[1:]
	return queue[0], true
}

// waits tells whether somebody waits for a signal.
func (b *inbox) waits() bool { return len(b.waiting) > 0 }

// maxAwaited is how many names of signals a journal keeps of one wait.
const maxAwaited = 8

// awaited names the signals that somebody waits for, the first of them in order.
func (b *inbox) awaited() []string {
	names := slices.Sorted(maps.Keys(b.waiting))
	return names[:min(len(names), maxAwaited)]
}

// list puts a signal's future into the line for it: once for each wait for it.
func (b *inbox) list(f *Future) { b.waiting[f.signal] = append(b.waiting[f.signal], f) }

// unlist takes one entry of a signal's future out of the line for it.
func (b *inbox) unlist(f *Future) {
	list := b.waiting[f.signal]
	if i := slices.Index(list, f); i >= 0 {
		list = slices.Delete(list, i, i+1)
	}
	b.line(f.signal, list)
}

// unlistAll takes out all entries of a signal's future. One that stayed behind would
// take a signal that nobody gets.
func (b *inbox) unlistAll(f *Future) {
	list := b.waiting[f.signal]
	b.line(f.signal, slices.DeleteFunc(list, func(other *Future) bool { return other == f }))
}

func (b *inbox) line(signal string, list []*Future) {
	if len(list) == 0 {
		delete(b.waiting, signal)
		return
	}
	b.waiting[signal] = list
}

// untaken returns the signals that the run was told and nobody took, those of one
// name in their order. Its promises are over with it.
func (b *inbox) untaken() (left []*sendoffv1.Signal) {
	for _, name := range slices.Sorted(maps.Keys(b.buffered)) {
		for _, v := range b.buffered[name] {
			left = append(left, &sendoffv1.Signal{Name: name, Value: v.Any()})
		}
	}
	for _, s := range b.signals { // it ended before it came to them
		if b.news(s) {
			left = append(left, s)
		}
	}
	return slices.DeleteFunc(left, func(s *sendoffv1.Signal) bool { return strings.HasPrefix(s.GetName(), PromisePrefix) })
}
