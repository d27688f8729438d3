package host

import (
	"cmp"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/task"
)

// Settings are the flags of serve, in sections. Each is also a variable
// SENDOFF_... and a key of the file that Config names, where a section with a
// prefix may stand as a map: push: {slots: 100} is push_slots: 100.
type Settings struct {
	Config string `env:"SENDOFF_CONFIG" placeholder:"FILE" help:"YAML file of these settings, such as push_slots: 100"`

	Listen    Listen    `embed:"" group:"Listen"`
	DB        DB        `embed:"" group:"Database"`
	Node      Node      `embed:"" group:"Node"`
	Push      Push      `embed:"" prefix:"push-" group:"Push"`
	Function  Function  `embed:"" prefix:"function-" group:"Function"`
	Apps      Apps      `embed:"" group:"Function"`
	Process   Process   `embed:"" prefix:"process-" group:"Process"`
	Outbound  Outbound  `embed:"" group:"Outbound"`
	Retention Retention `embed:"" prefix:"retention-" group:"Retention"`
	Log       Log       `embed:"" prefix:"log-" group:"Log"`
	Debug     Debug     `embed:"" group:"Log"`
	Traces    Traces    `embed:"" group:"Log"`
	Alerts    Alerts    `embed:"" prefix:"alert-" group:"Alert"`
}

// Listen is where the server listens, and to whom.
type Listen struct {
	Addr      string   `name:"listen" default:"127.0.0.1:4450" env:"SENDOFF_LISTEN" placeholder:"HOST:PORT" help:"Address to listen on; beyond this machine only with API keys."`
	APIKeys   []string `name:"api-keys" env:"SENDOFF_API_KEYS" placeholder:"KEY" help:"Keys that clients must send. Prefer the variable: others can read arguments."`
	AllowHost []string `name:"allow-host" env:"SENDOFF_ALLOW_HOST" placeholder:"NAME" help:"Host name that requests may ask for, besides those of this machine."`

	TLSCert string `name:"tls-cert" env:"SENDOFF_TLS_CERT" placeholder:"FILE" help:"Certificate to be reached by HTTPS, PEM, with those that vouch for it after it. Read again when it changes."`
	TLSKey  string `name:"tls-key" env:"SENDOFF_TLS_KEY" placeholder:"FILE" help:"Its private key, PEM."`

	OpenDoor     []string `name:"open-door" env:"SENDOFF_OPEN_DOOR" placeholder:"DOOR=NETWORK" help:"Admit a network without a key, to create tasks only: dispatchr=10.0.0.0/8. Doors are api, dispatch and dispatchr."`
	TrustedProxy []string `name:"trusted-proxy" env:"SENDOFF_TRUSTED_PROXY" placeholder:"NETWORK" help:"Proxies whose X-Forwarded-For, and --trust-header, are believed."`
	TrustHeader  []string `name:"trust-header" env:"SENDOFF_TRUST_HEADER" placeholder:"HEADER:VALUE=SCOPE+SCOPE" help:"What whoever a trusted proxy has signed on may do: X-Auth-Groups:ops=read+operate; * is any value."`
	TrustUser    string   `name:"trust-user" default:"X-Forwarded-User" env:"SENDOFF_TRUST_USER" placeholder:"HEADER" help:"Header in which a trusted proxy names who it is, for the audit."`

	BasePath string `name:"base-path" env:"SENDOFF_BASE_PATH" placeholder:"/PATH" help:"Where everything is on its host, behind a proxy: links of the console lead there."`

	Console string `default:"on" enum:"on,read,off" env:"SENDOFF_CONSOLE" help:"The pages for a browser at /: on; read: to look at only; off."`
}

// Node is what this server does among those that share a database.
type Node struct {
	Roles []string      `default:"${roles}" enum:"${roles}" env:"SENDOFF_ROLES" help:"What this server does (${enum})."`
	Grace time.Duration `default:"${grace}" env:"SENDOFF_GRACE" help:"Time for pushes under way to end when the server stops."`
}

