package push

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/sendoff-dev/sendoff/internal/httpsig"
	"github.com/sendoff-dev/sendoff/task"
)

// The errors of [Verifier.Verify]. What it returns wraps one of them, or the
// error of fetching the keys.
var (
	ErrNoKeys              = httpsig.ErrNoKeys     // neither keys nor a secret are configured
	ErrUnsigned            = httpsig.ErrUnsigned   // the request carries no signature of ours
	ErrMalformedSignature  = httpsig.ErrMalformed  // its signature headers cannot be read
	ErrIncompleteSignature = httpsig.ErrIncomplete // it leaves out something that must be signed
	ErrUnknownKey          = httpsig.ErrUnknownKey // it was made with a key that is not published
	ErrBadSignature        = httpsig.ErrMismatch   // method, URL or a header is not what was signed
	ErrBadBody             = httpsig.ErrDigest     // the body is not what was signed
	ErrStaleSignature      = httpsig.ErrStale      // it is too old, or from the future
	ErrReplayed            = httpsig.ErrReplayed   // the request was accepted before
)

// Verifier tells whether a push comes from a Sendoff server. It checks the HTTP
// Message Signature (RFC 9421, Ed25519) over method, URL, Content-Digest
// (RFC 9530), content type, task and attempt, its age, and that it was not seen
// before.
//
// Give it the server's keys in one of three ways: KeysURL, Keys or
// WebhookSecrets. A verifier without any refuses everything. Set the fields
// before the first use and do not copy it; then it is safe for concurrent use.
type Verifier struct {
	// KeysURL is where the server publishes its keys: its base URL, to which
	// /.well-known/sendoff-keys is added, or the full URL of such a document.
	// The keys are fetched on first use, again once a minute, and at once for an
	// unknown one, so that a rotation needs nothing here. While the server cannot
	// be reached, the last keys hold for 15 minutes. Use https where the
	// network between is not yours.
	KeysURL string

	// Keys are the public keys by their ids; used when KeysURL is empty.
	Keys map[string]ed25519.PublicKey

	// WebhookSecrets ("whsec_...") make it verify the Standard Webhooks signature
	// instead, when neither KeysURL nor Keys is set. It binds neither method
	// nor URL and is not protected against replay: prefer keys.
	WebhookSecrets []string

	// PublicURL is the scheme and host under which the server calls this app,
	// such as https://app.example.com. Set it behind a proxy that ends TLS or
	// changes the Host. Default: those of the request itself.
	PublicURL string

	// Tolerance is how old a signature may be; default 5 minutes. Clocks may
	// differ by 5 seconds more.
	Tolerance time.Duration

	// ReplayCache is how many accepted pushes are remembered, to refuse each the
	// second time; default 65,536, negative = none. Several instances of an app
	// do not share it.
	ReplayCache int

	// MaxBody is the largest body that Middleware reads, in bytes; default 1 MiB.
	MaxBody int64

	// Client fetches the keys; default a plain one. A fetch takes at most 10 s.
	Client *http.Client

	// Now is the clock; default time.Now.
	Now func() time.Time

	once     sync.Once
	setupErr error
	core     httpsig.Verifier
	webhooks []*httpsig.Webhook
	scheme   string
	host     string
	fetched  *keyCache
}

// Verify checks a push whose body the caller has read; bound that read, for
// instance with http.MaxBytesReader. It fetches keys when they are due, within
// the request's context. nil means that the request is the server's and new.
func (v *Verifier) Verify(r *http.Request, body []byte) error {
	check, err := v.head(r)
	if err != nil {
		return err
	}
	return check(body)
}

// Check tells at start whether the verifier can work: it is configured, and the
// keys can be fetched. It returns [ErrNoKeys] when there is nothing to verify with.
func (v *Verifier) Check(ctx context.Context) error {
	if v.once.Do(v.setup); v.setupErr != nil {
		return v.setupErr
	}
	switch {
	case v.fetched != nil:
		if _, err := v.fetched.key(ctx, ""); err != nil && !errors.Is(err, ErrUnknownKey) {
			return err
		}
	case v.core.Key == nil && len(v.webhooks) == 0:
		return ErrNoKeys
	}
	return nil
}

