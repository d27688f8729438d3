package testkit

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// PgBouncer puts a pooler in transaction mode in front of the database at dsn
// and returns the URL to use instead. It ends with the test.
func PgBouncer(t testing.TB, dsn string) string {
	t.Helper()
	bin, err := exec.LookPath("/usr/sbin/pgbouncer")
	if err != nil {
		if bin, err = exec.LookPath("pgbouncer"); err != nil {
			missing(t, "PgBouncer")
		}
	}
	target, err := url.Parse(dsn)
	if err != nil {
		t.Fatalf("not a URL: %v", err)
	}
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	login := "user=" + target.User.Username()
	if password, ok := target.User.Password(); ok {
		login += " password='" + password + "'"
	}
	database := strings.TrimPrefix(target.Path, "/")
	config := fmt.Sprintf(`[databases]
%s = host=%s port=%s dbname=%s %s
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 8
max_client_conn = 500
ignore_startup_parameters = extra_float_digits
log_connections = 0
log_disconnections = 0
log_stats = 0
`, database, target.Hostname(), target.Port(), database, login, port)

	dir, err := os.MkdirTemp("", "sendoff-pgbouncer-") // t.TempDir cannot be entered by another user
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	file := filepath.Join(dir, "pgbouncer.ini")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cred := unprivileged()
	if cred != nil {
		for _, path := range []string{dir, file} {
			if err := os.Chown(path, int(cred.Uid), int(cred.Gid)); err != nil {
				t.Fatal(err)
			}
		}
	}
	cmd := exec.Command(bin, "-q", file)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start PgBouncer: %v", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	target.Host = fmt.Sprintf("127.0.0.1:%d", port)
	waitFor(t, target.String())
	return target.String()
}

func waitFor(t testing.TB, dsn string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, dsn)
		if err == nil {
			_ = conn.Close(ctx)
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("PgBouncer does not answer: %v", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
