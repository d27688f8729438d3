package access_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/access"
	"github.com/sendoff-dev/sendoff/internal/auth"
)

// TestASessionHoldsAsLongAsItIsUsed: two hours without a question, twelve in all.
func TestASessionHoldsAsLongAsItIsUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ring, db := newRing(t)
		k := put(t, db, "ada", auth.Read, 0)
		require.NoError(t, ring.Refresh(t.Context()))
		keys := ring.With([]string{"given"}, false)
		_, err := keys.SignOn("wrong")
		require.ErrorIs(t, err, access.ErrUnknown)
		_, err = keys.SignOn("")
		require.ErrorIs(t, err, access.ErrUnknown)

		token, err := keys.SignOn(k.Text)
		require.NoError(t, err)
		require.NotContains(t, token, k.Text)
		who, renewed, err := keys.SignedOn(token)
		require.NoError(t, err)
		require.Equal(t, auth.Principal{KeyID: k.ID, Name: "ada", NamespaceID: 1, Namespace: "default", Scopes: auth.Read}, who)
		require.Empty(t, renewed, "it is new")

		began := time.Now()
		for range 100 {
			time.Sleep(90 * time.Minute)
			if _, renewed, err = keys.SignedOn(token); err != nil {
				break
			}
			require.NotEmpty(t, renewed)
			token = renewed
		}
		require.ErrorIs(t, err, access.ErrUnknown)
		require.InDelta(t, 12*time.Hour, time.Since(began), float64(90*time.Minute))

		given, err := keys.SignOn("given")
		require.NoError(t, err)
		who, _, err = keys.SignedOn(given)
		require.NoError(t, err)
		require.Equal(t, auth.Admin, who.Scopes)
		_, _, err = ring.With([]string{"another"}, false).SignedOn(given)
		require.ErrorIs(t, err, access.ErrUnknown, "another server was not given that key")
		_, _, err = ring.With([]string{"given"}, false).SignedOn(given)
		require.NoError(t, err, "another node was")
		time.Sleep(2*time.Hour + time.Second)
		_, _, err = keys.SignedOn(given)
		require.ErrorIs(t, err, access.ErrUnknown, "nobody asked for two hours")
	})
}

func TestASessionEndsWithItsKeyAndIsNotMade(t *testing.T) {
	ring, db := newRing(t)
	k := put(t, db, "ada", auth.Read, 0)
	other := put(t, db, "bob", auth.Admin, 0)
	require.NoError(t, ring.Refresh(t.Context()))
	keys := ring.With(nil, false)
	token, err := keys.SignOn(k.Text)
	require.NoError(t, err)
	theirs, err := keys.SignOn(other.Text)
	require.NoError(t, err)

	parts, others := strings.Split(token, "."), strings.Split(theirs, ".")
	for i := range parts { // a part of another one, or none
		mixed := append([]string(nil), parts...)
		mixed[i] = others[i]
		if strings.Join(mixed, ".") != token {
			_, _, err = keys.SignedOn(strings.Join(mixed, "."))
			require.ErrorIs(t, err, access.ErrUnknown, "part %d", i)
		}
		mixed[i] = ""
		_, _, err = keys.SignedOn(strings.Join(mixed, "."))
		require.ErrorIs(t, err, access.ErrUnknown, "without part %d", i)
	}
	for _, made := range []string{"", ".", "....", strings.Repeat("a", 600), strings.ToUpper(token)} {
		_, _, err = keys.SignedOn(made)
		require.ErrorIs(t, err, access.ErrUnknown, made)
	}
	require.NoError(t, db.RevokeAPIKey(t.Context(), 0, k.ID))
	require.NoError(t, ring.Refresh(t.Context()))
	_, _, err = keys.SignedOn(token)
	require.ErrorIs(t, err, access.ErrUnknown)
}
