package function

import "net/url"

// Authority is the host of an endpoint as it is sent and signed.
func Authority(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil {
		return err.Error()
	}
	return authorityOf(u)
}
