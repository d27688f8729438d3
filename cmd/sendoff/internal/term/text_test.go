package term

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestADurationIsAsExactAsMatters(t *testing.T) {
	for want, d := range map[string]time.Duration{
		"0ms": 0, "999ms": 999 * time.Millisecond, "1.2s": 1234 * time.Millisecond, "1m3s": 63*time.Second + time.Millisecond,
		"5h0m": 5 * time.Hour, "2d": 50 * time.Hour,
	} {
		require.Equal(t, want, Short(d))
	}
}

func TestATextOfOthersCannotSteerTheTerminal(t *testing.T) {
	require.Equal(t, "a  [31mb  c", Clean("a\r\x1b[31mb\u0085\nc"))
	require.Equal(t, "äöü...", OneLine("äöüäöüäöü", 6))
	require.Equal(t, "äöüäöü", OneLine("äöüäöü", 6))
}

func TestWideCharactersTakeTwoColumns(t *testing.T) {
	require.Equal(t, 5, Width("a世界"))
	require.Equal(t, "世~", Cut("世界世界", 3))
	require.Equal(t, "世~ ", Padded("世界世界", 4))
	require.Equal(t, "世界   ", Padded("世界", 7))
	require.Equal(t, []string{"世", "界a", "b"}, Wrapped("世界ab", 3))
}

func TestATableIsAsWideAsItsWidestCells(t *testing.T) {
	var out bytes.Buffer
	New(&out, nil).Table([]string{"ID", "STATE"}, [][]string{{"1", "failed"}, {"long", ""}})
	require.Equal(t, "ID    STATE\n1     failed\nlong\n", out.String())
}

func TestAnErrorDecidesTheExitCode(t *testing.T) {
	for _, tt := range []struct {
		err  error
		code int
		says string
	}{
		{nil, ExitOK, ""},
		{errors.New("no"), ExitError, "sendoff: no\n"},
		{Usage("--limit %d: want more", 1), ExitUsage, "sendoff: --limit 1: want more\n"},
		{fmt.Errorf("run: %w", &Exit{Code: 9}), 9, ""},
	} {
		var errs bytes.Buffer
		require.Equal(t, tt.code, New(nil, &errs).Report(tt.err))
		require.Equal(t, tt.says, errs.String())
	}
}
