package sendoff

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
	"github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1/sdkv1connect"
)

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
