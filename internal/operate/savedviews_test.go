package operate

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/auth"
	"github.com/sendoff-dev/sendoff/store/storetest"
)

// TestThereIsABoundOfViews, in each namespace; those that are there may be changed still.
func TestThereIsABoundOfViews(t *testing.T) {
	views := NewSavedViews(storetest.NewShared(func() int64 { return 1 }))
	for i := range MaxViews {
		_, made, err := views.Set(t.Context(), fmt.Sprint(i), "/tasks", "")
		require.NoError(t, err)
		require.True(t, made)
	}
	_, _, err := views.Set(t.Context(), "one more", "/tasks", "")
	require.ErrorContains(t, err, "name: is new, and there are 500 views already: delete one that nobody needs")
	_, made, err := views.Set(t.Context(), "7", "/queues", "")
	require.NoError(t, err)
	require.False(t, made)
	elsewhere := auth.With(t.Context(), &auth.Principal{NamespaceID: 2})
	_, _, err = views.Set(elsewhere, "one more", "/tasks", "")
	require.NoError(t, err)
	require.NoError(t, views.Delete(t.Context(), "7"))
	_, _, err = views.Set(t.Context(), "one more", "/tasks", "")
	require.NoError(t, err)
}
