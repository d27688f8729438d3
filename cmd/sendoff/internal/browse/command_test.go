package browse_test

import (
	"bytes"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/browse"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
)

// TestTheAddressOfAPageIsPrinted, of a task by its id.
func TestTheAddressOfAPageIsPrinted(t *testing.T) {
	for _, c := range []struct {
		command browse.Command
		want    string
	}{
		{browse.Command{}, "http://127.0.0.1:4450/\n"},
		{browse.Command{URL: "https://ops.example.com/sendoff/"}, "https://ops.example.com/sendoff/\n"},
		{browse.Command{Page: "/queues/mail"}, "http://127.0.0.1:4450/queues/mail\n"},
		{browse.Command{Page: "failures"}, "http://127.0.0.1:4450/failures\n"},
		{browse.Command{Page: "order#42"}, "http://127.0.0.1:4450/tasks/order%2342\n"},
		{browse.Command{Page: "order-42", JSON: true}, "{\"url\":\"http://127.0.0.1:4450/tasks/order-42\"}\n"},
	} {
		var out bytes.Buffer
		require.NoError(t, c.command.Run(t.Context(), term.New(&out, io.Discard)))
		require.Equal(t, c.want, out.String())
	}
}
