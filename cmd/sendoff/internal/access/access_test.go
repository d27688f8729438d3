package access

import (
	"bytes"
	"context"
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/host"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
)

// A record that somebody changes in the file is named.
func TestAChangedRecordIsNamed(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "s.db")
	var out bytes.Buffer
	screen := term.New(&out, &out)
	for _, name := range []string{"a", "b", "c"} {
		create := createCmd{where: where{DB: path}, Name: name, Scope: []string{"read"}}
		require.NoError(t, create.Run(ctx, screen))
	}
	db, err := host.Administer(ctx, path)
	require.NoError(t, err)
	sealed, err := db.SealAudit(ctx, 100)
	require.NoError(t, err)
	require.Equal(t, 3, sealed)
	require.NoError(t, db.Close())
	verify := auditVerifyCmd{where{DB: path}}
	out.Reset()
	require.NoError(t, verify.Run(ctx, screen))
	require.Contains(t, out.String(), "3 records are as they were (0 of them not sealed yet)\nhead ")

	file, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	defer file.Close()
	_, err = file.ExecContext(ctx, `update audit set name = 'somebody else' where seq = 2`)
	require.NoError(t, err)
	require.ErrorContains(t, verify.Run(ctx, screen), "record 2 of the audit does not follow from row 1: it was changed, or rows between them were deleted or added")
	_, err = file.ExecContext(ctx, `delete from audit where seq <= 2`)
	require.NoError(t, err)
	require.ErrorContains(t, verify.Run(ctx, screen), "record 3 of the audit is the oldest")
}
