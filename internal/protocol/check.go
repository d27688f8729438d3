package protocol

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
	sendoffv1 "github.com/sendoff-dev/sendoff/gen/sendoff/v1"
	"github.com/sendoff-dev/sendoff/task"
)

// Limits of what a call may say.
const (
	MaxFunctionName = 500  // bytes
	MaxEndpoint     = 4096 // bytes
)

var (
	functionName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_<>.]*$`)
	sessionName  = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)
)

// IsSession tells whether a text can be the session of a bridge, which stands in
// a path.
func IsSession(name string) bool { return sessionName.MatchString(name) }

// Rules say which calls are taken. The zero value is the published rules for
// calls that name their endpoint.
type Rules struct {
	// Inherit allows an empty endpoint: that of the caller.
	Inherit bool

	// Embedded tells whether embedded://NAME is served inside this process; nil =
	// there is no such endpoint.
	Embedded func(name string) bool

	// CheckURL refuses http and https endpoints that may not be called; nil = none.
	CheckURL func(*url.URL) error
}

// Check notes what is wrong with a call. prefix goes before the names of its
// fields, such as "calls[3].".
func (r *Rules) Check(bad *task.Invalid, prefix string, c *sdkv1.Call) {
	if c == nil {
		bad.Add(strings.TrimSuffix(prefix, "."), "is missing")
		return
	}
	r.CheckTarget(bad, prefix, c.GetFunction(), c.GetEndpoint())
	checkDuration(bad, prefix+"expiration", c.GetExpiration(), task.MaxExpiration)
	checkOptions(bad, prefix+"options.", c.GetOptions())
}

// CheckTarget notes what is wrong with the name of a function and with its
// endpoint. prefix goes before the names of the fields.
func (r *Rules) CheckTarget(bad *task.Invalid, prefix, name, endpoint string) {
	r.checkEndpoint(bad, prefix+"endpoint", endpoint)
	switch {
	case name == "":
		bad.Add(prefix+"function", "is missing: want the name of a function")
	case len(name) > MaxFunctionName:
		bad.Add(prefix+"function", "has %d bytes: at most %d are allowed", len(name), MaxFunctionName)
	case !functionName.MatchString(name):
		bad.Add(prefix+"function", "is %q: want a name that matches %s", name, functionName)
	}
}

func (r *Rules) checkEndpoint(bad *task.Invalid, field, endpoint string) {
	if endpoint == "" {
		if !r.Inherit {
			bad.Add(field, "is missing: want the URL under which the function is served, such as http://host:8000")
		}
		return
	}
	if strings.HasPrefix(endpoint, "arn:aws:lambda") {
		bad.Add(field, "AWS Lambda functions are not called by this server: give the function an HTTP endpoint (a function URL, or an API gateway)")
		return
	}
	u, err := url.Parse(endpoint)
	switch {
	case len(endpoint) > MaxEndpoint:
		bad.Add(field, "has %d bytes: at most %d are allowed", len(endpoint), MaxEndpoint)
	case err != nil || u.Host == "":
		bad.Add(field, "is not the URL of an endpoint: want something like http://host:8000")
	case strings.Contains(endpoint, "#"):
		bad.Add(field, "has a fragment, which is not sent: leave out # and what follows")
	case u.Scheme == "bridge" && !IsSession(u.Host):
		bad.Add(field, "names the session %q: want 1 to 128 letters, digits, - and _", u.Host)
	case u.Scheme == "embedded" && r.Embedded != nil && r.Embedded(u.Host), u.Scheme == "bridge":
	case u.Scheme != "http" && u.Scheme != "https":
		bad.Add(field, "has scheme %q: want http, https or bridge", u.Scheme)
	case r.CheckURL != nil:
		if err := r.CheckURL(u); err != nil {
			bad.Add(field, "%s", err)
		}
	}
}

func checkDuration(bad *task.Invalid, field string, d *durationpb.Duration, most time.Duration) {
	if d == nil {
		return
	}
	switch v := d.AsDuration(); {
	case d.CheckValid() != nil:
		bad.Add(field, "is not a duration")
	case v < 0:
		bad.Add(field, "is negative")
	case v > most:
		bad.Add(field, "is %s: at most %s are allowed", v, most)
	}
}

func checkOptions(bad *task.Invalid, prefix string, o *sendoffv1.CallOptions) {
	if o == nil {
		return
	}
	if p := o.Priority; p != nil && (*p < 0 || *p > task.MaxPriority) {
		bad.Add(prefix+"priority", "is %d: want 0 (first) to %d", *p, task.MaxPriority)
	}
	checkDuration(bad, prefix+"delay", o.GetDelay(), task.MaxExpiration)
	checkDuration(bad, prefix+"timeout", o.GetTimeout(), task.MaxTimeout)
	if d := o.GetTimeout(); d != nil && d.AsDuration() > 0 && d.AsDuration() < task.MinTimeout {
		bad.Add(prefix+"timeout", "is %s: want at least %s", d.AsDuration(), task.MinTimeout)
	}
	checkRetry(bad, prefix+"retry.", o.GetRetry())
	for i, l := range o.GetLimits() {
		if _, err := rateOf(l); err != nil {
			bad.Add(fmt.Sprintf("%slimits[%d].rate", prefix, i), "%s", err)
		}
	}
	if _, err := duplicateRule(o); err != nil {
		bad.Add(prefix+"on_duplicate", "%s", err)
	}
}

func checkRetry(bad *task.Invalid, prefix string, r *sendoffv1.RetryPolicy) {
	if r == nil {
		return
	}
	if r.GetMaxAttempts() < 0 {
		bad.Add(prefix+"max_attempts", "is negative: want 0 (until it expires) or more")
	}
	checkDuration(bad, prefix+"max_age", r.GetMaxAge(), task.MaxExpiration)
	checkDuration(bad, prefix+"min_backoff", r.GetMinBackoff(), task.MaxExpiration)
	checkDuration(bad, prefix+"max_backoff", r.GetMaxBackoff(), task.MaxExpiration)
	if least, most := r.GetMinBackoff().AsDuration(), r.GetMaxBackoff().AsDuration(); most > 0 && least > most {
		bad.Add(prefix+"min_backoff", "is %s, more than max_backoff (%s)", least, most)
	}
	if f := r.GetFactor(); f != 0 && !(f >= 1 && f <= 100) {
		bad.Add(prefix+"factor", "is %v: want 1 to 100", f)
	}
	if r.Jitter != nil && !(*r.Jitter >= 0 && *r.Jitter <= 1) {
		bad.Add(prefix+"jitter", "is %v: want 0 to 1", *r.Jitter)
	}
}
