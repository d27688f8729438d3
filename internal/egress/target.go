package egress

import (
	"net/url"
	"strings"
)

// ParseTarget reads the URL of a task as it is sent: the host in lower case and
// without the default port, so that the Host field is what is signed, and the
// query in the characters that a request line may hold.
func ParseTarget(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, err
	}
	u.Host = Authority(u)
	u.RawQuery = encodeQuery(u.RawQuery)
	u.Fragment, u.RawFragment = "", ""
	return u, nil
}

// Authority is the host of an http or https URL, and its port when it is not the
// default one, in lower case. Hosts of other schemes are names whose letters
// count.
func Authority(u *url.URL) string {
	switch u.Scheme {
	case "http":
		return strings.TrimSuffix(strings.ToLower(u.Host), ":80")
	case "https":
		return strings.TrimSuffix(strings.ToLower(u.Host), ":443")
	}
	return u.Host
}

// encodeQuery percent-encodes what cannot stand in a query: blanks, anything but
// ASCII, and the characters that RFC 3986 leaves out, besides the brackets that
// many servers want as they are. Signs that encode something already are kept.
func encodeQuery(q string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(q) {
		c := q[i]
		plain := c > ' ' && c < 0x7f && strings.IndexByte("\"#<>\\^`{|}", c) < 0
		if c == '%' {
			plain = i+2 < len(q) && isHex(q[i+1]) && isHex(q[i+2])
		}
		if plain {
			b.WriteByte(c)
			continue
		}
		b.Write([]byte{'%', digits[c>>4], digits[c&15]})
	}
	return b.String()
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}
