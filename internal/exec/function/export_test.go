package function

import (
	"net/url"

	"github.com/sendoff-dev/sendoff/internal/egress"
)

// Authority is the host of an endpoint as it is sent and signed.
func Authority(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil {
		return err.Error()
	}
	return egress.Authority(u)
}
