package access

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"github.com/sendoff-dev/sendoff/internal/auth"
)

// How long somebody who has signed on with a key stays so.
const (
	sessionIdle = 2 * time.Hour  // without asking for anything
	sessionMost = 12 * time.Hour // in all
	renewAfter  = 5 * time.Minute
)

// session is what a token says: whose it is, since when, and until when it holds.
type session struct {
	key          string // id of the key; "given:" and a part of the hash, of one that is not stored
	began, until int64  // seconds of Unix time
	text         string // the token without its seal
}

// SignOn returns a token for somebody who has a key, good for two hours, or ErrUnknown.
// Every node that knows the key takes it; it ends with the key.
func (k *Keyring) SignOn(key string) (string, error) {
	who, err := k.Authorize(key)
	if err != nil {
		return "", err
	}
	id := who.KeyID
	if id == "" {
		id = givenID(auth.HashKey(key))
	}
	return k.seal(id, k.seconds())
}

// SignedOn tells who has a token, and another one that holds for longer, if it is time for
// that. ErrUnknown.
func (k *Keyring) SignedOn(token string) (who auth.Principal, renewed string, err error) {
	s, seal, ok := parseSession(token)
	if !ok {
		return who, "", ErrUnknown
	}
	who, sum, ok := k.byID(s.key)
	now := k.seconds()
	if !ok || !hmac.Equal(seal, sealOf(sum, s.text)) || now >= s.until {
		return auth.Principal{}, "", ErrUnknown
	}
	if now >= s.until-int64((sessionIdle-renewAfter)/time.Second) {
		renewed, err = k.seal(s.key, s.began)
	}
	return who, renewed, err
}

// seal makes a token. Its secret is made of the hash of the key, which every node knows and
// nobody else.
func (k *Keyring) seal(id string, began int64) (string, error) {
	_, sum, ok := k.byID(id)
	if !ok {
		return "", ErrUnknown
	}
	until := min(k.seconds()+int64(sessionIdle/time.Second), began+int64(sessionMost/time.Second))
	text := strings.Join([]string{base64.RawURLEncoding.EncodeToString([]byte(id)), strconv.FormatInt(began, 36), strconv.FormatInt(until, 36), rand.Text()}, ".")
	return text + "." + base64.RawURLEncoding.EncodeToString(sealOf(sum, text)), nil
}

func sealOf(sum hash, text string) []byte {
	mac := hmac.New(sha256.New, sum[:])
	mac.Write([]byte("session of the console\n" + text))
	return mac.Sum(nil)
}

func parseSession(token string) (s session, seal []byte, ok bool) {
	cut := strings.LastIndexByte(token, '.')
	if cut < 0 || len(token) > 500 {
		return s, nil, false
	}
	s.text = token[:cut]
	parts := strings.Split(s.text, ".")
	if len(parts) != 4 {
		return s, nil, false
	}
	id, err := base64.RawURLEncoding.DecodeString(parts[0])
	began, err2 := strconv.ParseInt(parts[1], 36, 64)
	until, err3 := strconv.ParseInt(parts[2], 36, 64)
	seal, err4 := base64.RawURLEncoding.DecodeString(token[cut+1:])
	s.key, s.began, s.until = string(id), began, until
	return s, seal, err == nil && err2 == nil && err3 == nil && err4 == nil
}

// byID finds a key that holds, and its hash.
func (k *Keyring) byID(id string) (auth.Principal, hash, bool) {
	for sum := range k.given {
		if givenID(sum) == id {
			return given(), sum, true
		}
	}
	for sum, e := range k.ring.held.Load().keys {
		if e.who.KeyID == id && (e.expires == 0 || k.ring.cfg.Store.Now() < e.expires) {
			return e.who, sum, true
		}
	}
	return auth.Principal{}, hash{}, false
}

// given is whoever has a key that the server was started with.
func given() auth.Principal {
	return auth.Principal{Name: "--api-keys", Namespace: auth.DefaultNamespace, Scopes: auth.Admin}
}

func givenID(sum hash) string { return "given:" + hex.EncodeToString(sum[:8]) }

func (k *Keyring) seconds() int64 { return k.ring.cfg.Store.Now() / 1e6 }
