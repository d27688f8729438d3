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
	"time"

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

func TestARotationOverlaps(t *testing.T) {
	m := httpsig.NewMaterial(signedAt)
	load := func() *httpsig.Keys {
		keys, err := m.Load("test")
		require.NoError(t, err)
		return keys
	}
	states := func(at time.Time) (out []string) {
		for _, k := range load().At(at) {
			out = append(out, k.ID[:4]+" "+string(k.State))
		}
		return out
	}
	old := m.Keys[0].ID[:4]
	require.NoError(t, m.Rotate(signedAt, httpsig.Rotation{Grace: time.Minute, Keep: time.Hour}))
	next := m.Keys[0].ID[:4]
	require.Equal(t, []string{old + " signs", next + " next"}, states(signedAt))
	require.Equal(t, []string{old + " signs", next + " next"}, states(signedAt.Add(59*time.Second)))
	require.Equal(t, []string{next + " signs", old + " verifies"}, states(signedAt.Add(time.Minute)))
	require.Equal(t, []string{next + " signs"}, states(signedAt.Add(time.Hour+time.Minute)))

	t.Run("what each signs, the published keys verify", func(t *testing.T) {
		keys := load()
		for _, at := range []time.Duration{0, 2 * time.Minute, 2 * time.Hour} {
			public := map[string]ed25519.PublicKey{}
			for _, k := range keys.At(signedAt.Add(at)) {
				public[k.ID] = k.Public
			}
			v := &httpsig.Verifier{Key: httpsig.FixedKeys(public), Now: func() time.Time { return signedAt.Add(at) }}
			require.NoError(t, v.Verify(t.Context(), pushSignedAt(t, keys, nil, signedAt.Add(at)), nil))
		}
	})
	t.Run("a leaked key is gone at once", func(t *testing.T) {
		require.NoError(t, m.Rotate(signedAt.Add(2*time.Minute), httpsig.Rotation{}))
		require.Len(t, load().All(), 1)
	})
	t.Run("not without end", func(t *testing.T) {
		var err error
		for range httpsig.MaxKeys {
			err = m.Rotate(signedAt.Add(3*time.Minute), httpsig.Rotation{Keep: time.Hour})
		}
		require.ErrorIs(t, err, httpsig.ErrTooManyKeys)
		require.Len(t, m.Keys, httpsig.MaxKeys)
		require.NoError(t, m.Rotate(signedAt.Add(2*time.Hour), httpsig.Rotation{Keep: time.Hour}), "when some have ended")
	})
}

func TestANewWebhookSecretSignsBesideTheOneBefore(t *testing.T) {
	m := httpsig.NewMaterial(signedAt)
	older := m.Webhook
	require.NoError(t, m.Rotate(signedAt, httpsig.Rotation{Grace: time.Minute, Keep: time.Hour, Webhook: true}))
	require.NotEqual(t, older, m.Webhook)
	keys, err := m.Load("test")
	require.NoError(t, err)
	verify := func(secret string, at time.Time) error {
		w, err := httpsig.NewWebhook(secret)
		require.NoError(t, err)
		return w.Verify(pushSignedAt(t, keys, []byte("{}"), at).Header, []byte("{}"), at, 0)
	}
	require.NoError(t, verify(older, signedAt))
	require.NoError(t, verify(m.Webhook, signedAt))
	require.ErrorIs(t, verify(older, signedAt.Add(time.Hour)), httpsig.ErrMismatch)
	require.NoError(t, verify(m.Webhook, signedAt.Add(time.Hour)))
}

func TestWebhooksAreSignedAsymmetricallyWhereThatIsAskedFor(t *testing.T) {
	m := httpsig.NewMaterial(signedAt)
	require.NoError(t, m.Rotate(signedAt, httpsig.Rotation{Grace: time.Minute, Keep: time.Hour}))
	keys, err := m.Load("test")
	require.NoError(t, err)
	versions := func(keys *httpsig.Keys, at time.Time) (out []string) {
		for s := range strings.FieldsSeq(pushSignedAt(t, keys, nil, at).Header.Get("Webhook-Signature")) {
			version, _, _ := strings.Cut(s, ",")
			out = append(out, version)
		}
		return out
	}
	require.Equal(t, []string{"v1"}, versions(keys, signedAt))
	keys = keys.WithAsymmetric()
	require.Equal(t, []string{"v1", "v1a"}, versions(keys, signedAt))
	require.Equal(t, []string{"v1", "v1a", "v1a"}, versions(keys, signedAt.Add(time.Minute)), "both keys, while both are published")
	require.Equal(t, []string{"v1", "v1a"}, versions(keys, signedAt.Add(2*time.Hour)))
	for _, k := range keys.At(signedAt.Add(time.Minute)) {
		w, err := httpsig.NewWebhook(k.Webhook)
		require.NoError(t, err)
		at := signedAt.Add(time.Minute)
		require.NoError(t, w.Verify(pushSignedAt(t, keys, nil, at).Header, nil, at, 0))
		require.NotEqual(t, k.Webhook, "whpk_"+b64(k.Public), "another key than that of RFC 9421")
	}
	require.Contains(t, string(httpsig.JWKS(keys.At(signedAt))), `"webhook_key":"whpk_`)
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
