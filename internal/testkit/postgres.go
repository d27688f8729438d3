// Package testkit starts the servers that tests need: PostgreSQL and PgBouncer.
// Nothing is downloaded; what is not installed is skipped at the desk and an
// error in CI.
package testkit

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sendoff-dev/sendoff/store/postgres"
)

// Postgres returns the URL of a fresh database with all migrations applied. It
// is dropped when the test ends.
//
// The server is the one that SENDOFF_TEST_POSTGRES names, a postgres:// URL of
// a role that may create databases. Without it a private server is started, which all
// test binaries of one "go test" share and which ends with the last of them.
func Postgres(t testing.TB) string {
	t.Helper()
	return clone(t, template(t))
}

// EmptyPostgres returns the URL of a fresh database without tables.
func EmptyPostgres(t testing.TB) string {
	t.Helper()
	return clone(t, "template1")
}

var server = sync.OnceValues(func() (string, error) {
	if dsn := os.Getenv("SENDOFF_TEST_POSTGRES"); dsn != "" {
		return dsn, nil
	}
	return startShared()
})

func serverURL(t testing.TB) string {
	t.Helper()
	dsn, err := server()
	if errors.Is(err, exec.ErrNotFound) {
		missing(t, "PostgreSQL")
	}
	if err != nil {
		t.Fatalf("start PostgreSQL: %v", err)
	}
	return dsn
}

func missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is not installed", what)
	}
	t.Skipf("%s is not installed", what)
}

var templates sync.Mutex

// template makes the database that tests get copies of, once for each set of
// migrations.
func template(t testing.TB) string {
	t.Helper()
	templates.Lock()
	defer templates.Unlock()
	base := serverURL(t)
	name := "sendoff_template_" + migrationsHash(t)
	ctx := t.Context()
	conn := connect(t, base)
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	must(t, conn, "select pg_advisory_lock(73656)") // other test binaries
	var there bool
	if err := conn.QueryRow(ctx, "select exists (select from pg_database where datname = $1)", name).Scan(&there); err != nil {
		t.Fatalf("look for the template: %v", err)
	}
	if there {
		return name
	}
	must(t, conn, "drop database if exists "+name+"_new with (force)")
	must(t, conn, "create database "+name+"_new")
	if err := postgres.Migrate(ctx, withDatabase(t, base, name+"_new"), nil); err != nil {
		t.Fatalf("migrate the template: %v", err)
	}
	must(t, conn, "alter database "+name+"_new rename to "+name)
	return name
}

func migrationsHash(t testing.TB) string {
	t.Helper()
	h := sha256.New()
	err := fs.WalkDir(postgres.Migrations(), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := fs.ReadFile(postgres.Migrations(), path)
		h.Write(b)
		return err
	})
	if err != nil {
		t.Fatalf("read migrations: %v", err)
	}
	return hex.EncodeToString(h.Sum(nil)[:6])
}

func clone(t testing.TB, from string) string {
	t.Helper()
	base := serverURL(t)
	var random [6]byte
	_, _ = rand.Read(random[:])
	name := "sendoff_test_" + hex.EncodeToString(random[:])
	conn := connect(t, base)
	must(t, conn, "create database "+name+" template "+from)
	_ = conn.Close(t.Context())
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 20*time.Second)
		defer cancel()
		conn, err := pgx.Connect(ctx, base)
		if err != nil {
			return // the server is gone, and the database with it
		}
		defer func() { _ = conn.Close(ctx) }()
		if _, err := conn.Exec(ctx, "drop database if exists "+name+" with (force)"); err != nil {
			t.Errorf("drop the test database: %v", err)
		}
	})
	return withDatabase(t, base, name)
}

func connect(t testing.TB, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatalf("connect to the test server: %v", err)
	}
	return conn
}

func must(t testing.TB, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func withDatabase(t testing.TB, dsn, name string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatalf("SENDOFF_TEST_POSTGRES must be a postgres:// URL: %v", err)
	}
	u.Path = "/" + name
	return u.String()
}

