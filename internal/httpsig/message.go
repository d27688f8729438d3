package httpsig

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Message is what can be signed of an HTTP request.
type Message struct {
	Method        string
	Scheme        string // "http" or "https"
	Authority     string // host and port as in the Host field
	RequestURI    string // path and query as they are sent
	Header        http.Header
	ContentLength int64 // -1 = not known
}

// MessageOf reads the message out of a request, on either side of the wire. On
// the server's side the scheme is that of the connection: behind a proxy that
// ends TLS, set the Scheme and Authority that the sender used.
func MessageOf(r *http.Request) Message {
	m := Message{
		Method: r.Method, Scheme: "http", Authority: r.Host,
		RequestURI: r.RequestURI, Header: r.Header, ContentLength: r.ContentLength,
	}
	if m.Method == "" {
		m.Method = http.MethodGet
	}
	if r.TLS != nil {
		m.Scheme = "https"
	}
	if r.RequestURI == "" { // a request to be sent
		m.RequestURI, m.Scheme = r.URL.RequestURI(), r.URL.Scheme
		if m.Authority == "" {
			m.Authority = r.URL.Host
		}
	} else if u, ok := absolute(r.RequestURI); ok {
		m.RequestURI, m.Scheme, m.Authority = u.RequestURI(), u.Scheme, u.Host
	}
	return m
}

func absolute(target string) (*url.URL, bool) {
	if strings.HasPrefix(target, "/") {
		return nil, false
	}
	u, err := url.ParseRequestURI(target)
	return u, err == nil && u.Host != ""
}

// TargetURI returns the @target-uri of a request to u: without credentials and
// fragment, the host in lower case, no default port, the path at least "/".
func TargetURI(u *url.URL) string {
	authority := normalAuthority(u.Scheme, u.Host)
	uri := u.RequestURI()
	return u.Scheme + "://" + authority + uri
}

func (m *Message) targetURI() string {
	return m.Scheme + "://" + normalAuthority(m.Scheme, m.Authority) + m.RequestURI
}

func normalAuthority(scheme, host string) string {
	host = strings.ToLower(host)
	switch scheme {
	case "http":
		host = strings.TrimSuffix(host, ":80")
	case "https":
		host = strings.TrimSuffix(host, ":443")
	}
	return host
}

// Base returns the signature base (RFC 9421, section 2.5) of the covered
// components. params is the text of @signature-params, which is also the value
// in Signature-Input. Errors wrap [ErrIncomplete] when a covered field is not
// there, and [ErrMalformed] when a component is not supported or named twice.
func (m *Message) Base(covered []string, params string) ([]byte, error) {
	list := make([]component, 0, len(covered))
	for i, name := range covered {
		if slices.Contains(covered[:i], name) {
			return nil, fmt.Errorf("%w: component %q is named twice", ErrMalformed, name)
		}
		value, err := m.component(name)
		if err != nil {
			return nil, err
		}
		list = append(list, component{name, value})
	}
	return appendBase(make([]byte, 0, 512), list, params), nil
}

// component is a covered component of a message, with its value.
type component struct{ name, value string }

// appendBase writes the signature base of components, in their order.
func appendBase(b []byte, list []component, params string) []byte {
	for _, c := range list {
		b = append(append(append(b, '"'), c.name...), `": `...)
		b = append(append(b, c.value...), '\n')
	}
	return append(append(b, `"@signature-params": `...), params...)
}

func (m *Message) component(name string) (string, error) {
	if strings.HasPrefix(name, "@") {
		return m.derived(name)
	}
	if name == "" || name != strings.ToLower(name) {
		return "", fmt.Errorf("%w: component %q is not in lower case", ErrMalformed, name)
	}
	lines := fieldLines(m.Header, name)
	switch {
	case len(lines) > 0:
		return joinLines(lines), nil
	case name == "content-length" && m.ContentLength >= 0:
		return strconv.FormatInt(m.ContentLength, 10), nil
	case name == "host" && m.Authority != "":
		return m.Authority, nil
	}
	return "", fmt.Errorf("%w: it covers %q, which the request does not have", ErrIncomplete, name)
}

func (m *Message) derived(name string) (string, error) {
	path, query, _ := strings.Cut(m.RequestURI, "?")
	switch name {
	case "@method":
		return m.Method, nil
	case "@target-uri":
		return m.targetURI(), nil
	case "@authority":
		return normalAuthority(m.Scheme, m.Authority), nil
	case "@scheme":
		return strings.ToLower(m.Scheme), nil
	case "@request-target":
		return m.RequestURI, nil
	case "@path":
		return path, nil
	case "@query":
		return "?" + query, nil
	}
	return "", fmt.Errorf("%w: component %q is not supported", ErrMalformed, name)
}

// fieldLines finds all lines of a field, whatever the spelling of its name in
// the map.
func fieldLines(h http.Header, name string) []string {
	canonical := http.CanonicalHeaderKey(name)
	lines := h[canonical]
	if canonical != name {
		if more := h[name]; len(more) > 0 {
			lines = append(slices.Clone(lines), more...)
		}
	}
	return lines
}

func joinLines(lines []string) string {
	if len(lines) == 1 {
		return strings.Trim(lines[0], " \t")
	}
	trimmed := make([]string, len(lines))
	for i, line := range lines {
		trimmed[i] = strings.Trim(line, " \t")
	}
	return strings.Join(trimmed, ", ")
}
