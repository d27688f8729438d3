package seal_test

import (
	"bytes"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/seal"
)

// Computed by another program: HKDF and AES-GCM of Python's cryptography.
const (
	wantID     = "0257dbb177f9a867"
	wantSealed = "000102030405060708090a0b139cef6160d70db3e583613576c86e2b64bc04f4231a3f6826257229534c"
)

var secret = bytes.Repeat([]byte("s"), 32)

func TestOnlyTheSecretOpensWhatWasSealedAndForItsPurpose(t *testing.T) {
	k, err := seal.New(secret)
	require.NoError(t, err)
	sealed := k.Seal("keys", []byte("a seed"))
	require.NotContains(t, string(sealed), "a seed")
	require.NotEqual(t, sealed, k.Seal("keys", []byte("a seed")), "each time with another nonce")
	plain, err := k.Open("keys", sealed)
	require.NoError(t, err)
	require.Equal(t, "a seed", string(plain))

	other, err := seal.New(bytes.Repeat([]byte("t"), 32))
	require.NoError(t, err)
	require.NotEqual(t, k.ID(), other.ID())
	_, err = other.Open("keys", sealed)
	require.ErrorIs(t, err, seal.ErrWrong)
	_, err = k.Open("something else", sealed)
	require.ErrorIs(t, err, seal.ErrWrong)
	for i := range sealed {
		broken := bytes.Clone(sealed)
		broken[i] ^= 1
		_, err = k.Open("keys", broken)
		require.ErrorIs(t, err, seal.ErrWrong, "byte %d", i)
	}
	_, err = k.Open("keys", sealed[:5])
	require.ErrorIs(t, err, seal.ErrWrong)
}

// What was sealed by a version is opened by all later ones.
func TestASealOfTheFirstVersionIsOpened(t *testing.T) {
	k, err := seal.New(secret)
	require.NoError(t, err)
	require.Equal(t, wantID, k.ID())
	sealed, err := hex.DecodeString(wantSealed)
	require.NoError(t, err)
	plain, err := k.Open("purpose", sealed)
	require.NoError(t, err)
	require.Equal(t, "kept for years", string(plain))
}

func TestAFileIsMadeForItsOwnerAloneAndNeverReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	_, err := seal.ReadFile(path)
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.NoError(t, seal.MakeFile(path))
	is, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o600), is.Mode().Perm())
	k, err := seal.ReadFile(path)
	require.NoError(t, err)
	require.ErrorIs(t, seal.MakeFile(path), fs.ErrExist)
	again, err := seal.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, k.ID(), again.ID())
}

func TestAFileThatIsWrongSaysWhatWouldBeRight(t *testing.T) {
	dir := t.TempDir()
	for name, c := range map[string]struct {
		text string
		mode fs.FileMode
		want string
	}{
		"short":        {"password\n", 0o600, "at least 32 characters: it has 8: make one with openssl rand -base64 32"},
		"empty":        {" \n", 0o600, "it has 0"},
		"large":        {string(bytes.Repeat([]byte("s"), 70<<10)), 0o600, "is larger than"},
		"for all":      {string(secret), 0o644, "is open to others (mode 0644): chmod 600"},
		"group writes": {string(secret), 0o660, "is open to others (mode 0660)"},
		"group reads":  {"  " + string(secret) + "\r\n", 0o440, ""},
	} {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(c.text), 0o600))
		require.NoError(t, os.Chmod(path, c.mode))
		k, err := seal.ReadFile(path)
		if c.want != "" {
			require.ErrorContains(t, err, c.want, name)
			continue
		}
		require.NoError(t, err, name)
		require.Equal(t, wantID, k.ID(), "blanks around it do not count")
	}
	_, err := seal.ReadFile(dir)
	require.ErrorContains(t, err, "secret file")
}
