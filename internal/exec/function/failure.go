package function

import (
	"errors"
	"net"
	"strings"
	"syscall"
	"time"

	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
	"github.com/sendoff-dev/sendoff/internal/egress"
	"github.com/sendoff-dev/sendoff/internal/exec"
	"github.com/sendoff-dev/sendoff/internal/exec/pace"
	"github.com/sendoff-dev/sendoff/internal/protocol"
	"github.com/sendoff-dev/sendoff/task"
)

const (
	maxReason       = 300      // bytes of a text that quotes an endpoint
	keptBody        = 64 << 10 // bytes of a result that is kept of each failure; of the last one it is kept whole
	invalidInARow   = 5        // answers that make no sense, before the call is given up
	restartFailures = 3        // plain 500s in a row on a resume, before the call is begun again
	maxRestarts     = 2        // of that kind, while this node remembers the call
)

// fail is the verdict for a run that this side gives a status. The parent sees
// the status' name as the type of the error.
func (r *run) fail(s sdkv1.Status, code int, text string) verdict {
	return r.failed(s, code, nil, &sdkv1.Error{Type: protocol.StatusName(s), Message: text}, r.what()+": "+text)
}

// failed is the verdict for a run that ended with a status other than OK.
func (r *run) failed(s sdkv1.Status, code int, result *sdkv1.CallResult, fail *sdkv1.Error, text string) verdict {
	m := meaningOf(s)
	v := verdict{effect: m.effect}
	v.outcome = task.Outcome{Class: m.class, Code: int32(code), Error: text}
	v.outcome.Answer.Header = r.record(protocol.StatusName(s))
	body := r.result(result, fail)
	if m.class == task.Reject || r.last() || len(body) <= keptBody {
		v.outcome.Answer.Body = body
	}
	return v
}

// last tells whether a failure is the call's last.
func (r *run) last() bool {
	most := r.task.MaxAttempts
	return most > 0 && r.task.Failures+1 >= most
}

// broken is the verdict for a run that could not be sent.
func (r *run) broken(err error) verdict {
	if _, ok := errors.AsType[*unusable](err); ok {
		return r.fail(sdkv1.Status_STATUS_INVALID_ARGUMENT, 0, err.Error())
	}
	return verdict{outcome: r.handBack(time.Second, err.Error())}
}

// noAnswer is the verdict for a round trip that failed.
func (r *run) noAnswer(err error) verdict {
	if errors.Is(err, errNoPoller) {
		return verdict{outcome: r.handBack(5*time.Second, err.Error())}
	}
	if refused, ok := errors.AsType[*egress.RefusedError](err); ok {
		v := r.fail(sdkv1.Status_STATUS_TCP_ERROR, 0, refused.Error())
		v.effect = pace.Hold
		return v
	}
	cause := exec.CauseOf(err)
	s, text := connection(err, cause)
	v := r.fail(s, 0, text)
	v.outcome.Cause, v.broke = cause, cause == task.CauseReset
	if exec.Unreachable(err) { // that says nothing about how many runs it can take
		v.effect, v.pause, v.away = pace.Hold, text, true
	}
	return v
}

// connection says in a few words why there was no answer.
func connection(err error, cause task.Cause) (sdkv1.Status, string) {
	status, errno := sdkv1.Status_STATUS_TCP_ERROR, syscall.Errno(0)
	switch cause {
	case task.CauseDNS:
		if dns, ok := errors.AsType[*net.DNSError](err); ok && dns.IsNotFound {
			return sdkv1.Status_STATUS_DNS_ERROR, "no such host"
		}
		return sdkv1.Status_STATUS_DNS_ERROR, "the host name could not be resolved"
	case task.CauseTLS:
		return sdkv1.Status_STATUS_TLS_ERROR, short(err.Error())
	case task.CauseRefused, task.CauseReset, task.CauseTimeout, task.NoCause:
	}
	switch {
	case errors.As(err, &errno):
		return status, errno.Error() // "connection refused"
	case cause == task.CauseReset:
		return status, "the connection was closed before the end of the answer"
	case cause == task.CauseTimeout && exec.Unreachable(err):
		return status, "no connection: timed out"
	case cause == task.CauseTimeout:
		return sdkv1.Status_STATUS_TIMEOUT, "timed out"
	}
	return status, short(strings.TrimPrefix(err.Error(), "net/http: "))
}

func short(text string) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if len(text) <= maxReason {
		return text
	}
	return strings.ToValidUTF8(text[:maxReason], "") + "..."
}
