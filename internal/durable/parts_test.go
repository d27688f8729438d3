package durable

import (
	"testing"

	"github.com/stretchr/testify/require"

	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
	sendoffv1 "github.com/sendoff-dev/sendoff/gen/sendoff/v1"
	"github.com/sendoff-dev/sendoff/internal/journal"
)

func TestWhatAnAttemptRepeatsEndsBeforeItsFirstFailure(t *testing.T) {
	l := ledger{log: &journal.Writer{}, cut: -1}
	l.write(&journal.Entry{Kind: journal.Done, Ordinal: 1})
	good := l.log.Pending()
	require.Equal(t, good, l.repeatable(), "there is no failure")
	for range 2 { // the second changes nothing
		l.failed()
		l.write(&journal.Entry{Kind: journal.Done, Ordinal: 2, Fail: []byte("no")})
	}
	require.Equal(t, good, l.repeatable())

	half := l.take(good - 1)
	l.recorded(good - 1)
	require.Zero(t, half.GetOffset())
	require.Equal(t, 1, l.repeatable(), "a part of what comes before it is on disk")
	n := l.log.Pending()
	rest := l.take(n)
	require.EqualValues(t, len(half.GetSegment()), rest.GetOffset())
	l.recorded(n)
	require.Negative(t, l.cut, "all is on disk")
	require.Zero(t, l.repeatable())

	l.failed()
	l.write(&journal.Entry{Kind: journal.Done, Ordinal: 3, Fail: []byte("no")})
	l.number(&journal.Entry{Kind: journal.Command, Op: journal.OpStep, Count: 1})
	require.Equal(t, l.log.Pending(), l.repeatable(), "a failure that the function went on from is one to keep")
}

func TestASignalGoesToWhoWaitedFirstOrIsKept(t *testing.T) {
	b := newInbox()
	one, two := &Future{kind: kindSignal, signal: "s"}, &Future{kind: kindSignal, signal: "s"}
	b.list(one)
	b.list(two)
	b.list(one) // it is waited for twice
	require.True(t, b.waits())
	require.Same(t, one, b.deliver("s", Value{}))
	b.unlistAll(one)
	require.Same(t, two, b.deliver("s", Value{}))
	b.unlist(two)
	require.False(t, b.waits())
	for _, text := range []string{"first", "second"} {
		require.Nil(t, b.deliver("s", Value{URL: text}))
	}
	v, ok := b.kept("s")
	require.True(t, ok)
	require.Equal(t, "first", v.URL)
	_, ok = b.kept("other")
	require.False(t, ok)
}

func TestASignalThatWasTakenUpIsNoNews(t *testing.T) {
	b := newInbox()
	b.join(&sdkv1.PollResult{}, []*sendoffv1.Signal{{Name: "a", Sequence: 3}, {Name: "b", Sequence: 4}, {Name: PromisePrefix + "1", Sequence: 5}})
	b.lastSig = 3
	require.Equal(t, "b", b.nextSignal().GetName())
	b.deliver("kept", Value{URL: "u"})
	b.join(nil, []*sendoffv1.Signal{{Name: "c", Sequence: 6}})
	left := b.untaken()
	require.Len(t, left, 2, "those that were kept, then those that it did not come to, without promises")
	require.Equal(t, "kept", left[0].GetName())
	require.Equal(t, "c", left[1].GetName())
}

func TestAPollCarriesWhatFitsInOrder(t *testing.T) {
	o := outbox{calls: map[uint64]*Future{}}
	big := make([]byte, maxCallBytes/2)
	for i := range uint64(5) {
		o.ask(&Future{ordinal: i, detached: i == 4, done: i == 4, call: &sdkv1.Call{Input: (Value{URL: "u", Data: big}).Any()}})
	}
	o.unsent[1].done = true // given up before it was sent
	calls, sent := o.nextCalls(false)
	require.Len(t, calls, 1, "two would be too much")
	require.Equal(t, 2, sent)
	o.markSent(sent)
	require.True(t, o.begun())
	require.Same(t, o.calls[0], o.nextSent())
	require.Nil(t, o.nextSent(), "the other one had ended")
	calls, sent = o.nextCalls(true)
	require.Len(t, calls, 1, "nobody waits for the others any more")
	require.Equal(t, 3, sent)
	require.True(t, o.owesDetached())
	o.markSent(sent)
	require.False(t, o.owesDetached())
}
