package signing_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/httpsig"
	"github.com/sendoff-dev/sendoff/internal/seal"
	"github.com/sendoff-dev/sendoff/internal/signing"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/sqlite"
	"github.com/sendoff-dev/sendoff/task"
)

// place is a database with files beside it.
type place struct {
	dir string
	db  *sqlite.Store
}

func newPlace(t *testing.T) *place {
	p := &place{dir: t.TempDir()}
	db, err := sqlite.Open(t.Context(), p.file("a.db"), sqlite.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	p.db = db
	return p
}

func (p *place) file(name string) string { return filepath.Join(p.dir, name) }

func (p *place) config() signing.Config {
	return signing.Config{Store: p.db, SecretFile: p.file("secret"), KeysFile: p.file("keys")}
}

func (p *place) open(t *testing.T) *signing.Keys {
	t.Helper()
	k, err := signing.Open(t.Context(), p.config())
	require.NoError(t, err)
	return k
}

func TestANewcomerNeedsNothingAndGetsTheSameKeysAgain(t *testing.T) {
	p := newPlace(t)
	k := p.open(t)
	require.True(t, k.Shared())
	require.Len(t, k.List(), 1)
	require.Equal(t, k.List(), p.open(t).List())
	is, err := os.Stat(p.file("secret"))
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o600), is.Mode().Perm())
	_, err = os.Stat(p.file("keys"))
	require.ErrorIs(t, err, fs.ErrNotExist, "no file of keys is made any more")
}

// Whoever has the database has nothing to sign with.
func TestTheDatabaseHoldsNothingThatSigns(t *testing.T) {
	p := newPlace(t)
	k := p.open(t)
	m, err := k.Material()
	require.NoError(t, err)
	secrets, err := k.SealWebhooks(task.Secrets{}, task.GivenSecrets([]string{"whsec_" + "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB"}))
	require.NoError(t, err)
	stored, err := json.Marshal(secrets)
	require.NoError(t, err)
	doc, err := p.db.Sealed(t.Context(), store.SigningKeys)
	require.NoError(t, err)
	seed, err := json.Marshal(m.Keys[0].Seed)
	require.NoError(t, err)
	for _, secret := range []string{string(seed[1:20]), m.Webhook[6:20], "QUFBQUFB", string(m.Keys[0].Seed)} {
		require.NotContains(t, string(doc), secret)
		require.NotContains(t, string(stored), secret)
	}
	d, err := signing.ReadDocument(doc)
	require.NoError(t, err)
	require.Equal(t, k.List(), d.List(time.Now()), "and yet what is public can be told")
	require.Contains(t, string(httpsig.JWKS(d.List(time.Now()))), m.Keys[0].ID)
}

func TestAFileOfKeysIsImportedOnce(t *testing.T) {
	p := newPlace(t)
	file, err := httpsig.LoadKeys(p.file("keys"))
	require.NoError(t, err)
	_, err = httpsig.RotateKeys(p.file("keys"))
	require.NoError(t, err)
	k := p.open(t)
	require.Len(t, k.List(), 2)
	require.Equal(t, file.WebhookSecret(), k.Current().WebhookSecret())
	require.Equal(t, file.ID(), k.List()[1].ID)

	_, err = httpsig.RotateKeys(p.file("keys"))
	require.NoError(t, err)
	require.Equal(t, k.List(), p.open(t).List(), "the file is not read again")
	require.NoError(t, os.Remove(p.file("keys")))
	require.Equal(t, k.List(), p.open(t).List(), "nor needed")

	broken := newPlace(t)
	require.NoError(t, os.WriteFile(broken.file("keys"), []byte("{}"), 0o600))
	_, err = signing.Open(t.Context(), broken.config())
	require.ErrorContains(t, err, "version 0", "what cannot be imported is not passed over")
}

