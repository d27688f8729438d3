package sendoff

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
	"github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1/sdkv1connect"
	sendoffv1 "github.com/sendoff-dev/sendoff/gen/sendoff/v1"
	"github.com/sendoff-dev/sendoff/internal/durable"
	"github.com/sendoff-dev/sendoff/task"
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
	// runs, only when it is set in one of these ways.
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
	// Checkpoint is that of an engine in this process (engine.Engine.Checkpoint),
	// in place of requests to the server while a function runs.
	Checkpoint func(ctx context.Context, id string, token, offset int64, segment []byte) error
	// Receive is that of an engine in this process (engine.Engine.Receive), as is
	// Checkpoint: what came for a function while its steps are under way.
	Receive func(context.Context, *sendoffv1.ReceiveRequest) (*sendoffv1.ReceiveResponse, error)
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
	told   atomic.Int64 // when the log was told of a refusal last, seconds
}

// NewEndpoint makes an endpoint of functions. The error says what is wrong with
// the configuration, or that two functions have one name.
func NewEndpoint(config EndpointConfig, funcs ...AnyFunction) (*Endpoint, error) {
	e := &Endpoint{config: config, funcs: make(map[string]AnyFunction)}
	configured := config.ServerURL != "" || config.HTTPClient != nil || firstOf("DISPATCH_API_URL", "SENDOFF_URL") != ""
	if err := e.setup(); err != nil {
		return nil, fmt.Errorf("endpoint: %w", err)
	}
	e.host = &durable.Host{
		SDK: sdkVersion, Build: config.Build, Result: response, Site: callSite, Trace: traceFromEnvironment(),
		CacheSize: max(cmp.Or(config.WarmRuns, defaultWarmRuns), 0), CacheTTL: config.WarmTTL,
		Base: context.WithValue(context.Background(), endpointKey{}, e),
	}
	switch {
	case config.Checkpoint != nil:
		e.host.Checkpoint = e.checkpointHere
	case configured:
		e.host.Checkpoint = e.checkpoint
	default:
		e.config.Logger.Info("sendoff: no server is configured (DISPATCH_API_URL, SENDOFF_URL or ServerURL): steps are put on record only when a function waits or ends")
	}
	if configured || config.Receive != nil {
		e.host.Receive = e.receive
	}
	e.host.Open()
	for _, f := range funcs {
		if e.funcs[f.Name()] != nil {
			return nil, fmt.Errorf("endpoint: two functions are named %q", f.Name())
		}
		e.funcs[f.Name()] = f
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
func (e *Endpoint) Close() { e.host.Close() }

// URL is where the server finds the endpoint.
func (e *Endpoint) URL() string { return e.url }

// Client talks to the endpoint's server.
func (e *Endpoint) Client() *Client { return e.client }

// ListenAndServe serves until ctx ends, and then waits up to 10 s for runs under
// way. It closes the endpoint.
func (e *Endpoint) ListenAndServe(ctx context.Context) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", e.config.Addr)
	if err != nil {
		return err
	}
	defer e.Close()
	var silent silentConns
	server := &http.Server{Handler: e, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, ConnState: silent.note}
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		silent.close()
		stopped <- server.Shutdown(grace)
	})
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-stopped
}

// silentConns are connections that have not brought a request: a client opened
// them in advance. [http.Server.Shutdown] would wait five seconds for each.
type silentConns struct {
	mu   sync.Mutex
	open map[net.Conn]bool
}

func (s *silentConns) note(c net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if state != http.StateNew {
		delete(s.open, c)
		return
	}
	if s.open == nil {
		s.open = map[net.Conn]bool{}
	}
	s.open[c] = true
}

func (s *silentConns) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.open {
		_ = c.Close()
	}
}

// ServeHTTP implements http.Handler.
func (e *Endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	req, reject := e.read(w, r)
	if reject != nil {
		e.refused(r, reject)
		reject.write(w)
		return
	}
	res, done := e.run(r.Context(), req)
	written := false
	defer func() { done(written) }() // whatever becomes of the connection
	written = writeAnswer(w, r, res) == nil
}

func (e *Endpoint) run(ctx context.Context, req *sdkv1.RunRequest) (*sdkv1.RunResponse, func(bool)) {
	if req.GetContext() != nil {
		req.DispatchId = strings.ToLower(req.GetDispatchId()) // a Sendoff server spells an id anew after a 500
	}
	f := e.funcs[req.GetFunction()]
	if f == nil {
		return unknownFunction(req.GetFunction()), func(bool) {}
	}
	return e.host.Run(ctx, req, f.run)
}

// refused tells the log of a refusal, one every few seconds: a server that holds
// another key comes again and again.
func (e *Endpoint) refused(r *http.Request, x *rejection) {
	now := e.config.Now().Unix()
	last := e.told.Load()
	if now-last >= 5 && e.told.CompareAndSwap(last, now) {
		e.config.Logger.Warn("sendoff: a request was refused", "status", x.status, "why", x.message, "from", r.RemoteAddr)
	}
}

// rejection is a request that no function sees, as Connect writes errors.
type rejection struct {
	status  int
	code    connect.Code
	message string
}

func (x *rejection) write(w http.ResponseWriter) {
	body := `{"code":` + strconv.Quote(x.code.String()) + `,"message":` + jsonText(x.message) + `}`
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Connection", "close") // do not read the rest of a stranger's body
	w.WriteHeader(x.status)
	_, _ = io.WriteString(w, body) // nobody to tell
}

