package sendoff

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	sendoffv1 "github.com/sendoff-dev/sendoff/gen/sendoff/v1"
	"github.com/sendoff-dev/sendoff/internal/durable"
)

// EndpointConfig says how durable functions are served. Every field may be left
// empty; then the environment is asked, where one is named, and then the
// default holds.
type EndpointConfig struct {
	// URL is where the server finds this endpoint: http, https, bridge, or embedded
	// in the engine of the same process. Default: DISPATCH_ENDPOINT_URL, then
	// http:// and Addr.
	URL string
	// Addr is what ListenAndServe listens on. Default: DISPATCH_ENDPOINT_ADDR, then
	// 127.0.0.1:8000.
	Addr string
	// ServerURL is the server, for what functions and their clients ask of it.
	// Default: DISPATCH_API_URL, SENDOFF_URL, then [DefaultURL]. Steps are put on
	// record while a function runs, and a function is told what comes while a step
	// runs, only when it is set in one of these ways, or there is an Engine.
	ServerURL string
	// APIKey is for the server. Default: DISPATCH_API_KEY, then SENDOFF_API_KEY.
	APIKey string
	// VerificationKey is the server's public key, as PEM or as the 32 bytes in
	// base64; several of them separated by commas are all accepted. Default:
	// DISPATCH_VERIFICATION_KEY.
	VerificationKey string
	// Development serves without a key: whoever reaches the endpoint may run its
	// functions. Without a key and without Development only this process and this
	// host are served, and only when the URL is on this host, a bridge or embedded.
	Development bool
	// Engine is an engine in this process, an *engine.Engine, that runs the functions
	// without a connection, and is their server unless ServerURL says otherwise. The URL
	// is embedded://NAME then, where each endpoint of an engine has a name of its own;
	// default embedded://app.
	Engine Engine
	// HTTPClient is used for requests to the server; default a plain one.
	HTTPClient *http.Client
	// WarmRuns is how many suspended runs stay in memory, ready to go on without a
	// replay; default 1,000, negative = none.
	WarmRuns int
	// WarmTTL is how long they stay; default 15 minutes.
	WarmTTL time.Duration
	// MaxBody is the largest request in bytes; default 16 MB.
	MaxBody int64
	// Build names the build of the app, for people.
	Build string
	// Logger gets what goes wrong; default slog.Default.
	Logger *slog.Logger
	// Now is the clock that signatures are checked by; default time.Now.
	Now func() time.Time
}

// Engine is what an endpoint needs of an engine in its process.
type Engine interface {
	// Embed has the engine run what h serves under embedded://NAME.
	Embed(name string, h http.Handler) error
	// Transport answers the requests of a client.
	Transport() http.RoundTripper
	// Checkpoint puts the end of steps on disk while a function runs. An error that is
	// task.ErrStale means that the attempt must end; so it does of Receive.
	Checkpoint(ctx context.Context, id string, token, offset int64, segment []byte) error
	// Receive tells what came for a function while its steps are under way.
	Receive(context.Context, *sendoffv1.ReceiveRequest) (*sendoffv1.ReceiveResponse, error)
}

const (
	defaultAddr     = "127.0.0.1:8000"
	defaultMaxBody  = 16_000_000
	defaultWarmRuns = 1000
)

// Endpoint serves durable functions to a server of Dispatch's protocol. It is an
// http.Handler for POST /dispatch.sdk.v1.FunctionService/Run, in protobuf and
// JSON, and may be mounted below any path. It is safe for concurrent use.
type Endpoint struct {
	config EndpointConfig
	url    string
	client *Client
	host   *durable.Host
	funcs  map[string]AnyFunction
	verify *runVerifier // nil = all are served, or those of this host
	local  bool         // only those of this host
	leave  func()       // ends its being embedded
	told   atomic.Int64 // when the log was told of a refusal last, seconds
}