func TestEachWrongSecretFileIsRefusedWithWhatWouldBeRight(t *testing.T) {
	p := newPlace(t)
	k := p.open(t)
	secret, err := os.ReadFile(p.file("secret"))
	require.NoError(t, err)
	refused := func(want string) {
		t.Helper()
		_, err := signing.Open(t.Context(), p.config())
		require.ErrorContains(t, err, want)
	}
	require.NoError(t, os.Chmod(p.file("secret"), 0o644))
	refused("chmod 600")
	require.NoError(t, os.Remove(p.file("secret")))
	refused("secret is not there, and the keys in the database are sealed under it (id ")
	_, err = os.Stat(p.file("secret"))
	require.ErrorIs(t, err, fs.ErrNotExist, "no other one is made")
	require.NoError(t, os.WriteFile(p.file("secret"), []byte("short"), 0o600))
	refused("at least 32 characters")
	require.NoError(t, os.WriteFile(p.file("secret"), bytes.Repeat([]byte("x"), 40), 0o600))
	refused("sealed under another secret: theirs has the id ")
	require.NoError(t, os.WriteFile(p.file("secret"), secret, 0o600))
	require.Equal(t, k.List(), p.open(t).List())

	_, err = signing.Open(t.Context(), signing.Config{Store: p.db, KeysFile: p.file("keys")})
	require.ErrorContains(t, err, "name its file with --secret-file")
	require.NoError(t, p.db.SetSealed(t.Context(), store.SigningKeys, read(t, p), []byte(`{"version":9}`)))
	refused("cannot be read")
}

func read(t *testing.T, p *place) []byte {
	t.Helper()
	doc, err := p.db.Sealed(t.Context(), store.SigningKeys)
	require.NoError(t, err)
	return doc
}

// Two nodes that start at once on different machines: one makes the keys, the other one has
// another secret, and says so.
func TestNodesThatStartTogetherAgree(t *testing.T) {
	for range 5 {
		p := newPlace(t)
		var wg sync.WaitGroup
		ids := make([]string, 4)
		for i := range ids {
			wg.Go(func() {
				if k, err := signing.Open(context.Background(), p.config()); err == nil {
					ids[i] = k.List()[0].ID
				}
			})
		}
		wg.Wait()
		for _, id := range ids {
			require.Equal(t, p.open(t).List()[0].ID, id)
		}
		other := p.config()
		other.SecretFile = p.file("other")
		require.NoError(t, seal.MakeFile(other.SecretFile))
		_, err := signing.Open(t.Context(), other)
		require.ErrorIs(t, err, signing.ErrOtherSecret)
	}
}

// late is a store to whose database another node brings keys at the last moment.
type late struct {
	*sqlite.Store
	once sync.Once
	keys func()
}

func (l *late) SetSealed(ctx context.Context, name string, was, doc []byte) error {
	l.once.Do(l.keys)
	return l.Store.SetSealed(ctx, name, was, doc)
}

func TestASecretThatComesLateIsTakenAwayAgain(t *testing.T) {
	p := newPlace(t)
	other := p.config()
	other.SecretFile = p.file("other")
	other.Store = &late{Store: p.db, keys: func() { p.open(t) }}
	_, err := signing.Open(t.Context(), other)
	require.ErrorIs(t, err, signing.ErrOtherSecret)
	_, err = os.Stat(other.SecretFile)
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func TestARotationIsSeenByTheOthers(t *testing.T) {
	p := newPlace(t)
	a, b := p.open(t), p.open(t)
	old := a.List()[0].ID
	made, err := a.Rotate(t.Context(), httpsig.Rotation{Grace: time.Hour, Keep: time.Hour, Webhook: true})
	require.NoError(t, err)
	keys := a.List()
	require.Equal(t, made, keys[1])
	require.Equal(t, []httpsig.KeyState{httpsig.KeySigns, httpsig.KeyNext}, []httpsig.KeyState{keys[0].State, keys[1].State})
	require.Equal(t, old, keys[0].ID)
	require.Len(t, b.List(), 1, "not yet")
	require.NoError(t, b.Refresh(t.Context()))
	require.Equal(t, keys, b.List())
	require.Equal(t, a.Current().WebhookSecret(), b.Current().WebhookSecret())

	var wg sync.WaitGroup
	for _, k := range []*signing.Keys{a, b, a, b} {
		wg.Go(func() {
			_, err := k.Rotate(context.Background(), httpsig.Rotation{Keep: time.Hour})
			require.NoError(t, err)
		})
	}
	wg.Wait()
	require.Len(t, p.open(t).List(), 5, "none is lost, but for the one that was to sign after them")

	file, err := signing.Open(t.Context(), signing.Config{Store: newPlace(t).db, KeysFile: p.file("keys")})
	require.NoError(t, err)
	require.False(t, file.Shared())
	_, err = file.Rotate(t.Context(), httpsig.Rotation{})
	require.ErrorIs(t, err, signing.ErrInFile)
}

func TestAChangeThatNobodyToldIsSeen(t *testing.T) {
	p := newPlace(t)
	a, b := p.open(t), p.open(t)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- b.Run(ctx) }()
	_, err := a.Rotate(t.Context(), httpsig.Rotation{Keep: time.Hour})
	require.NoError(t, err)
	require.Eventually(t, func() bool { return len(b.List()) == 2 }, time.Minute, 5*time.Millisecond)
	stop()
	require.NoError(t, <-done)
}

