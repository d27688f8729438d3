package engine_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/engine"
)

func TestAWrongMethodIsToldTheRightOnes(t *testing.T) {
	d := openDoor(t, engine.Config{}, engine.HandlerConfig{})
	for path, want := range map[string]string{
		"POST /v1/limits/k":     "GET, PUT, DELETE",
		"POST /v1/queues/q":     "GET, PUT, PATCH, DELETE",
		"PUT /v1/tasks/x":       "GET, PATCH, DELETE",
		"GET /v1/tasks/x/retry": "POST",
	} {
		method, at, _ := strings.Cut(path, " ")
		code, header, _ := d.call(t, method, at, "")
		require.Equal(t, []any{405, want}, []any{code, header.Get("Allow")}, path)
	}
}
