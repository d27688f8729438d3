package host

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/store"
)

// Settings are the flags of serve, each also a variable SENDOFF_... and a key of
// the file that --config names.
type Settings struct {
	Listen    string   `default:"127.0.0.1:4450" env:"SENDOFF_LISTEN" placeholder:"HOST:PORT" help:"Address to listen on; beyond this machine only with API keys."`
	DB        string   `name:"db" default:"./sendoff.db" env:"SENDOFF_DB" placeholder:"FILE|URL" help:"SQLite file, or postgres:// URL."`
	ListenDSN string   `name:"listen-dsn" env:"SENDOFF_LISTEN_DSN" placeholder:"URL" help:"Direct postgres:// URL for LISTEN and migrations, when --db leads through a pooler."`
	Migrate   bool     `env:"SENDOFF_MIGRATE" help:"Bring a PostgreSQL database to this version first. SQLite files are always."`
	APIKeys   []string `name:"api-keys" env:"SENDOFF_API_KEYS" placeholder:"KEY" help:"Keys that clients must send. Prefer the variable: others can read arguments."`
	AllowHost []string `name:"allow-host" env:"SENDOFF_ALLOW_HOST" placeholder:"NAME" help:"Host name that requests may ask for, besides those of this machine."`

	Roles         []string      `default:"accept,execute,schedule" enum:"accept,execute,schedule" env:"SENDOFF_ROLES" help:"What this server does (${enum})."`
	PushSlots     int           `default:"256" env:"SENDOFF_PUSH_SLOTS" placeholder:"N" help:"Pushes under way at a time."`
	FunctionSlots int           `default:"256" env:"SENDOFF_FUNCTION_SLOTS" placeholder:"N" help:"Runs of durable functions under way at a time."`
	FunctionFloor int           `default:"1" env:"SENDOFF_FUNCTION_FLOOR" placeholder:"N" help:"Runs of durable functions that one host gets at a time at least, however badly they go."`
	Grace         time.Duration `default:"25s" env:"SENDOFF_GRACE" help:"Time for pushes under way to end when the server stops."`

	AllowEgress []string `env:"SENDOFF_ALLOW_EGRESS" placeholder:"CIDR|HOST" help:"Private networks and hosts that may be called. Loopback is, while we listen there only."`
	KeysFile    string   `env:"SENDOFF_KEYS_FILE" placeholder:"FILE" help:"Keys that sign pushes, made when missing. Default: the SQLite file with .keys added, or ./sendoff.keys."`
	Unsigned    bool     `env:"SENDOFF_UNSIGNED" help:"Do not sign pushes."`

	StrictStatus bool     `env:"SENDOFF_STRICT_STATUS" help:"401, 403 and 404 of a function's endpoint end the call, as with Dispatch. Otherwise the endpoint is left alone for a while."`
	KeepState    []string `env:"SENDOFF_KEEP_STATE" placeholder:"HOST" help:"Endpoints whose functions are not begun again when their app cannot read their state any more; * = all."`

	RetentionSucceeded time.Duration `default:"24h" env:"SENDOFF_RETENTION_SUCCEEDED" help:"How long succeeded and canceled tasks are kept."`
	RetentionFailed    time.Duration `default:"336h" env:"SENDOFF_RETENTION_FAILED" help:"How long failed tasks are kept."`

	LogFormat string `default:"json" enum:"json,text" env:"SENDOFF_LOG_FORMAT" help:"Format of the log on stderr (${enum})."`
	LogLevel  string `default:"info" enum:"debug,info,warn,error" env:"SENDOFF_LOG_LEVEL" help:"Least level that is logged (${enum})."`
	Config    string `env:"SENDOFF_CONFIG" placeholder:"FILE" help:"YAML file of these settings, such as push_slots: 100"`
}

// Defaults are those of serve without a flag, whatever the environment says.
func Defaults() Settings {
	var s Settings
	line := kong.Must(&s)
	for _, flag := range line.Model.Flags {
		flag.Envs, flag.Tag.Envs = nil, nil
	}
	if _, err := line.Parse(nil); err != nil {
		panic(err) // a default that is wrong
	}
	return s
}

