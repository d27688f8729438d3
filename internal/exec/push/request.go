package push

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/sendoff-dev/sendoff/internal/httpsig"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// idempotencyKey is spelled in lower case on purpose: by its canonical spelling
// net/http would recognise it and send a POST a second time when a reused
// connection breaks, and a task with one attempt could run twice.
const idempotencyKey = "idempotency-key"

// headers collects the header of a push with one allocation for its values.
type headers struct {
	http.Header
	values []string
}

func (h *headers) put(name, value string) {
	h.values = append(h.values, value)
	n := len(h.values)
	h.Header[name] = h.values[n-1 : n : n]
}

func (h *headers) putDefault(name, value string) {
	if _, ok := h.Header[name]; !ok {
		h.put(name, value)
	}
}

func (p *Pusher) request(ctx context.Context, t *store.Claimed, spec *task.Spec, u *url.URL, webhooks []*httpsig.Webhook) (*http.Request, error) {
	method := spec.MethodOrDefault()
	if !isToken(method) {
		return nil, fmt.Errorf("method %q cannot be sent", method)
	}
	h := headers{Header: make(http.Header, len(spec.Header)+20), values: make([]string, 0, 20)}
	if err := h.addOwn(spec.Header); err != nil {
		return nil, err
	}
	id := fieldText(spec.PublicID(t.ID))
	attempt := strconv.Itoa(int(t.Failures) + 1)
	p.identify(&h, t, spec, id, attempt)
	contentType, err := h.contentType(spec, len(t.Payload))
	if err != nil {
		return nil, err
	}
	if password, ok := u.User.Password(); ok || u.User.Username() != "" {
		h.putDefault("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+password)))
	}
	if p.config.Keys != nil {
		push := httpsig.Push{
			Method: method, TargetURI: httpsig.TargetURI(u), ContentType: contentType, TaskID: id, Attempt: attempt,
			WebhookID: strings.ReplaceAll(id, ".", "%2E"), Body: t.Payload, Webhooks: webhooks,
		}
		h.sign(&push, p.config.Keys.Sign(&push, p.config.Now()))
	}
	r := &http.Request{
		Method: method, URL: u, Host: u.Host, Header: h.Header, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		ContentLength: int64(len(t.Payload)),
	}
	if len(t.Payload) > 0 {
		// GetBody lets the transport start over on a fresh connection when an idle
		// one turns out to be closed before a byte was written.
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(t.Payload)), nil }
		r.Body, _ = r.GetBody()
	}
	return r.WithContext(ctx), nil
}

// identify says which task and attempt this is.
func (p *Pusher) identify(h *headers, t *store.Claimed, spec *task.Spec, id, attempt string) {
	most := t.MaxAttempts
	if most <= 0 {
		most = spec.Retry.WithDefaults().MaxAttempts
	}
	h.put("Sendoff-Task-Id", id)
	if queue := p.config.Queue(t.Lane); queue != "" {
		h.put("Sendoff-Queue", fieldText(queue))
	}
	if spec.Name != "" {
		h.put("Sendoff-Task-Name", fieldText(spec.Name))
	}
	if len(spec.DependsOn) > 0 {
		h.put("Sendoff-Depends-On", dependsOn(spec.DependsOn))
	}
	h.put("Sendoff-Attempt", attempt)
	h.put("Sendoff-Max-Attempts", strconv.Itoa(int(most)))
	h.put("Sendoff-Final-Attempt", structuredBool(t.Failures+1 >= most))
	h.put("Sendoff-Token", strconv.FormatInt(t.Token, 10))
	if spec.Profile == task.DispatchrProfile {
		h.put("X-Task-Name", fieldText(spec.Name))
	}
	h.put(idempotencyKey, id)
	h.put("Traceparent", p.config.Traceparent(spec, t.ID, t.Token))
	h.putDefault("User-Agent", p.config.UserAgent)
}

func (h *headers) sign(push *httpsig.Push, s httpsig.Signed) {
	h.put("Content-Digest", s.ContentDigest)
	h.put("Signature-Input", s.SignatureInput)
	h.put("Signature", s.Signature)
	h.put("Webhook-Id", push.WebhookID)
	h.put("Webhook-Timestamp", s.WebhookTimestamp)
	h.put("Webhook-Signature", s.WebhookSignature)
}

// contentType sets the type of the payload and returns what will be sent.
func (h *headers) contentType(spec *task.Spec, size int) (string, error) {
	const name = "Content-Type"
	switch own := h.Header[name]; {
	case spec.ContentType != "":
		if !isFieldValue(spec.ContentType) {
			return "", fmt.Errorf("content type %q cannot be sent", spec.ContentType)
		}
		h.put(name, strings.Trim(spec.ContentType, " \t"))
	case len(own) > 0:
		h.put(name, strings.Trim(own[0], " \t"))
	case size > 0:
		h.put(name, "application/octet-stream")
	default:
		return "", nil
	}
	return h.Header[name][0], nil
}

// addOwn takes over the task's own headers, but for the reserved ones.
func (h *headers) addOwn(own []task.Header) error {
	for _, line := range own {
		if !isToken(line.Name) || !isFieldValue(line.Value) {
			return fmt.Errorf("header %q cannot be sent", line.Name)
		}
		if task.ReservedHeader(line.Name) {
			continue // stored by a version that knew fewer
		}
		name := http.CanonicalHeaderKey(line.Name)
		h.Header[name] = append(h.Header[name], line.Value)
	}
	return nil
}

// maxDependsOn is how many bytes of ids a push carries. The API tells them all.
const maxDependsOn = 4 << 10

// dependsOn is a list of ids, of which as many are told as fit.
func dependsOn(ids []string) string {
	var b strings.Builder
	for i, id := range ids {
		text := strings.ReplaceAll(fieldText(id), ",", "%2C")
		if b.Len()+len(text)+2 > maxDependsOn {
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(text)
	}
	return b.String()
}

func structuredBool(b bool) string {
	if b {
		return "?1"
	}
	return "?0"
}

// fieldText makes any text fit for a header: whatever is not printable ASCII is
// percent-encoded, and so are the percent sign and blanks at the ends.
func fieldText(s string) string {
	plain := !strings.HasPrefix(s, " ") && !strings.HasSuffix(s, " ")
	for i := 0; plain && i < len(s); i++ {
		plain = s[i] >= ' ' && s[i] <= '~' && s[i] != '%'
	}
	if plain {
		return s
	}
	const digits = "0123456789ABCDEF"
	b := make([]byte, 0, len(s)+16)
	for i := range len(s) {
		c := s[i]
		if c > ' ' && c <= '~' && c != '%' || c == ' ' && i > 0 && i < len(s)-1 {
			b = append(b, c)
			continue
		}
		b = append(b, '%', digits[c>>4], digits[c&15])
	}
	return string(b)
}

func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return s != ""
}

func isFieldValue(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}
