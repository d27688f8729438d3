package sendoff

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestOptionsAreTakenOnlyWhereTheyHaveAMeaning(t *testing.T) {
	for name, tt := range map[string]struct {
		option any
		where  string
	}{
		"Retry":          {Retry(RetryPolicy{}), "call dispatch step"},
		"NoRetry":        {NoRetry(), "call dispatch step"},
		"AttemptTimeout": {AttemptTimeout(time.Second), "call dispatch step"},
		"Delay":          {Delay(time.Second), "call dispatch"},
		"At":             {At(time.Now()), "call dispatch"},
		"OnQueue":        {OnQueue("q"), "call dispatch"},
		"Priority":       {Priority(1), "call dispatch"},
		"Expiration":     {Expiration(time.Second), "call dispatch"},
		"Named":          {Named("n"), "call dispatch"},
		"Labels":         {Labels(nil), "call dispatch"},
		"Detached":       {Detached(), "call dispatch"},
		"OnEndpoint":     {OnEndpoint("u"), "call dispatch"},
		"OnVersion":      {OnVersion("v"), "call dispatch"},
		"CallID":         {CallID("i"), "dispatch"},
		"IdempotencyKey": {IdempotencyKey("k"), "dispatch"},
		"Via":            {Via(nil), "dispatch send"},
	} {
		var where string
		if _, ok := tt.option.(CallOption); ok {
			where += " call"
		}
		if _, ok := tt.option.(DispatchOption); ok {
			where += " dispatch"
		}
		if _, ok := tt.option.(SendOption); ok {
			where += " send"
		}
		if _, ok := tt.option.(StepOption); ok {
			where += " step"
		}
		require.Equal(t, " "+tt.where, where, name)
	}
}

func TestOptionsOfACallWinOverThoseOfItsFunction(t *testing.T) {
	o := gather([]CallOption{OnQueue("function"), NoRetry(), Priority(2)}, []DispatchOption{OnQueue("call"), CallID("i")})
	require.Equal(t, "call", o.call.GetQueue())
	require.Equal(t, "i", o.id)
	require.True(t, o.noRetry)
	require.EqualValues(t, 2, o.call.GetPriority())
	require.EqualValues(t, 9, gather[CallOption](nil, []CallOption{Priority(12)}).call.GetPriority())
}
