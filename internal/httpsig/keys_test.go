package httpsig_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/httpsig"
)

func TestKeysAreMadeOnceAndReadAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sendoff.keys")
	first, err := httpsig.LoadKeys(path)
	require.NoError(t, err)
	again, err := httpsig.LoadKeys(path)
	require.NoError(t, err)
	require.Equal(t, first.ID(), again.ID())
	require.Equal(t, first.WebhookSecret(), again.WebhookSecret())
	require.Equal(t, first.Public(), again.Public())

	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, entries, 1, "nothing is left behind")
}

func TestServersThatStartTogetherAgreeOnTheKeys(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sendoff.keys")
	ids := make([]string, 8)
	var wg sync.WaitGroup
	for i := range ids {
		wg.Go(func() {
			if keys, err := httpsig.LoadKeys(path); err == nil {
				ids[i] = keys.ID()
			}
		})
	}
	wg.Wait()
	require.NotEmpty(t, ids[0])
	for _, id := range ids {
		require.Equal(t, ids[0], id)
	}
}

func TestAKeyFileThatCannotBeTrustedIsRefused(t *testing.T) {
	good := filepath.Join(t.TempDir(), "good")
	_, err := httpsig.LoadKeys(good)
	require.NoError(t, err)
	text, err := os.ReadFile(good)
	require.NoError(t, err)

	tests := []struct {
		name, text string
		mode       os.FileMode
		want       string
	}{
		{"group can read", string(text), 0o640, "chmod 600"},
		{"all can read", string(text), 0o644, "mode 0644"},
		{"no JSON", "seed: 1", 0o600, "not valid JSON"},
		{"newer version", strings.Replace(string(text), `"version": 1`, `"version": 9`, 1), 0o600, "version 9"},
		{"no key", `{"version":1,"keys":[]}`, 0o600, "no key"},
		{"another kid", strings.Replace(string(text), `"kid": "`, `"kid": "x`, 1), 0o600, "kid"},
		{"short seed", `{"version":1,"keys":[{"kid":"a","ed25519_seed":"AAAA"}]}`, 0o600, "seed of 32 bytes"},
		{"weak secret", strings.Replace(string(text), "whsec_", "whsec_!", 1), 0o600, "webhook secret"},
		{"huge", strings.Repeat(" ", 70<<10), 0o600, "too large"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "keys")
			require.NoError(t, os.WriteFile(path, []byte(tt.text), 0o600))
			require.NoError(t, os.Chmod(path, tt.mode))
			_, err := httpsig.LoadKeys(path)
			require.ErrorContains(t, err, tt.want)
			after, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, tt.text, string(after), "and it is left as it was")
		})
	}
	_, err = httpsig.LoadKeys(filepath.Join(t.TempDir(), "absent", "keys"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestThePublishedKeysHoldNothingSecret(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	keys, err := httpsig.LoadKeys(path)
	require.NoError(t, err)
	var file struct {
		Keys []struct {
			Seed string `json:"ed25519_seed"`
		} `json:"keys"`
	}
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &file))

	published := string(keys.PublicJWKS())
	require.Contains(t, published, keys.ID())
	require.NotContains(t, published, `"d"`)
	require.NotContains(t, published, strings.TrimRight(file.Keys[0].Seed, "="))
	require.NotContains(t, published, strings.TrimPrefix(keys.WebhookSecret(), "whsec_"))

	set, err := httpsig.ParseJWKS(keys.PublicJWKS())
	require.NoError(t, err)
	require.Equal(t, keys.Public(), set)
}

// S7.
func TestAfterARotationBothKeysAreAcceptedAndTheNewOneSigns(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	old, err := httpsig.LoadKeys(path)
	require.NoError(t, err)
	underWay := signedPush(t, old, nil)

	rotated, err := httpsig.RotateKeys(path)
	require.NoError(t, err)
	require.NotEqual(t, old.ID(), rotated.ID())
	require.Equal(t, old.WebhookSecret(), rotated.WebhookSecret())
	require.NoError(t, verifier(rotated).Verify(t.Context(), underWay, nil))
	require.NoError(t, verifier(rotated).Verify(t.Context(), signedPush(t, rotated, nil), nil))
	require.ErrorIs(t, verifier(old).Verify(t.Context(), signedPush(t, rotated, nil), nil), httpsig.ErrUnknownKey)

	for range 2 {
		rotated, err = httpsig.RotateKeys(path)
		require.NoError(t, err)
	}
	require.Len(t, rotated.Public(), 3)
	require.NotContains(t, rotated.Public(), old.ID(), "three rotations later it is gone")
	_, err = httpsig.RotateKeys(filepath.Join(t.TempDir(), "absent"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestKeyIDIsTheThumbprintOfRFC8037(t *testing.T) {
	x, err := base64.RawURLEncoding.DecodeString("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")
	require.NoError(t, err)
	require.Equal(t, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", httpsig.KeyID(ed25519.PublicKey(x)))
}

func TestAKeySetIsReadStrictly(t *testing.T) {
	entry := `{"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`
	set, err := httpsig.ParseJWKS([]byte(`{"keys":[{"kty":"RSA","kid":"r"},` + entry + `]}`))
	require.NoError(t, err)
	require.Len(t, set, 1)
	for _, text := range []string{
		``, `[]`, `{}`, `{"keys":[]}`, `{"keys":[{"kty":"RSA","kid":"r"}]}`, `{"keys":[` + entry + `,` + entry + `]}`,
		strings.Replace(`{"keys":[`+entry+`]}`, "11q", "", 1), strings.Replace(`{"keys":[`+entry+`]}`, `"kid":"a",`, "", 1),
	} {
		_, err := httpsig.ParseJWKS([]byte(text))
		require.Error(t, err, text)
	}
}