// sharedServer runs under sh and outlives the process that started it: it waits
// until no test binary holds the lock on the file users any more, then stops
// the server and removes the directory. The file goes last: a binary that starts
// meanwhile waits for its lock, and does not move in among what is being removed.
const sharedServer = `
dir=$1 bin=$2 port=$3
[ -d "$dir/data" ] || "$bin/initdb" -D "$dir/data" -U postgres -A trust -E UTF8 --locale=C --no-sync >/dev/null || exit 1
"$bin/postgres" -D "$dir/data" -p "$port" -h 127.0.0.1 -k "" \
 -c shared_buffers=1GB -c max_wal_size=8GB -c max_connections=300 -c log_min_messages=fatal &
server=$!
flock -x "$dir/users" sh -c '
 kill -INT "$1"
 while kill -0 "$1" 2>/dev/null; do sleep 0.05; done
 find "$2" -mindepth 1 -maxdepth 1 ! -name users -exec rm -rf {} +
 rm "$2/users"; rmdir "$2"' sh $server "$dir" &
wait $server
`

// users keeps the lock that keeps the shared server alive.
var users *os.File

func startShared() (string, error) {
	bin, err := postgresBin()
	if err != nil {
		return "", err
	}
	if _, err := exec.LookPath("flock"); err != nil {
		return "", err
	}
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("sendoff-postgres-%d-%d", os.Getuid(), os.Getppid()))
	for users == nil {
		if users, err = join(dir); err != nil {
			return "", err
		}
	}
	starting, err := lockFile(filepath.Join(dir, "start"), syscall.LOCK_EX)
	if err != nil {
		return "", err
	}
	defer func() { _ = starting.Close() }()
	if b, err := os.ReadFile(filepath.Join(dir, "url")); err == nil {
		return string(b), nil
	}
	dsn, err := start(dir, bin)
	for range 3 { // somebody else may have taken the port meanwhile
		if err == nil {
			break
		}
		dsn, err = start(dir, bin)
	}
	if err != nil {
		return "", err
	}
	return dsn, os.WriteFile(filepath.Join(dir, "url"), []byte(dsn), 0o600)
}

// join counts this process among the users; nil when the directory was just
// being removed.
func join(dir string) (*os.File, error) {
	if err := os.Mkdir(dir, 0o755); err == nil {
		if cred := unprivileged(); cred != nil {
			_ = os.Chown(dir, int(cred.Uid), int(cred.Gid))
		}
	} else if !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	path := filepath.Join(dir, "users")
	f, err := lockFile(path, syscall.LOCK_SH)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	mine, err := f.Stat()
	if now, statErr := os.Stat(path); err != nil || statErr != nil || !os.SameFile(mine, now) {
		_ = f.Close()
		return nil, nil
	}
	return f, nil
}

func lockFile(path string, how int) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o666)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), how); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

func start(dir, bin string) (string, error) {
	port, err := freePort()
	if err != nil {
		return "", err
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return "", err
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command("sh", "-c", sharedServer, "sh", dir, bin, strconv.Itoa(port))
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: unprivileged()}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	dsn := fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres?sslmode=disable", port)
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		conn, err := pgx.Connect(context.Background(), dsn)
		if err == nil {
			return dsn, conn.Close(context.Background())
		}
		if ended, _ := syscall.Wait4(cmd.Process.Pid, nil, syscall.WNOHANG, nil); ended != 0 {
			b, _ := os.ReadFile(log.Name())
			return "", fmt.Errorf("the server did not start: %s", b)
		}
		if time.Now().After(deadline) {
			return "", fmt.Errorf("the server does not answer: %w", err)
		}
	}
}

// postgresBin finds the server's programs; exec.ErrNotFound when there are none.
func postgresBin() (string, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if len(found) > 0 {
		return filepath.Dir(found[len(found)-1]), nil
	}
	path, err := exec.LookPath("postgres")
	if err != nil {
		return "", exec.ErrNotFound
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return "", err
	}
	return filepath.Dir(path), nil
}

// unprivileged is whom servers run as when the tests run as root, which they
// refuse; nil = as ourselves.
func unprivileged() *syscall.Credential {
	if os.Getuid() != 0 {
		return nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, _ := strconv.ParseUint(u.Uid, 10, 32)
		gid, _ := strconv.ParseUint(u.Gid, 10, 32)
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	return nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port, nil
}