// Push is for tasks that are pushed.
type Push struct {
	Slots int `default:"${push_slots}" env:"SENDOFF_PUSH_SLOTS" placeholder:"N" help:"Pushes under way at a time."`
}

// Function is for durable functions.
type Function struct {
	Slots int `default:"${function_slots}" env:"SENDOFF_FUNCTION_SLOTS" placeholder:"N" help:"Runs of durable functions under way at a time."`
	Floor int `default:"${function_floor}" env:"SENDOFF_FUNCTION_FLOOR" placeholder:"N" help:"Runs of durable functions that one host gets at a time at least, however badly they go."`
}

// Apps is how apps with durable functions are understood.
type Apps struct {
	StrictStatus bool     `env:"SENDOFF_STRICT_STATUS" help:"401, 403 and 404 of a function's endpoint end the call, as with Dispatch. Otherwise the endpoint is left alone for a while."`
	KeepState    []string `env:"SENDOFF_KEEP_STATE" placeholder:"HOST" help:"Endpoints whose functions are not begun again when their app cannot read their state any more; * = all."`
}

// Outbound is what may be called, and how it is signed.
type Outbound struct {
	AllowEgress []string `env:"SENDOFF_ALLOW_EGRESS" placeholder:"CIDR|HOST" help:"Private networks and hosts that may be called. Loopback is, while we listen there only."`
	SecretFile  string   `env:"SENDOFF_SECRET_FILE" placeholder:"FILE" help:"Secret under which the keys that sign are sealed in the database, for all nodes; made with the first keys. Default: the SQLite file with .secret added; with PostgreSQL none, the keys are in a file."`
	KeysFile    string   `env:"SENDOFF_KEYS_FILE" placeholder:"FILE" help:"Keys that sign, in a file of this node, made when missing; with a secret file it is imported once. Default: the SQLite file with .keys added, or ./sendoff.keys."`
	WebhookV1a  bool     `name:"webhook-v1a" env:"SENDOFF_WEBHOOK_V1A" help:"Sign pushes after Standard Webhooks v1a as well, which receivers verify with a public key."`
	Unsigned    bool     `env:"SENDOFF_UNSIGNED" help:"Do not sign pushes."`

	EgressProxy string   `env:"SENDOFF_EGRESS_PROXY" placeholder:"URL" help:"Proxy that apps are called through: http, https or socks5. It decides what names may be reached."`
	NoProxy     []string `env:"SENDOFF_NO_PROXY" placeholder:"HOST|CIDR" help:"What is called without the proxy. This machine always is."`
	EgressCA    string   `name:"egress-ca" env:"SENDOFF_EGRESS_CA" placeholder:"FILE" help:"Authorities that vouch for apps besides those of this machine, PEM."`
	EgressCert  string   `env:"SENDOFF_EGRESS_CERT" placeholder:"FILE" help:"Certificate for apps that ask for one, PEM. Read again when it changes."`
	EgressKey   string   `env:"SENDOFF_EGRESS_KEY" placeholder:"FILE" help:"Its private key, PEM."`
}

// Retention is how long ended tasks are kept.
type Retention struct {
	Succeeded time.Duration  `default:"${retention_succeeded}" env:"SENDOFF_RETENTION_SUCCEEDED" help:"How long succeeded tasks are kept; 0: they go at once, with the next sweep."`
	Failed    time.Duration  `default:"${retention_failed}" env:"SENDOFF_RETENTION_FAILED" help:"How long failed tasks are kept."`
	Canceled  *time.Duration `placeholder:"DURATION" env:"SENDOFF_RETENTION_CANCELED" help:"How long canceled tasks are kept. Default: as succeeded ones."`
}

// Log is what is logged to stderr.
type Log struct {
	Format string `default:"json" enum:"json,text" env:"SENDOFF_LOG_FORMAT" help:"Format of the log on stderr (${enum})."`
	Level  string `default:"info" enum:"debug,info,warn,error" env:"SENDOFF_LOG_LEVEL" help:"Least level that is logged (${enum})."`
}

