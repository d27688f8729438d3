package status_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
	"github.com/sendoff-dev/sendoff/status"
)

func TestTheCodesAreThoseOfTheProtocol(t *testing.T) {
	for n, name := range sdkv1.Status_name {
		require.Equal(t, strings.TrimPrefix(name, "STATUS_"), status.Code(n).String())
	}
	for n := range len(sdkv1.Status_name) {
		require.Contains(t, sdkv1.Status_name, int32(n), "the protocol has a code that is not here, or a gap")
	}
	require.Equal(t, "-1", status.Code(-1).String())
	require.Equal(t, "99", status.Code(99).String())
}

// soldOut is an error of an app that no retry heals.
type soldOut struct{}

func (soldOut) Error() string       { return "sold out" }
func (soldOut) Status() status.Code { return status.NotFound }

func Example() {
	var err error = soldOut{}
	if e, ok := err.(interface{ Status() status.Code }); ok {
		fmt.Println(e.Status(), e.Status().Temporary())
	}
	// Output: NOT_FOUND false
}
