package access_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/access"
	"github.com/sendoff-dev/sendoff/internal/auth"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/store/storetest"
)

func newRing(t testing.TB) (*access.Ring, *storetest.Shared) {
	db := storetest.NewShared(func() int64 { return time.Now().UnixMicro() })
	ring := access.NewRing(access.Config{Store: db})
	require.NoError(t, ring.Refresh(context.Background()))
	return ring, db
}

func put(t testing.TB, db store.Access, name string, scopes auth.Scope, expires int64) auth.Key {
	k := auth.NewKey()
	require.NoError(t, db.PutAPIKey(context.Background(), store.APIKey{ID: k.ID, Namespace: 1, Name: name, Hash: k.Hash[:], Scopes: int16(scopes), ExpiresAt: expires}))
	return k
}

// What is changed in the database counts within half a second, and what was used is
// written down within a minute, and at the end.
func TestARingFollowsTheDatabase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ring, db := newRing(t)
		ctx, stop := context.WithCancel(t.Context())
		over := make(chan error)
		go func() { over <- ring.Run(ctx) }()
		keys := ring.With(nil, false)
		p, err := keys.Authorize("")
		require.NoError(t, err)
		require.Equal(t, auth.Anybody(), p)

		k := put(t, db, "a", auth.Read|auth.Operate, 0)
		time.Sleep(500 * time.Millisecond)
		_, err = keys.Authorize("")
		require.ErrorIs(t, err, access.ErrUnknown)
		used := time.Now().UnixMicro()
		p, err = keys.Authorize(k.Text)
		require.NoError(t, err)
		require.Equal(t, auth.Principal{KeyID: k.ID, Name: "a", NamespaceID: 1, Namespace: "default", Scopes: auth.Read | auth.Operate}, p)
		lastUsed := func() int64 { all, _ := db.APIKeys(ctx); return all[0].LastUsedAt }
		require.Zero(t, lastUsed(), "not for every request")
		time.Sleep(61 * time.Second)
		require.Equal(t, used, lastUsed())

		require.NoError(t, db.RevokeAPIKey(ctx, 0, k.ID))
		time.Sleep(500 * time.Millisecond)
		_, err = keys.Authorize(k.Text)
		require.ErrorIs(t, err, access.ErrUnknown)
		short := put(t, db, "b", auth.Read, time.Now().Add(time.Second).UnixMicro())
		time.Sleep(500 * time.Millisecond)
		_, err = keys.Authorize(short.Text)
		require.NoError(t, err)
		time.Sleep(500 * time.Millisecond)
		_, err = keys.Authorize(short.Text)
		require.ErrorIs(t, err, access.ErrUnknown)
		stop()
		require.NoError(t, <-over)
		all, _ := db.APIKeys(t.Context())
		require.NotZero(t, all[1].LastUsedAt, "written down at the end")
	})
}

func TestGivenKeysAreAdminsAndCloseTheServer(t *testing.T) {
	ring, _ := newRing(t)
	keys := ring.With([]string{"old", "new"}, false)
	for _, key := range []string{"", "other", "ne", "new "} {
		_, err := keys.Authorize(key)
		require.ErrorIs(t, err, access.ErrUnknown, key)
	}
	p, err := keys.Authorize("old")
	require.NoError(t, err)
	require.Equal(t, auth.Principal{Name: "--api-keys", Namespace: "default", Scopes: auth.Admin}, p)
	_, err = ring.With(nil, true).Authorize("")
	require.ErrorIs(t, err, access.ErrUnknown)
}

func TestRefusalsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var rows []store.AuditRow
		fails := false
		put := func(_ context.Context, some []store.AuditRow) error {
			mu.Lock()
			defer mu.Unlock()
			if fails {
				return errors.New("no database")
			}
			rows = append(rows, some...)
			return nil
		}
		f := access.NewRefusals(put, slog.New(slog.DiscardHandler))
		ctx, stop := context.WithCancel(t.Context())
		over := make(chan error)
		go func() { over <- f.Run(ctx) }()
		for i := range 1000 {
			f.Add(store.AuditRow{Address: fmt.Sprintf("192.0.2.%d", i%100), Target: "GET /", Count: 1})
		}
		time.Sleep(1100 * time.Millisecond)
		locked := func(do func()) {
			mu.Lock()
			defer mu.Unlock()
			do()
		}
		locked(func() {
			require.Len(t, rows, 21)
			total := int64(0)
			for _, r := range rows {
				total += r.Count
			}
			require.EqualValues(t, 1000, total, "each is counted")
			rows, fails = nil, true
		})
		f.Add(store.AuditRow{Address: "a", Count: 1})
		time.Sleep(2 * time.Second)
		locked(func() { fails = false })
		f.Add(store.AuditRow{Address: "b", Count: 1})
		stop()
		require.NoError(t, <-over)
		require.Len(t, rows, 1, "the last ones are put at the end")
	})
}

// BenchmarkAuthorize is what a key costs a request.
func BenchmarkAuthorize(b *testing.B) {
	ring, db := newRing(b)
	var k auth.Key
	for i := range 1000 {
		k = put(b, db, fmt.Sprint(i), auth.Enqueue, 0)
	}
	require.NoError(b, ring.Refresh(context.Background()))
	keys := ring.With(nil, false)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := keys.Authorize(k.Text); err != nil {
			b.Fatal(err)
		}
	}
}