// Middleware lets only verified pushes through to next. Others are answered with
// 401, which the server takes for a failed attempt and tries again; a larger
// body than MaxBody with 413, and keys that cannot be had with 503. A request
// without a good signature is refused before a byte of its body is read. next
// finds the whole body in r.Body.
func (v *Verifier) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		check, err := v.head(r)
		if err != nil {
			v.refuse(w, err)
			return
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, cmp.Or(v.MaxBody, task.MaxPayload)))
		if err != nil {
			if _, large := errors.AsType[*http.MaxBytesError](err); large {
				refuse(w, http.StatusRequestEntityTooLarge, "the body is larger than this app accepts")
				return
			}
			refuse(w, http.StatusBadRequest, "the body cannot be read")
			return
		}
		if err := check(body); err != nil {
			v.refuse(w, err)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		r.ContentLength = int64(len(body))
		next.ServeHTTP(w, r)
	})
}

// head checks all that can be checked without the body, and returns what checks
// the body.
func (v *Verifier) head(r *http.Request) (func(body []byte) error, error) {
	if v.once.Do(v.setup); v.setupErr != nil {
		return nil, v.setupErr
	}
	if v.core.Key == nil && len(v.webhooks) > 0 {
		return v.webhookHead(r)
	}
	m := httpsig.MessageOf(r)
	if v.host != "" {
		m.Scheme, m.Authority = v.scheme, v.host
	}
	head, err := v.core.Head(r.Context(), &m)
	if err != nil {
		return nil, err
	}
	return head.Body, nil
}

// webhookHead can check nothing but that there is a signature: it covers the
// body, not its digest.
func (v *Verifier) webhookHead(r *http.Request) (func([]byte) error, error) {
	if r.Header.Get("Webhook-Signature") == "" {
		return nil, fmt.Errorf("%w: no webhook-signature", ErrUnsigned)
	}
	return func(body []byte) error {
		var err error
		for _, w := range v.webhooks {
			if err = w.Verify(r.Header, body, v.now(), v.Tolerance); err == nil {
				return nil
			}
		}
		return err
	}, nil
}

func (v *Verifier) setup() {
	v.core = httpsig.Verifier{Tolerance: v.Tolerance, Now: v.now}
	if v.ReplayCache >= 0 {
		v.core.Nonces = httpsig.NewNonces(v.ReplayCache)
	}
	if v.PublicURL != "" {
		u, err := url.Parse(v.PublicURL)
		if err != nil || u.Scheme == "" || u.Host == "" {
			v.setupErr = fmt.Errorf("verifier: public URL %q: want a scheme and a host", v.PublicURL)
			return
		}
		v.scheme, v.host = u.Scheme, u.Host
	}
	switch {
	case v.KeysURL != "":
		v.fetched, v.setupErr = newKeyCache(v.KeysURL, v.Client, v.now)
		if v.setupErr == nil {
			v.core.Key = v.fetched.key
		}
	case len(v.Keys) > 0:
		v.core.Key = httpsig.FixedKeys(v.Keys)
	}
	for _, secret := range v.WebhookSecrets {
		w, err := httpsig.NewWebhook(secret)
		if err != nil {
			v.setupErr = fmt.Errorf("verifier: %w", err)
			return
		}
		v.webhooks = append(v.webhooks, w)
	}
}

func (v *Verifier) now() time.Time {
	if v.Now != nil {
		return v.Now()
	}
	return time.Now()
}

func (v *Verifier) refuse(w http.ResponseWriter, err error) {
	switch {
	case errors.Is(err, errKeysUnavailable):
		refuse(w, http.StatusServiceUnavailable, "the keys to verify the request with are not available")
	case v.setupErr != nil:
		refuse(w, http.StatusInternalServerError, "this app's verifier is not configured correctly")
	default:
		refuse(w, http.StatusUnauthorized, err.Error())
	}
}

func refuse(w http.ResponseWriter, status int, text string) {
	// Without it net/http would go on reading the body of a stranger, to keep
	// the connection.
	w.Header().Set("Connection", "close")
	http.Error(w, strings.ToValidUTF8(text, "?"), status)
}
