package engine_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/internal/httpsig"
	"github.com/sendoff-dev/sendoff/push"
	"github.com/sendoff-dev/sendoff/task"
)

// Two nodes share the keys through the database: a rotation at one is signed with by the other,
// without a restart, and receivers follow.
func TestARotationReachesEveryNodeAndItsReceivers(t *testing.T) {
	cfg := engine.Config{SecretFile: filepath.Join(t.TempDir(), "secret"), AllowLoopback: true, Heartbeat: time.Minute, Lease: time.Hour}
	all := nodesWith(t, 2, cfg, func(int, *engine.Engine) {})
	here, there := doorOf(t, all[0]), doorOf(t, all[1])
	require.Equal(t, all[0].PublicKeys(), all[1].PublicKeys())
	before, err := here.SigningKeys.List(t.Context())
	require.NoError(t, err)
	require.Equal(t, sendoff.KeySigns, before[0].State)

	keys := httptest.NewServer(all[0].Handler(engine.HandlerConfig{}))
	defer keys.Close()
	v := &push.Verifier{KeysURL: keys.URL}
	by := make(chan string, 100)
	app := httptest.NewServer(v.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, id, _ := strings.Cut(r.Header.Get("Signature-Input"), `keyid="`)
		id, _, _ = strings.Cut(id, `"`)
		by <- id
	})))
	defer app.Close()
	pushed := func(c *sendoff.Client) string {
		h, err := c.Submit(t.Context(), sendoff.NewTask{URL: app.URL})
		require.NoError(t, err)
		done, err := here.Wait(t.Context(), h.ID)
		require.NoError(t, err)
		require.Equal(t, sendoff.StateSucceeded, done.State, done.LastError)
		return <-by
	}
	require.Equal(t, before[0].ID, pushed(here))

	grace, keep := time.Hour, time.Hour
	planned, err := there.SigningKeys.Rotate(t.Context(), sendoff.Rotation{Grace: &grace, Keep: &keep})
	require.NoError(t, err)
	require.Equal(t, sendoff.KeyNext, planned.State)
	require.Eventually(t, func() bool { return strings.Contains(string(all[0].PublicKeys()), planned.ID) }, 30*time.Second, 5*time.Millisecond)
	require.Equal(t, before[0].ID, pushed(here), "the grace has not passed")

	grace = 0
	rotated, err := there.SigningKeys.Rotate(t.Context(), sendoff.Rotation{Grace: &grace, Keep: &keep})
	require.NoError(t, err)
	require.NotEqual(t, before[0].ID, rotated.ID)
	for _, e := range all {
		require.Eventually(t, func() bool {
			return string(e.PublicKeys()) == string(all[1].PublicKeys()) && base64.StdEncoding.EncodeToString(e.VerificationKey()) == rotated.PublicKey
		}, 30*time.Second, 5*time.Millisecond)
	}
	require.Equal(t, rotated.ID, pushed(here))
	require.Equal(t, rotated.ID, pushed(there))
	again, err := here.SigningKeys.List(t.Context())
	require.NoError(t, err)
	require.Len(t, again, 2, "the one before is still published; the one that was to sign later is gone")
}

// received is the header of a push and its body.
type received struct {
	header http.Header
	body   []byte
}

func webhookApp(t *testing.T) (url string, got chan received) {
	got = make(chan received, 100)
	app := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- received{r.Header, body}
	}))
	t.Cleanup(app.Close)
	return app.URL, got
}

func (r *received) verifiedBy(t *testing.T, secret string) bool {
	w, err := httpsig.NewWebhook(secret)
	require.NoError(t, err)
	return w.Verify(r.header, r.body, time.Now(), 0) == nil
}

