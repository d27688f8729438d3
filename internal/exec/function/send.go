package function

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/sendoff-dev/sendoff/internal/exec"
)

// answer is what came back over HTTP.
type answer struct {
	status int
	header http.Header
	body   []byte
	fault  string // why the body was not read; "" = it was
	large  bool   // because it is too large
}

// maxComplaint bounds what is read of an answer that is no result.
const maxComplaint = 64 << 10

// send makes the round trip and reads the answer to its end.
func (r *run) send(ctx context.Context, request *http.Request) (*answer, error) {
	response, err := r.roundTrip(ctx, request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	a := &answer{status: response.StatusCode, header: response.Header}
	switch {
	case a.status == http.StatusSwitchingProtocols:
	case a.status != http.StatusOK:
		a.body, _ = io.ReadAll(io.LimitReader(response.Body, maxComplaint)) // a part of it will do
	case response.ContentLength > int64(r.cfg.MaxAnswer):
		a.fault, a.large = fmt.Sprintf("the answer has %d bytes: at most %d are read", response.ContentLength, r.cfg.MaxAnswer), true
	default:
		err = a.read(response, r.cfg.MaxAnswer)
	}
	return a, err
}

func (r *run) roundTrip(ctx context.Context, request *http.Request) (*http.Response, error) {
	to := r.target
	if to.session != "" { // it begins when somebody has fetched it
		return r.cfg.Hub.roundTrip(ctx, to.session, request)
	}
	exec.Begin(ctx)
	if to.inside != nil {
		return inside(to.inside, request)
	}
	return r.transport.RoundTrip(request)
}

// inside calls an endpoint of this process. A panic in it ends the run, as the
// end of the app would, and not this process.
func inside(endpoint http.RoundTripper, request *http.Request) (response *http.Response, err error) {
	defer func() {
		if p := recover(); p != nil {
			response, err = nil, fmt.Errorf("the endpoint panicked: %v", p)
		}
	}()
	return endpoint.RoundTrip(request)
}

// read reads a result. We ask for none that is packed, but unpack gzip, within
// the same limit, when a proxy insists.
func (a *answer) read(response *http.Response, most int) error {
	body := io.Reader(response.Body)
	switch encoding := strings.ToLower(response.Header.Get("Content-Encoding")); encoding {
	case "", "identity":
	case "gzip":
		unpacked, err := gzip.NewReader(response.Body)
		if err != nil {
			a.fault = "the answer says that it is packed with gzip, and is not"
			return nil
		}
		body = unpacked
	default:
		a.fault = fmt.Sprintf("the answer is packed with %.40q, which was not asked for", encoding)
		return nil
	}
	b, err := io.ReadAll(io.LimitReader(body, int64(most)+1))
	if len(b) > most {
		a.fault, a.large = fmt.Sprintf("the answer is longer than %d bytes", most), true
		return nil
	}
	if errors.Is(err, gzip.ErrChecksum) || errors.Is(err, gzip.ErrHeader) {
		a.fault = "the answer cannot be unpacked"
		return nil
	}
	a.body = b
	return err
}