func TestSecretsOfAQueueAreSealedAndKeptByTheirNames(t *testing.T) {
	p := newPlace(t)
	k := p.open(t)
	first, second := httpsig.NewWebhookSecret(), httpsig.NewWebhookSecret()
	had, err := k.SealWebhooks(task.Secrets{}, task.GivenSecrets([]string{first}))
	require.NoError(t, err)
	require.Regexp(t, `^whsec_sha256:[0-9a-f]{12}$`, had.Names()[0])

	both, err := k.SealWebhooks(had, task.GivenSecrets([]string{second, had.Names()[0]}))
	require.NoError(t, err)
	opened, err := p.open(t).Webhooks(both)
	require.NoError(t, err)
	require.Equal(t, []string{second, first}, []string{opened[0].Secret(), opened[1].Secret()})

	wrong := func(want string, given ...string) {
		t.Helper()
		_, err := k.SealWebhooks(had, task.GivenSecrets(given))
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), first[10:20])
	}
	wrong("webhook_secrets[1]: is what is shown of a secret", second, both.Names()[0])
	wrong("webhook_secrets[1]: is given twice", first, first)
	wrong("webhook_secrets[0]: webhook secret: want whsec_", "hush")
	wrong("is what is shown", "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=")

	other := newPlace(t).open(t)
	_, err = other.Webhooks(both)
	require.ErrorContains(t, err, "cannot be opened")
	file, err := signing.Open(t.Context(), signing.Config{Store: newPlace(t).db, KeysFile: p.file("keys")})
	require.NoError(t, err)
	_, err = file.SealWebhooks(had, task.GivenSecrets([]string{second}))
	require.ErrorContains(t, err, "start it with --secret-file FILE")
	_, err = file.Webhooks(both)
	require.ErrorContains(t, err, "no --secret-file")
}

// After a reseal the secret of before opens nothing, and nobody has to learn anything.
func TestEverythingIsSealedUnderAnotherSecret(t *testing.T) {
	p := newPlace(t)
	k := p.open(t)
	lane, err := p.db.EnsureLane(t.Context(), 1, "billing", task.AnyPool, 10)
	require.NoError(t, err)
	secret := httpsig.NewWebhookSecret()
	webhooks, err := k.SealWebhooks(task.Secrets{}, task.GivenSecrets([]string{secret, httpsig.NewWebhookSecret()}))
	require.NoError(t, err)
	settings := task.QueueSettings{Webhooks: webhooks, Timeout: time.Minute}
	require.NoError(t, p.db.SetSettings(t.Context(), lane.QueueID, nil, settings.Encode()))

	from, err := seal.ReadFile(p.file("secret"))
	require.NoError(t, err)
	to, err := seal.New(bytes.Repeat([]byte("t"), 32))
	require.NoError(t, err)
	require.ErrorIs(t, signing.Reseal(t.Context(), p.db, to, from), signing.ErrOtherSecret)
	broken := &late{Store: p.db, keys: func() { _, _ = k.Rotate(context.Background(), httpsig.Rotation{}) }}
	require.ErrorIs(t, signing.Reseal(t.Context(), broken, from, to), store.ErrChanged, "half of it is done")
	require.NoError(t, signing.Reseal(t.Context(), p.db, from, to), "and is not done twice")

	_, err = signing.Open(t.Context(), p.config())
	require.ErrorIs(t, err, signing.ErrOtherSecret)
	require.NoError(t, os.WriteFile(p.file("secret"), bytes.Repeat([]byte("t"), 32), 0o600))
	again := p.open(t)
	require.Equal(t, k.List(), again.List())
	queues, err := p.db.Queues(t.Context())
	require.NoError(t, err)
	got, err := task.DecodeQueueSettings(queues[0].Settings)
	require.NoError(t, err)
	require.Equal(t, time.Minute, got.Timeout)
	require.Equal(t, webhooks.Names(), got.Webhooks.Names())
	opened, err := again.Webhooks(got.Webhooks)
	require.NoError(t, err)
	require.Equal(t, secret, opened[0].Secret())
}
