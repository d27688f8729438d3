package actions

import (
	"reflect"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/operate"
)

// TestFlagsAreTheParametersOfTheAPI: what GET /v1/tasks can select by, the command can.
func TestFlagsAreTheParametersOfTheAPI(t *testing.T) {
	var flags []string
	for i := range reflect.TypeFor[Filter]().NumField() {
		if name := reflect.TypeFor[Filter]().Field(i).Name; name != "Not" && name != "Label" {
			flags = append(flags, ParamOf(name))
		}
	}
	slices.Sort(flags)
	want := slices.DeleteFunc(operate.FilterNames(), func(name string) bool { return name == "root" }) // which root_id replaced
	require.Equal(t, want, flags)
}

func TestFlagsBecomeParameters(t *testing.T) {
	f := Filter{Queue: []Choice{"a", "b"}, MinAttempts: 3, RootID: "r", Not: map[string]string{"target-host": "x"}, Label: map[string]string{"k": "v"}}
	require.NoError(t, f.CreatedAfter.UnmarshalText([]byte("2026-01-31T12:00:00Z")))
	require.Equal(t, map[string][]string{
		"queue": {"a", "b"}, "min_attempts": {"3"}, "root_id": {"r"}, "target_host!": {"x"}, "label.k": {"v"}, "created_after": {"2026-01-31T12:00:00Z"},
	}, f.Where())
	require.Error(t, new(Choice).UnmarshalText(nil))
}
