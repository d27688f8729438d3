package journal

import "strings"

// PollEntry is the entry of a poll that sends calls, and waits for signals by these
// names. They are for those who look at the function: a replay finds them out anew.
func PollEntry(sent int, signals []string) Entry {
	return Entry{Kind: Poll, N: uint64(sent), Name: strings.Join(signals, "\n")}
}

// Awaited names the signals that a suspended function waits for; nil = none, or its
// SDK is one that did not write them down.
func Awaited(entries []Entry) []string {
	for i := len(entries) - 1; i >= 0; i-- {
		if e := &entries[i]; e.Kind == Poll {
			if e.Name == "" {
				return nil
			}
			return strings.Split(e.Name, "\n")
		}
	}
	return nil
}
