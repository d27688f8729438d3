package calltree

import (
	"strings"
	"unicode/utf8"
)

// Key is what somebody pressed.
type Key string

// The keys that have a meaning; letters are themselves.
const (
	keyUp       Key = "up"
	keyDown     Key = "down"
	keyPageUp   Key = "page up"
	keyPageDown Key = "page down"
	keyHome     Key = "home"
	keyEnd      Key = "end"
	keyLeft     Key = "left"
	keyRight    Key = "right"
	keyEnter    Key = "enter"
	keyTab      Key = "tab"
	keyEscape   Key = "esc"
	keyInterupt Key = "ctrl-c"
)

// sequences are what terminals send for keys without a character.
var sequences = []struct {
	text string
	key  Key
}{
	{"\x1b[A", keyUp},
	{"\x1bOA", keyUp},
	{"\x1b[B", keyDown},
	{"\x1bOB", keyDown},
	{"\x1b[5~", keyPageUp},
	{"\x1b[6~", keyPageDown},
	{"\x1b[H", keyHome},
	{"\x1bOH", keyHome},
	{"\x1b[1~", keyHome},
	{"\x1b[7~", keyHome},
	{"\x1b[F", keyEnd},
	{"\x1bOF", keyEnd},
	{"\x1b[4~", keyEnd},
	{"\x1b[8~", keyEnd},
	{"\x1b[D", keyLeft},
	{"\x1bOD", keyLeft},
	{"\x1b[C", keyRight},
	{"\x1bOC", keyRight},
	{"\r", keyEnter},
	{"\n", keyEnter},
	{"\t", keyTab},
	{"\x03", keyInterupt},
	{"k", keyUp},
	{"j", keyDown},
	{"g", keyHome},
	{"G", keyEnd},
}

// parseKeys reads what came from a terminal in one piece. Sequences that it does
// not know are left out.
func parseKeys(text string) (keys []Key) {
next:
	for text != "" {
		for _, s := range sequences {
			if rest, ok := strings.CutPrefix(text, s.text); ok {
				keys, text = append(keys, s.key), rest
				continue next
			}
		}
		if text[0] == '\x1b' {
			n := unknownSequence(text)
			if n == 1 {
				keys = append(keys, keyEscape)
			}
			text = text[n:]
			continue
		}
		r, n := utf8.DecodeRuneInString(text)
		keys, text = append(keys, Key(r)), text[n:]
	}
	return keys
}

// unknownSequence is how long an escape sequence is; 1 = it is the key itself.
func unknownSequence(text string) int {
	if len(text) < 2 || text[1] != '[' && text[1] != 'O' {
		return 1
	}
	for i := 2; i < len(text); i++ {
		if text[i] >= 0x40 && text[i] <= 0x7e {
			return i + 1
		}
	}
	return len(text)
}
