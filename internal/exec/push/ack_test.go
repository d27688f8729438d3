package push_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/exec/push"
	"github.com/sendoff-dev/sendoff/task"
)

// TestA202MaySayThatItsEndIsToldLater: in as long as it asks for, or an attempt may take.
func TestA202MaySayThatItsEndIsToldLater(t *testing.T) {
	for name, c := range map[string]struct {
		status       int
		ack, timeout string
		retry        string
		want         task.Class
		within       time.Duration
	}{
		"for a time":             {status: 202, ack: "manual", timeout: "10m", want: task.Detach, within: 10 * time.Minute},
		"in seconds":             {status: 202, ack: " Manual", timeout: "90", want: task.Detach, within: 90 * time.Second},
		"no time":                {status: 202, ack: "manual", want: task.Detach, within: 10 * time.Second},
		"nonsense for a time":    {status: 202, ack: "manual", timeout: "soon", want: task.Detach, within: 10 * time.Second},
		"a time that has passed": {status: 202, ack: "manual", timeout: "-5", want: task.Detach, within: 10 * time.Second},
		"too short":              {status: 202, ack: "manual", timeout: "1ms", want: task.Detach, within: time.Second},
		"too long":               {status: 202, ack: "manual", timeout: "1000h", want: task.Detach, within: 24 * time.Hour},
		"another word":           {status: 202, ack: "auto", want: task.Success},
		"another success":        {status: 200, ack: "manual", timeout: "10m", want: task.Success},
		"a failure":              {status: 500, ack: "manual", want: task.Failure},
		"to be tried again":      {status: 202, ack: "manual", retry: "yes", want: task.Failure},
	} {
		t.Run(name, func(t *testing.T) {
			app := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				for name, value := range map[string]string{"Sendoff-Ack": c.ack, "Sendoff-Ack-Timeout": c.timeout, "Sendoff-Retry": c.retry} {
					if value != "" {
						w.Header().Set(name, value)
					}
				}
				w.WriteHeader(c.status)
			})
			o := send(t, newPusher(t, push.Config{}), app.URL)
			require.Equal(t, []any{c.want, c.within}, []any{o.Class, o.Within})
		})
	}
}
