package sendoff

// Endpoint serves durable functions.
type Endpoint struct {
	client *Client
	url    string
}
