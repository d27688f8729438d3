package push

import (
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/sendoff-dev/sendoff/task"
)

// answer reads what is kept of an answer. A body that fits is read to its end,
// so that the connection can be used again; of a longer one the rest is left to
// the close. On an error the answer holds what had come.
func (p *Pusher) answer(r *http.Response) (task.Answer, error) {
	if r.StatusCode == http.StatusSwitchingProtocols {
		return task.Answer{}, nil // its body is the bare connection
	}
	body, err := p.body(r)
	a := task.Answer{Body: body}
	if len(body) > p.config.MaxAnswer {
		a.Body, a.Truncated = body[:p.config.MaxAnswer:p.config.MaxAnswer], true
	}
	if err != nil {
		a.Truncated = true
	}
	a.Header = keptHeader(r.Header, len(a.Body) == 0)
	return a, err
}

// body reads one byte more than is kept, at most.
func (p *Pusher) body(r *http.Response) ([]byte, error) {
	if r.ContentLength == 0 {
		return nil, nil
	}
	limit := int64(p.config.MaxAnswer) + 1
	body, err := io.ReadAll(io.LimitReader(r.Body, limit))
	if len(body) == 0 {
		body = nil
	}
	return body, err
}

// keptHeader drops what says nothing about the task, so that an answer without
// content is empty. Set-Cookie and its like are dropped as secrets.
func keptHeader(h http.Header, noBody bool) []task.Header {
	var kept []task.Header
	size := 0
	for _, name := range slices.Sorted(maps.Keys(h)) {
		if boring[name] || strings.HasPrefix(name, "Access-Control-") || strings.HasPrefix(name, "Cross-Origin-") {
			continue
		}
		if noBody && (name == "Content-Type" || name == "Content-Encoding") {
			continue
		}
		for _, value := range h[name] {
			size += len(name) + len(value)
			if len(kept) == task.MaxHeaders || size > task.MaxHeaderBytes {
				return kept
			}
			kept = append(kept, task.Header{Name: name, Value: value})
		}
	}
	return kept
}

var boring = map[string]bool{
	"Accept-Ranges": true, "Age": true, "Alt-Svc": true, "Cache-Control": true, "Connection": true, "Content-Length": true,
	"Content-Security-Policy": true, "Date": true, "Etag": true, "Expires": true, "Keep-Alive": true, "Last-Modified": true,
	"Nel": true, "Permissions-Policy": true, "Pragma": true, "Proxy-Authenticate": true, "Referrer-Policy": true,
	"Report-To": true, "Server": true, "Server-Timing": true, "Set-Cookie": true, "Strict-Transport-Security": true,
	"Trailer": true, "Transfer-Encoding": true, "Upgrade": true, "Vary": true, "Via": true, "X-Content-Type-Options": true,
	"X-Frame-Options": true, "X-Permitted-Cross-Domain-Policies": true, "X-Powered-By": true, "X-Xss-Protection": true,
}