// Check refuses what cannot work, with the fix.
func (s *Settings) Check() error {
	switch {
	case s.PushSlots < 1 || s.PushSlots > 100_000:
		return term.Usage("--push-slots %d: want 1 to 100000", s.PushSlots)
	case s.FunctionSlots < 0 || s.FunctionSlots > 100_000:
		return term.Usage("--function-slots %d: want 1 to 100000, or 0 for the default", s.FunctionSlots)
	case s.FunctionFloor < 0 || s.FunctionFloor > 100_000:
		return term.Usage("--function-floor %d: want 1 to 100000, or 0 for the default", s.FunctionFloor)
	case s.Grace < 0:
		return term.Usage("--grace %s: want a duration such as 25s", s.Grace)
	case s.RetentionSucceeded <= 0 || s.RetentionFailed <= 0:
		return term.Usage("--retention-succeeded and --retention-failed: want durations such as 24h")
	case s.ListenDSN != "" && !s.Postgres():
		return term.Usage("--listen-dsn belongs to a postgres:// database, and --db is %s", s.DB)
	case strings.Contains(s.DB, "://") && !s.Postgres():
		return term.Usage("--db %s: want a file path or a postgres:// URL", Redacted(s.DB))
	case s.Unsigned && s.KeysFile != "":
		return term.Usage("--unsigned and --keys-file exclude each other")
	}
	for _, k := range s.APIKeys {
		if k == "" || strings.ContainsAny(k, " \t") {
			return term.Usage("SENDOFF_API_KEYS: a key is empty or contains blanks: want KEY,KEY,...")
		}
	}
	return nil
}

// Postgres tells whether the database is a PostgreSQL one.
func (s *Settings) Postgres() bool {
	return strings.HasPrefix(s.DB, "postgres://") || strings.HasPrefix(s.DB, "postgresql://")
}

// KeysPath is where the signing keys are; "" = pushes are not signed.
func (s *Settings) KeysPath() string {
	switch {
	case s.Unsigned:
		return ""
	case s.Postgres():
		return cmp.Or(s.KeysFile, "./sendoff.keys")
	default:
		return cmp.Or(s.KeysFile, s.DB+".keys")
	}
}

// Addr resolves the listen address and tells whether only this machine can
// reach it. Others may only with keys.
func (s *Settings) Addr() (addr *net.TCPAddr, local bool, err error) {
	addr, err = net.ResolveTCPAddr("tcp", s.Listen)
	if err != nil {
		return nil, false, term.Usage("--listen %s: %w: want HOST:PORT, such as 127.0.0.1:4450", s.Listen, err)
	}
	ip, _ := netip.AddrFromSlice(addr.IP)
	local = ip.Unmap().IsLoopback()
	if !local && len(s.APIKeys) == 0 {
		return nil, false, term.Usage("--listen %s can be reached from other machines, and no API keys are set:\n"+
			"set SENDOFF_API_KEYS=KEY[,KEY...] (for instance to the output of: openssl rand -hex 24), or listen on 127.0.0.1", s.Listen)
	}
	return addr, local, nil
}

// Logger logs in the format, and from the level on, that are set.
func (s *Settings) Logger(w io.Writer) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(s.LogLevel)); err != nil {
		level = slog.LevelInfo // the grammar knows the levels
	}
	opts := &slog.HandlerOptions{Level: level}
	if s.LogFormat == "text" {
		return slog.New(slog.NewTextHandler(w, opts))
	}
	return slog.New(slog.NewJSONHandler(w, opts))
}

func (s *Settings) engineConfig(local bool, version string, m *engine.Metrics, log *slog.Logger) engine.Config {
	roles := make([]engine.Role, len(s.Roles))
	for i, r := range s.Roles {
		roles[i] = engine.Role(r)
	}
	return engine.Config{
		Roles: roles, PushSlots: s.PushSlots, FunctionSlots: s.FunctionSlots, FunctionFloor: s.FunctionFloor, StrictStatus: s.StrictStatus, KeepState: s.KeepState, Grace: max(s.Grace, time.Millisecond), KeysFile: s.KeysPath(), AllowEgress: s.AllowEgress, AllowLoopback: local,
		Retention: engine.Retention{Succeeded: s.RetentionSucceeded, Canceled: s.RetentionSucceeded, Failed: s.RetentionFailed},
		Version:   version, Metrics: m, Log: log,
	}
}

// Redacted hides the password of a URL.
func Redacted(dsn string) string {
	u, err := url.Parse(dsn)
	if err != nil {
		return "(a URL that cannot be read)"
	}
	if u.Scheme == "" {
		return dsn
	}
	q := u.Query()
	if q.Has("password") {
		q.Set("password", "xxxxx")
		u.RawQuery = q.Encode()
	}
	return u.Redacted()
}

// openError adds the fix to an error of opening the database.
func openError(err error) error {
	switch {
	case errors.Is(err, store.ErrInUse):
		return fmt.Errorf("%w\nstop the other server, or give this one a file of its own with --db FILE; several servers share a database with --db postgres://HOST/NAME", err)
	case errors.Is(err, store.ErrBroken):
		return fmt.Errorf("%w\nrestore a backup of the file, or see docs/operations.md for how to save what can be read", err)
	}
	return err
}
