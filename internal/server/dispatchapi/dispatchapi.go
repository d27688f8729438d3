package dispatchapi

import (
	"context"
	"io"
	"net/http"
	"strings"
	"time"

	"connectrpc.com/connect"

	"github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1/sdkv1connect"
	"github.com/sendoff-dev/sendoff/gen/dispatch/v1/dispatchv1connect"
	sendoffv1 "github.com/sendoff-dev/sendoff/gen/sendoff/v1"
	"github.com/sendoff-dev/sendoff/gen/sendoff/v1/sendoffv1connect"
	"github.com/sendoff-dev/sendoff/internal/accept"
	"github.com/sendoff-dev/sendoff/internal/auth"
	"github.com/sendoff-dev/sendoff/internal/operate"
	"github.com/sendoff-dev/sendoff/internal/server/route"
	"github.com/sendoff-dev/sendoff/store"
)

// Submitter takes tasks in.
type Submitter interface {
	Accept(ctx context.Context, subs []accept.Submission, atomic bool) ([]accept.Result, error)
}

// Viewer looks at tasks.
type Viewer interface {
	Wait(ctx context.Context, id string, atMost time.Duration) (operate.Task, error)
	Result(ctx context.Context, t *operate.Task) ([]byte, error)
}

// Signaler gives messages to functions.
type Signaler interface {
	Signal(ctx context.Context, id, name string, value []byte) error
}

// Journals keeps the journals of running functions.
type Journals interface {
	Append(ctx context.Context, checkpoints []store.Checkpoint) ([]error, error)
}

// Bridge is where sessions fetch their runs.
type Bridge interface {
	Next(ctx context.Context, session string) (id string, wire []byte, err error)
	Answer(session, id string, wire io.Reader) error
	Drop(session, id string) error
}

// Config of the door. All but the last two are required.
type Config struct {
	Submit   Submitter
	Tasks    Viewer
	Signals  Signaler
	Journals Journals
	Bridge   Bridge

	// Receive tells a function that is running what came since its request.
	Receive func(context.Context, *sendoffv1.ReceiveRequest) (*sendoffv1.ReceiveResponse, error)

	// PublicKeyPEM is the key with which runs are signed; nil = they are not.
	PublicKeyPEM func() string

	// Embedded tells whether embedded://NAME is served in this process; nil = no
	// such endpoint is taken.
	Embedded func(name string) bool

	// Unknown gets what went wrong with the database when a client is told that it
	// does not answer; nil = nobody.
	Unknown func(error)
}

// maxBody bounds a request, before and after it was unpacked, in bytes.
const maxBody = 16 << 20

// door implements the services.
type door struct{ cfg Config }

// Mount adds the routes to a mux.
func Mount(mux *route.Mux, cfg Config) {
	d := &door{cfg}
	options := connect.WithHandlerOptions(connect.WithReadMaxBytes(maxBody), connect.WithCompressMinBytes(1024), codecs(), gzipped(), connect.WithInterceptors(connect.UnaryInterceptorFunc(d.telling)))
	calls, dispatch := sdkv1connect.NewDispatchServiceHandler(d, options)
	keys, signing := dispatchv1connect.NewSigningKeyServiceHandler(d, options)
	functions, extended := sendoffv1connect.NewFunctionExtensionHandler(extension{d}, options)
	handlers := map[string]http.Handler{calls: limit(dispatch), keys: limit(signing), functions: limit(extended)}
	for procedure, need := range procedures {
		mux.Handle(need, procedure, handlers[procedure[:strings.LastIndexByte(procedure, '/')+1]])
	}
	for service, h := range handlers {
		mux.Handle(auth.AnyKey, service, h) // a procedure that there is not
	}
	mux.HandleFunc(awaits, "POST /dispatch.sdk.v1.DispatchService/Wait", d.waitForText)
	mux.HandleFunc(bridges, "GET /sessions/{session}", d.nextRun)
	mux.HandleFunc(bridges, "POST /sessions/{session}", d.answerRun)
	mux.HandleFunc(bridges, "DELETE /sessions/{session}", d.dropRun)
}

const (
	awaits  = auth.Read | auth.Payloads                 // results are told
	bridges = auth.Enqueue | auth.Payloads | auth.Whole // runs are fetched, with what they carry, of any namespace
)

// procedures say what a key needs for each. Whoever runs a function proves by the token
// of the attempt which one it is.
var procedures = map[string]auth.Scope{
	sdkv1connect.DispatchServiceDispatchProcedure:                auth.Enqueue,
	dispatchv1connect.SigningKeyServiceListSigningKeysProcedure:  auth.AnyKey,
	dispatchv1connect.SigningKeyServiceCreateSigningKeyProcedure: auth.AnyKey, // it makes none: it tells the public one
	sendoffv1connect.FunctionExtensionCheckpointProcedure:        auth.Enqueue,
	sendoffv1connect.FunctionExtensionReceiveProcedure:           auth.Enqueue,
	sendoffv1connect.FunctionExtensionStartProcedure:             auth.Enqueue,
	sendoffv1connect.FunctionExtensionWaitProcedure:              awaits,
	sendoffv1connect.FunctionExtensionSendSignalProcedure:        auth.Enqueue,
}
