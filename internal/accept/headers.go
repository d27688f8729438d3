package accept

import (
	"net/url"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/sendoff-dev/sendoff/task"
)

// checkHeaders notes which headers cannot be sent as they were given.
func checkHeaders(bad *task.Invalid, s *task.Spec) {
	size := 0
	if len(s.Header) > task.MaxHeaders {
		bad.Add("headers", "has %d entries: at most %d are allowed", len(s.Header), task.MaxHeaders)
	}
	typed := s.ContentType != ""
	for _, h := range s.Header {
		size += len(h.Name) + len(h.Value)
		field := "headers." + h.Name
		switch {
		case !httpguts.ValidHeaderFieldName(h.Name):
			bad.Add("headers", "%q is not a header name", h.Name)
		case task.ReservedHeader(h.Name):
			bad.Add(field, "is set by Sendoff or by the connection and cannot be given")
		case !httpguts.ValidHeaderFieldValue(h.Value):
			bad.Add(field, "has a value with control characters, such as a line break")
		case strings.EqualFold(h.Name, "Content-Type"):
			if typed {
				bad.Add(field, "is given twice: use either content_type or one header")
			}
			typed = true
		case strings.EqualFold(h.Name, "Authorization") && hasUser(s.URL):
			bad.Add(field, "is given twice: use either the header or the user in the url")
		}
	}
	if size > task.MaxHeaderBytes {
		bad.Add("headers", "have %d bytes: at most %d are allowed", size, task.MaxHeaderBytes)
	}
}

func hasUser(target string) bool {
	u, err := url.Parse(target)
	return err == nil && u.User.String() != ""
}
