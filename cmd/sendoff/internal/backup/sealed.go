package backup

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/host"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
)

// tellSealed says what a new database needs besides itself: the secret under which its signing
// keys are sealed. A server does not start on it without.
func tellSealed(ctx context.Context, t *term.Terminal, db string) {
	set := host.Settings{DB: host.DB{DSN: db}}
	d, err := set.SigningDocument(ctx)
	if err != nil || d == nil {
		return
	}
	if path := set.SecretPath(); path != "" {
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			return
		}
		t.Printf("\nIts signing keys are sealed: copy the secret file of the database that it comes from to %s, or name it with sendoff serve --secret-file.\n", path)
		return
	}
	t.Printf("\nIts signing keys are sealed: start its servers with --secret-file and the secret file of the database that it comes from.\n")
}
