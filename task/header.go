package task

import "strings"

// ReservedHeader tells whether a header of a push cannot be given with a task,
// because Sendoff sets it or it belongs to the connection. Case does not
// matter, and neither does it whether words are joined by - or _: servers that
// hand headers on as variables, such as CGI and WSGI, take both for one.
func ReservedHeader(name string) bool {
	name = strings.ReplaceAll(strings.ToLower(name), "_", "-")
	if reservedHeaders[name] {
		return true
	}
	for _, prefix := range []string{"sendoff-", "webhook-", "proxy-"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

var reservedHeaders = map[string]bool{
	"connection": true, "content-digest": true, "content-length": true, "expect": true, "host": true, "http2-settings": true,
	"idempotency-key": true, "keep-alive": true, "signature": true, "signature-input": true, "te": true, "traceparent": true,
	"trailer": true, "transfer-encoding": true, "upgrade": true,
}
