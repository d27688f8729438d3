package host

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheDefaultsAreThoseOfNoFlagWhateverTheEnvironmentSays(t *testing.T) {
	want := Defaults()
	require.NoError(t, want.Check())
	require.Equal(t, "127.0.0.1:4450", want.Listen.Addr)
	t.Setenv("SENDOFF_PUSH_SLOTS", "7")
	t.Setenv("SENDOFF_DB", "postgres://nowhere/x")
	require.Equal(t, want, Defaults())
}

func TestEachSectionIsChecked(t *testing.T) {
	for says, spoil := range map[string]func(*Settings){
		"--listen x:":                                   func(s *Settings) { s.Listen.Addr = "x" },
		"SENDOFF_API_KEYS: a key is empty":              func(s *Settings) { s.Listen.APIKeys = []string{"a b"} },
		"--listen-dsn belongs to a postgres://":         func(s *Settings) { s.DB.ListenDSN = "postgres://h/d" },
		"want a file path or a postgres:// URL":         func(s *Settings) { s.DB.DSN = "mysql://h/d" },
		"--grace -1ns":                                  func(s *Settings) { s.Node.Grace = -1 },
		"--push-slots 0: want 1 to 100000":              func(s *Settings) { s.Push.Slots = 0 },
		"--function-slots -1":                           func(s *Settings) { s.Function.Slots = -1 },
		"--function-floor 100001":                       func(s *Settings) { s.Function.Floor = 100_001 },
		"--unsigned and --keys-file":                    func(s *Settings) { s.Outbound.Unsigned, s.Outbound.KeysFile = true, "x" },
		"--retention-succeeded, --retention-failed and": func(s *Settings) { s.Retention.Failed = -1 },
	} {
		s := Defaults()
		spoil(&s)
		require.ErrorContains(t, s.Check(), says)
	}
}

func TestNobodyComesInFromOtherMachinesWithoutAKey(t *testing.T) {
	l := Defaults().Listen
	l.Addr = "0.0.0.0:1"
	_, local, err := l.Resolve()
	require.NoError(t, err)
	require.False(t, local)
	require.ErrorContains(t, l.Guarded(local, false), "set SENDOFF_API_KEYS")
	require.NoError(t, l.Guarded(local, true), "one is stored")
	require.NoError(t, l.Guarded(true, false))
	l.APIKeys = []string{"k"}
	require.NoError(t, l.Guarded(local, false))
}