// Vars are the defaults that are the engine's, for the flags of Settings.
func Vars() kong.Vars {
	d := engine.Defaults()
	roles := make([]string, len(d.Roles))
	for i, r := range d.Roles {
		roles[i] = string(r)
	}
	return kong.Vars{
		"roles": strings.Join(roles, ","), "grace": span(d.Grace),
		"push_slots": strconv.Itoa(d.PushSlots), "function_slots": strconv.Itoa(d.FunctionSlots), "function_floor": strconv.Itoa(d.FunctionFloor),
		"retention_succeeded": span(d.Retention.Succeeded), "retention_failed": span(d.Retention.Failed),
	}
}

// span is a duration as people write it: 24h, not 24h0m0s.
func span(d time.Duration) string {
	text := d.String()
	if s, ok := strings.CutSuffix(text, "m0s"); ok {
		text = s + "m"
	}
	if s, ok := strings.CutSuffix(text, "h0m"); ok {
		text = s + "h"
	}
	return text
}

// Defaults are those of serve without a flag, whatever the environment says.
func Defaults() Settings {
	var s Settings
	line := kong.Must(&s, Vars())
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
	if _, _, err := s.Listen.Resolve(); err != nil {
		return err
	}
	if _, err := s.Listen.Doors(false); err != nil {
		return err
	}
	if _, err := s.Listen.pair(nil); err != nil {
		return err
	}
	for _, check := range []func() error{s.DB.check, s.Node.check, s.Push.check, s.Function.check, s.Process.check, s.Outbound.check, s.Retention.check, s.Debug.check, s.Traces.check, s.Alerts.check} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// Resolve resolves the address and tells whether only this machine can reach it.
// Others may only with keys: see Guarded.
func (l *Listen) Resolve() (addr *net.TCPAddr, local bool, err error) {
	for _, k := range l.APIKeys {
		if k == "" || strings.ContainsAny(k, " \t") {
			return nil, false, term.Usage("SENDOFF_API_KEYS: a key is empty or contains blanks: want KEY,KEY,...")
		}
	}
	addr, err = net.ResolveTCPAddr("tcp", l.Addr)
	if err != nil {
		return nil, false, term.Usage("--listen %s: %w: want HOST:PORT, such as 127.0.0.1:4450", l.Addr, err)
	}
	ip, _ := netip.AddrFromSlice(addr.IP)
	local = ip.Unmap().IsLoopback()
	return addr, local, nil
}

var basePath = regexp.MustCompile(`^(/[A-Za-z0-9._~-]+)+/?$`)

// Doors is what stands before the doors, from the flags.
func (l *Listen) Doors(local bool) (engine.HandlerConfig, error) {
	cfg := engine.HandlerConfig{APIKeys: l.APIKeys, Hosts: l.hosts(), Local: local, TrustUser: l.TrustUser, Console: engine.Console(l.Console), BasePath: l.BasePath}
	if l.BasePath != "" && !basePath.MatchString(l.BasePath) {
		return cfg, term.Usage("--base-path is %q: want a path such as /sendoff, of letters, digits and -._~", l.BasePath)
	}
	for _, text := range l.OpenDoor {
		door, err := engine.ParseOpenDoor(text)
		if err != nil {
			return cfg, term.Usage("--open-door %w", err)
		}
		cfg.OpenDoors = append(cfg.OpenDoors, door)
	}
	for _, text := range l.TrustedProxy {
		network, err := engine.ParseNetwork(text)
		if err != nil {
			return cfg, term.Usage("--trusted-proxy %w", err)
		}
		cfg.TrustedProxies = append(cfg.TrustedProxies, network)
	}
	for _, text := range l.TrustHeader {
		trust, err := engine.ParseTrustHeader(text)
		if err != nil {
			return cfg, term.Usage("--trust-header %w", err)
		}
		cfg.TrustHeaders = append(cfg.TrustHeaders, trust)
	}
	if len(cfg.TrustHeaders) > 0 && len(cfg.TrustedProxies) == 0 {
		return cfg, term.Usage("--trust-header: from whom? anybody can send a header: name the proxy with --trusted-proxy NETWORK")
	}
	return cfg, nil
}

// told says at the start who comes in without a key.
func told(cfg *engine.HandlerConfig, log *slog.Logger) {
	for _, door := range cfg.OpenDoors {
		log.Warn("an open door: no key is needed", "for", door.String())
	}
	for _, proxy := range cfg.TrustedProxies {
		log.Info("a trusted proxy: its headers are believed", "network", proxy.String())
	}
}

// Guarded refuses to be reached from other machines where no key is needed. stored tells
// whether the database has keys.
func (l *Listen) Guarded(local, stored bool) error {
	if local || stored || len(l.APIKeys) > 0 || len(l.TrustHeader) > 0 {
		return nil
	}
	return term.Usage("--listen %s can be reached from other machines, and no API keys are set:\n"+
		"make one with sendoff api-keys create NAME --scope admin --db DATABASE, set SENDOFF_API_KEYS=KEY[,KEY...], or listen on 127.0.0.1", l.Addr)
}

func (n *Node) check() error {
	if n.Grace < 0 {
		return term.Usage("--grace %s: want a duration such as 25s", n.Grace)
	}
	return nil
}

func (p *Push) check() error {
	if p.Slots < 1 || p.Slots > 100_000 {
		return term.Usage("--push-slots %d: want 1 to 100000", p.Slots)
	}
	return nil
}

func (f *Function) check() error {
	switch {
	case f.Slots < 0 || f.Slots > 100_000:
		return term.Usage("--function-slots %d: want 1 to 100000, or 0 for the default", f.Slots)
	case f.Floor < 0 || f.Floor > 100_000:
		return term.Usage("--function-floor %d: want 1 to 100000, or 0 for the default", f.Floor)
	}
	return nil
}

func (o *Outbound) check() error {
	if o.Unsigned && o.KeysFile != "" {
		return term.Usage("--unsigned and --keys-file exclude each other")
	}
	if o.Unsigned && o.SecretFile != "" {
		return term.Usage("--unsigned and --secret-file exclude each other")
	}
	if _, err := o.egress(nil); err != nil {
		return err
	}
	return nil
}

func (r *Retention) check() error {
	if r.Succeeded < 0 || r.Failed < 0 || r.Canceled != nil && *r.Canceled < 0 {
		return term.Usage("--retention-succeeded, --retention-failed and --retention-canceled: want durations such as 24h, or 0")
	}
	return nil
}

func (r *Retention) kept() engine.Retention {
	kept := func(d time.Duration) time.Duration {
		if d == 0 {
			return task.NotKept
		}
		return d
	}
	k := engine.Retention{Succeeded: kept(r.Succeeded), Failed: kept(r.Failed), Canceled: kept(r.Succeeded)}
	if r.Canceled != nil {
		k.Canceled = kept(*r.Canceled)
	}
	return k
}

// SecretPath is the secret under which the signing keys are sealed in the database; "" =
// they are not there.
func (s *Settings) SecretPath() string {
	switch o := &s.Outbound; {
	case o.Unsigned:
		return ""
	case o.SecretFile != "":
		return o.SecretFile
	case o.KeysFile != "" || s.DB.Postgres():
		return ""
	default:
		return s.DB.DSN + ".secret"
	}
}

// KeysPath is the file with the signing keys, where they are not in the database, and the one
// that is imported, where they are; "" = nothing is signed.
func (s *Settings) KeysPath() string {
	switch {
	case s.Outbound.Unsigned:
		return ""
	case s.DB.Postgres():
		return cmp.Or(s.Outbound.KeysFile, "./sendoff.keys")
	default:
		return cmp.Or(s.Outbound.KeysFile, s.DB.DSN+".keys")
	}
}

// Logger logs in the format, and from the level on, that are set.
func (l *Log) Logger(w io.Writer) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(l.Level)); err != nil {
		level = slog.LevelInfo // the grammar knows the levels
	}
	opts := &slog.HandlerOptions{Level: level}
	if l.Format == "text" {
		return slog.New(slog.NewTextHandler(w, opts))
	}
	return slog.New(slog.NewJSONHandler(w, opts))
}