// The receivers of one queue have secrets of their own: those of another one sign nothing there.
func TestAQueueSignsWithItsOwnSecrets(t *testing.T) {
	d := openDoor(t, engine.Config{SecretFile: filepath.Join(t.TempDir(), "secret")}, engine.HandlerConfig{})
	url, got := webhookApp(t)
	pushed := func(queue string) received {
		code, _, out := d.call(t, "POST", "/v1/tasks", `{"url":"`+url+`","queue":"`+queue+`","payload":{}}`)
		require.Equal(t, 201, code, out)
		return <-got
	}
	set := func(method, body string, want int) map[string]any {
		code, _, out := d.call(t, method, "/v1/queues/billing", body)
		require.Equal(t, want, code, out)
		return out
	}
	names := func(out map[string]any) []any {
		list, _ := out["settings"].(map[string]any)["webhook_secrets"].([]any)
		return list
	}
	first, second := httpsig.NewWebhookSecret(), httpsig.NewWebhookSecret()

	out := set("PUT", `{"webhook_secrets":["`+first+`"]}`, 200)
	require.Len(t, names(out), 1)
	require.Regexp(t, "^whsec_sha256:", names(out)[0])
	r := pushed("billing")
	require.True(t, r.verifiedBy(t, first))
	other := pushed("default")
	require.False(t, other.verifiedBy(t, first), "another queue signs as ever")

	t.Run("with two there are two signatures, and the one that is shown stands for the secret", func(t *testing.T) {
		out := set("PATCH", `{"webhook_secrets":["`+second+`","`+names(out)[0].(string)+`"],"timeout":"30s"}`, 200)
		require.Len(t, names(out), 2)
		r := pushed("billing")
		require.Len(t, strings.Fields(r.header.Get("Webhook-Signature")), 2)
		require.True(t, r.verifiedBy(t, first) && r.verifiedBy(t, second))
		set("PATCH", `{"webhook_secrets":["`+names(out)[0].(string)+`"]}`, 200)
		r = pushed("billing")
		require.False(t, r.verifiedBy(t, first))
		require.True(t, r.verifiedBy(t, second))
	})
	t.Run("a private key signs v1a, and what is shown of it verifies", func(t *testing.T) {
		out := set("PUT", `{"webhook_secrets":["whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbc="]}`, 200)
		require.Equal(t, "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=", names(out)[0])
		r := pushed("billing")
		require.True(t, strings.HasPrefix(r.header.Get("Webhook-Signature"), "v1a,"))
		require.True(t, r.verifiedBy(t, names(out)[0].(string)))
	})
	t.Run("what is wrong is told", func(t *testing.T) {
		for body, want := range map[string]string{
			`{"webhook_secrets":[]}`:                                                 "is empty",
			`{"webhook_secrets":[""]}`:                                               "want whsec_... or whsk_...",
			`{"webhook_secrets":["hush"]}`:                                           "want whsec_ and base64 of 24 to 64 bytes",
			`{"webhook_secrets":["whsec_sha256:0123456789ab"]}`:                      "is what is shown of a secret",
			`{"webhook_secrets":"` + first + `"}`:                                    "want a list of texts",
			`{"webhook_secrets":["` + strings.Repeat(first+`","`, 4) + first + `"]}`: "at most 4",
		} {
			out := set("PATCH", body, 422)
			require.Contains(t, out["detail"], want)
			require.NotContains(t, out["detail"], first[8:])
		}
	})
	t.Run("no secret is in the audit or the answer", func(t *testing.T) {
		_, _, audit := d.call(t, "GET", "/v1/audit", "")
		_, _, queue := d.call(t, "GET", "/v1/queues/billing", "")
		for _, text := range []string{jsonOf(t, audit), jsonOf(t, queue)} {
			for _, secret := range []string{first, second, "6Xb/dCcHpPea21PS1N9VY"} {
				require.NotContains(t, text, strings.TrimPrefix(secret, "whsec_"))
			}
		}
		require.Contains(t, jsonOf(t, audit), "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=")
	})
	t.Run("without, that of the server signs again", func(t *testing.T) {
		require.Empty(t, names(set("PATCH", `{"webhook_secrets":null}`, 200)))
		r := pushed("billing")
		require.False(t, r.verifiedBy(t, second))
		require.True(t, strings.HasPrefix(r.header.Get("Webhook-Signature"), "v1,"))
	})
}

// A push that cannot be signed as its receiver wants it is not sent.
func TestAQueueWhoseSecretsCannotBeOpenedSendsNothing(t *testing.T) {
	d := openDoor(t, engine.Config{SecretFile: filepath.Join(t.TempDir(), "secret")}, engine.HandlerConfig{})
	url, got := webhookApp(t)
	sealed := task.NewSecrets([]task.Secret{{Name: "whsec_sha256:x", Sealed: []byte("sealed elsewhere")}})
	_, err := d.Queues().Set(t.Context(), "billing", task.QueueSettings{Webhooks: sealed})
	require.NoError(t, err)
	_, _, out := d.call(t, "POST", "/v1/tasks?wait=30s", `{"url":"`+url+`","queue":"billing","retry":{"max_attempts":1}}`)
	require.Equal(t, "failed", out["state"], out)
	require.Contains(t, out["last_error"], "it cannot be signed: the webhook secret whsec_sha256:x of the queue cannot be opened")
	require.Empty(t, got)
}

// Where nothing is sealed, secrets of queues are refused and keys are not rotated.
func TestKeysInAFileAreThoseOfOneNode(t *testing.T) {
	d := openDoor(t, engine.Config{KeysFile: filepath.Join(t.TempDir(), "keys")}, engine.HandlerConfig{})
	code, _, out := d.call(t, "PUT", "/v1/queues/q", `{"webhook_secrets":["`+httpsig.NewWebhookSecret()+`"]}`)
	require.Equal(t, 422, code)
	require.Contains(t, out["detail"], "--secret-file FILE")
	code, _, out = d.call(t, "POST", "/v1/signing-keys/rotate", "")
	require.Equal(t, 409, code)
	require.Contains(t, out["detail"], "sendoff keys rotate --keys-file FILE")
	_, _, out = d.call(t, "GET", "/v1/signing-keys", "")
	require.Equal(t, "file", out["kept_in"])
	require.Len(t, out["items"], 1)

	unsigned := openDoor(t, engine.Config{}, engine.HandlerConfig{})
	_, _, out = unsigned.call(t, "GET", "/v1/signing-keys", "")
	require.Equal(t, "nowhere", out["kept_in"])
	code, _, _ = unsigned.call(t, "POST", "/v1/signing-keys/rotate", "{}")
	require.Equal(t, 409, code)
}

func TestAnEngineWithoutTheSecretDoesNotStart(t *testing.T) {
	b := open(t, engine.Config{SecretFile: filepath.Join(t.TempDir(), "secret")})
	defer b.db.Close()
	_, err := engine.New(b.db, engine.Config{SecretFile: filepath.Join(t.TempDir(), "other")})
	require.ErrorContains(t, err, "signing keys: ")
	_, err = engine.New(b.db, engine.Config{KeysFile: filepath.Join(t.TempDir(), "keys")})
	require.ErrorContains(t, err, "--secret-file")
	_, err = engine.New(b.db, engine.Config{})
	require.NoError(t, err, "what signs nothing needs none")
}

func jsonOf(t *testing.T, v any) string {
	b, err := json.Marshal(v)
	require.NoError(t, err)
	return string(b)
}
