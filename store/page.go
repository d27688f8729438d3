package store

// Fit tells how many of n things are given at once: at most limit of them, and
// after the first not beyond maxBytes.
func Fit(n int, size func(i int) int, limit, maxBytes int) int {
	sum := 0
	for i := range n {
		sum += size(i)
		if i == limit || i > 0 && sum > maxBytes {
			return i
		}
	}
	return n
}

// Page cuts messages that are to be delivered at once; see [Fit]. more says that
// some are left.
func Page(messages []Message, limit, maxBytes int) (page []Message, more bool) {
	n := Fit(len(messages), func(i int) int { return len(messages[i].Body) }, limit, maxBytes)
	return messages[:n:n], n < len(messages)
}

// Of the attempts of a task the first and the last ones are kept.
const (
	KeptFirst = 10
	KeptLast  = 90
)

// Kept leaves those out of the attempts of a task, oldest first, that are not
// kept. The one behind the gap tells how many they were.
func Kept(attempts []AttemptRow) []AttemptRow {
	gap := len(attempts) - KeptFirst - KeptLast
	if gap <= 0 {
		return attempts
	}
	kept := append([]AttemptRow(nil), attempts[:KeptFirst]...)
	rest := append([]AttemptRow(nil), attempts[KeptFirst+gap:]...)
	for _, a := range attempts[KeptFirst : KeptFirst+gap] {
		rest[0].LeftOut += 1 + a.LeftOut
	}
	return append(kept, rest...)
}

// ManyAttempts tells whether a task with this token can have more attempts than
// are kept: each has a token of its own.
func ManyAttempts(token int64) bool { return token > KeptFirst+KeptLast }
