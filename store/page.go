package store

// Page cuts messages that are to be delivered at once: at most limit of them,
// and after the first not beyond maxBytes of bodies. more says that some are
// left.
func Page(messages []Message, limit, maxBytes int) (page []Message, more bool) {
	size := 0
	for i := range messages {
		size += len(messages[i].Body)
		if i == limit || i > 0 && size > maxBytes {
			return messages[:i:i], true
		}
	}
	return messages, false
}