// NewEndpoint makes an endpoint of functions. The error says what is wrong with
// the configuration, or that two functions have one name.
func NewEndpoint(config EndpointConfig, funcs ...AnyFunction) (*Endpoint, error) {
	e := &Endpoint{config: config, funcs: make(map[string]AnyFunction), leave: func() {}}
	configured := config.ServerURL != "" || config.HTTPClient != nil || config.Engine != nil || firstOf("DISPATCH_API_URL", "SENDOFF_URL") != ""
	if err := e.setup(); err != nil {
		return nil, fmt.Errorf("endpoint: %w", err)
	}
	e.host = &durable.Host{
		SDK: sdkVersion, Build: config.Build, Result: response, Site: callSite, Trace: traceFromEnvironment(),
		CacheSize: max(cmp.Or(config.WarmRuns, defaultWarmRuns), 0), CacheTTL: config.WarmTTL,
		Base: context.WithValue(context.Background(), endpointKey{}, e),
	}
	switch {
	case config.Engine != nil:
		e.host.Checkpoint = e.checkpointHere
	case configured:
		e.host.Checkpoint = e.checkpoint
	default:
		e.config.Logger.Info("sendoff: no server is configured (DISPATCH_API_URL, SENDOFF_URL or ServerURL): steps are put on record only when a function waits or ends")
	}
	if configured {
		e.host.Receive = e.receive
	}
	e.host.Open()
	for _, f := range funcs {
		if e.funcs[f.Name()] != nil {
			return nil, fmt.Errorf("endpoint: two functions are named %q", f.Name())
		}
		e.funcs[f.Name()] = f
	}
	if config.Engine != nil {
		if err := config.Engine.Embed(strings.TrimPrefix(e.url, embeddedScheme), e); err != nil {
			return nil, fmt.Errorf("endpoint: %w", err)
		}
		e.leave = sync.OnceFunc(func() { _ = config.Engine.Embed(strings.TrimPrefix(e.url, embeddedScheme), nil) })
	}
	for _, f := range funcs {
		f.bind(e)
	}
	return e, nil
}

func (e *Endpoint) setup() error {
	c := &e.config
	c.Addr = cmp.Or(c.Addr, firstOf("DISPATCH_ENDPOINT_ADDR"), defaultAddr)
	c.MaxBody = cmp.Or(c.MaxBody, defaultMaxBody)
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if err := c.embed(); err != nil {
		return err
	}
	e.url = cmp.Or(c.URL, firstOf("DISPATCH_ENDPOINT_URL"), "http://"+c.Addr)
	u, err := url.Parse(e.url)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "bridge" && u.Scheme != "embedded" {
		return fmt.Errorf("URL %q: want http://, https://, bridge:// or embedded://", e.url)
	}
	if e.client, err = clientFromEnvironment(c.ServerURL, c.APIKey, c.HTTPClient); err != nil {
		return err
	}
	keys, err := parseVerificationKeys(cmp.Or(c.VerificationKey, firstOf("DISPATCH_VERIFICATION_KEY")))
	if err != nil {
		return err
	}
	switch {
	case len(keys) > 0:
		e.verify = &runVerifier{keys: keys, now: c.Now, scheme: u.Scheme, authority: u.Host}
	case c.Development:
	case u.Scheme == "bridge", u.Scheme == "embedded", loopback(u.Host):
		e.local = true
	default:
		return fmt.Errorf("no verification key, so anybody who reaches %s could run its functions: set DISPATCH_VERIFICATION_KEY to the server's public key, or Development to accept that", e.url)
	}
	return nil
}

const embeddedScheme = "embedded://"

// embed fills in what follows from an engine in this process.
func (c *EndpointConfig) embed() error {
	if c.Engine == nil {
		return nil
	}
	c.URL = cmp.Or(c.URL, embeddedScheme+"app")
	if !strings.HasPrefix(c.URL, embeddedScheme) {
		return fmt.Errorf("URL %q: want %sNAME, as an engine in this process runs the functions", c.URL, embeddedScheme)
	}
	if c.ServerURL == "" && c.HTTPClient == nil {
		c.ServerURL, c.HTTPClient = "http://embedded", &http.Client{Transport: c.Engine.Transport()}
	}
	return nil
}

func loopback(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Close unwinds the functions that are suspended in memory, whose deferred
// functions run, and interrupts those that run; a server runs them elsewhere.
func (e *Endpoint) Close() {
	e.leave()
	e.host.Close()
}

// URL is where the server finds the endpoint.
func (e *Endpoint) URL() string { return e.url }

// Client talks to the endpoint's server.
func (e *Endpoint) Client() *Client { return e.client }