// read checks a request and decodes it. The signature over the head is checked
// before the body is read, and the body before it is decoded.
func (e *Endpoint) read(w http.ResponseWriter, r *http.Request) (*sdkv1.RunRequest, *rejection) {
	if x := e.checkHead(r); x != nil {
		return nil, x
	}
	var check func([]byte) error
	if e.verify != nil {
		var err error
		if check, err = e.verify.head(r); err != nil {
			return nil, refusedSignature(err)
		}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, e.config.MaxBody))
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return nil, &rejection{http.StatusRequestEntityTooLarge, connect.CodeResourceExhausted, fmt.Sprintf("the request is larger than %d bytes", e.config.MaxBody)}
	} else if err != nil {
		return nil, &rejection{http.StatusBadRequest, connect.CodeInvalidArgument, "the body cannot be read"}
	}
	if check != nil {
		if err := check(body); err != nil {
			return nil, refusedSignature(err)
		}
	}
	req := &sdkv1.RunRequest{}
	if isJSON(r) {
		err = protojson.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(body, req)
	} else {
		err = proto.Unmarshal(body, req)
	}
	if err != nil {
		return nil, &rejection{http.StatusBadRequest, connect.CodeInvalidArgument, "the body is no RunRequest: " + err.Error()}
	}
	if req.GetDispatchId() == "" || req.GetDirective() == nil {
		return nil, &rejection{http.StatusBadRequest, connect.CodeInvalidArgument, "a run needs a dispatch_id, and an input or a poll_result"}
	}
	return req, nil
}

func (e *Endpoint) checkHead(r *http.Request) *rejection {
	encoding := r.Header.Get("Content-Encoding")
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case !strings.HasSuffix(r.URL.Path, sdkv1connect.FunctionServiceRunProcedure):
		return &rejection{http.StatusNotFound, connect.CodeUnimplemented, "only " + sdkv1connect.FunctionServiceRunProcedure + " is served here"}
	case r.Method != http.MethodPost:
		return &rejection{http.StatusMethodNotAllowed, connect.CodeUnimplemented, "use POST"}
	case encoding != "" && encoding != "identity":
		return &rejection{http.StatusUnsupportedMediaType, connect.CodeUnimplemented, "compressed requests are not accepted"}
	case kind != "application/proto" && kind != "application/json":
		return &rejection{http.StatusUnsupportedMediaType, connect.CodeUnimplemented, "want application/proto or application/json"}
	case r.ContentLength > e.config.MaxBody:
		return &rejection{http.StatusRequestEntityTooLarge, connect.CodeResourceExhausted, fmt.Sprintf("the request is larger than %d bytes", e.config.MaxBody)}
	case e.local && r.RemoteAddr != "embedded" && !loopback(r.RemoteAddr):
		return &rejection{http.StatusForbidden, connect.CodePermissionDenied, "this endpoint has no verification key and serves only its own host: set DISPATCH_VERIFICATION_KEY"}
	}
	return nil
}

func isJSON(r *http.Request) bool {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return kind == "application/json"
}

func writeAnswer(w http.ResponseWriter, r *http.Request, res *sdkv1.RunResponse) error {
	kind, marshal := "application/proto", proto.Marshal
	if isJSON(r) {
		kind, marshal = "application/json", protojson.Marshal
	}
	body, err := marshal(res)
	if err != nil {
		(&rejection{http.StatusInternalServerError, connect.CodeInternal, "the answer cannot be encoded: " + err.Error()}).write(w)
		return err
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, err = w.Write(body)
	if err != nil {
		return err
	}
	return r.Context().Err() // nobody reads it any more
}

// checkpointHere is checkpoint within the process of the server.
func (e *Endpoint) checkpointHere(ctx context.Context, id string, token int64, a *sendoffv1.Append) error {
	err := e.config.Checkpoint(ctx, id, token, a.GetOffset(), a.GetSegment())
	if errors.Is(err, task.ErrStale) {
		return fmt.Errorf("%w: %w", durable.ErrStale, err)
	}
	return err
}

// receiveWait is how long one question to the server waits for an answer.
const receiveWait = 25 * time.Second

// receive asks the server what came for a run that is under way.
func (e *Endpoint) receive(ctx context.Context, id string, token, after int64) (*sendoffv1.ReceiveResponse, error) {
	ask := e.config.Receive
	if ask == nil {
		ask = e.client.extension().Receive
	}
	res, err := ask(ctx, &sendoffv1.ReceiveRequest{DispatchId: id, Token: token, After: after, Wait: durationpb.New(receiveWait)})
	if err != nil && (errors.Is(err, task.ErrStale) || connect.CodeOf(err) == connect.CodeAborted) {
		return nil, fmt.Errorf("%w: %w", durable.ErrStale, err)
	}
	return res, err
}

// checkpoint puts the end of steps on the server's disk while a run goes on.
func (e *Endpoint) checkpoint(ctx context.Context, id string, token int64, a *sendoffv1.Append) error {
	_, err := e.client.extension().Checkpoint(ctx, &sendoffv1.CheckpointRequest{DispatchId: id, Token: token, Append: a})
	switch connect.CodeOf(err) {
	case connect.CodeAborted, connect.CodeFailedPrecondition, connect.CodeNotFound:
		if err != nil {
			return fmt.Errorf("%w: %w", durable.ErrStale, err)
		}
	}
	return e.client.explain(err)
}
