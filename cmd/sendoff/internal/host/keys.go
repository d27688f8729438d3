package host

import (
	"context"
	"crypto/ed25519"
	"errors"
	"io/fs"
	"log/slog"
	"os/user"

	"github.com/sendoff-dev/sendoff/internal/httpsig"
	"github.com/sendoff-dev/sendoff/internal/seal"
	"github.com/sendoff-dev/sendoff/internal/signing"
	"github.com/sendoff-dev/sendoff/store"
)

// ErrNoKeys says that there are no signing keys yet.
var ErrNoKeys = errors.New("there are no signing keys: the server makes them when it starts")

// SigningDocument reads the sealed keys of a database, whether servers run on it or not; nil
// when they are not there, or the database is not.
func (s *Settings) SigningDocument(ctx context.Context) (*signing.Document, error) {
	if s.DB.missing() {
		return nil, nil
	}
	db, err := Administer(ctx, s.DB.DSN)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	doc, err := db.Sealed(ctx, store.SigningKeys)
	if err != nil || doc == nil {
		return nil, err
	}
	return signing.ReadDocument(doc)
}

// WithSigningKeys calls fn with the keys of a database, opened by the secret, and with what
// records an action. ErrNoKeys.
func (s *Settings) WithSigningKeys(ctx context.Context, fn func(*signing.Keys) error) error {
	return s.withSealed(ctx, func(db Administration, _ []byte) error {
		keys, err := signing.Open(ctx, signing.Config{Store: db, SecretFile: s.SecretPath(), KeysFile: s.KeysPath(), Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			return err
		}
		return fn(keys)
	})
}

// withSealed calls fn with a database and its document of signing keys. ErrNoKeys.
func (s *Settings) withSealed(ctx context.Context, fn func(db Administration, doc []byte) error) error {
	if s.DB.missing() {
		return ErrNoKeys
	}
	db, err := Administer(ctx, s.DB.DSN)
	if err != nil {
		return err
	}
	defer db.Close()
	doc, err := db.Sealed(ctx, store.SigningKeys)
	if err != nil || doc == nil {
		return errors.Join(err, ErrNoKeys)
	}
	return fn(db, doc)
}

// ForgetSigningKeys takes the keys out of a database. ErrNoKeys.
func (s *Settings) ForgetSigningKeys(ctx context.Context) error {
	return s.withSealed(ctx, func(db Administration, doc []byte) error {
		return db.SetSealed(Recorded(ctx, "reset-signing-keys", ""), store.SigningKeys, doc, nil)
	})
}

// ResealSigningKeys seals everything under another secret, which is made where the file is
// not there. ErrNoKeys.
func (s *Settings) ResealSigningKeys(ctx context.Context, file string) error {
	return s.withSealed(ctx, func(db Administration, _ []byte) error {
		from, err := seal.ReadFile(s.SecretPath())
		if err != nil {
			return err
		}
		if err := seal.MakeFile(file); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		to, err := seal.ReadFile(file)
		if err != nil {
			return err
		}
		return signing.Reseal(Recorded(ctx, "reseal-signing-keys", ""), db, from, to)
	})
}

// VerificationKey is the public key that verifies what the server of these settings signs. Keys
// are made where there are none.
func (s *Settings) VerificationKey(ctx context.Context) (ed25519.PublicKey, error) {
	if s.SecretPath() == "" {
		keys, err := httpsig.LoadKeys(s.KeysPath())
		if err != nil {
			return nil, err
		}
		return keys.Public()[keys.ID()], nil
	}
	db, err := Administer(ctx, s.DB.DSN)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	keys, err := signing.Open(ctx, signing.Config{Store: db, SecretFile: s.SecretPath(), KeysFile: s.KeysPath()})
	if err != nil {
		return nil, err
	}
	return keys.List()[0].Public, nil
}

// Recorded returns a context in which an action is recorded as done on the database.
func Recorded(ctx context.Context, action, target string) context.Context {
	row := store.AuditRow{Name: "--db", Action: action, Target: target}
	if u, err := user.Current(); err == nil {
		row.Name = "--db by " + u.Username
	}
	ctx, _ = store.WithAudit(ctx, row)
	return ctx
}
