package screen

import (
	"strings"
	"unicode/utf8"
)

// Key is what somebody pressed.
type Key string

// The keys that have a name; letters are themselves.
const (
	KeyUp        Key = "up"
	KeyDown      Key = "down"
	KeyPageUp    Key = "page up"
	KeyPageDown  Key = "page down"
	KeyHome      Key = "home"
	KeyEnd       Key = "end"
	KeyLeft      Key = "left"
	KeyRight     Key = "right"
	KeyEnter     Key = "enter"
	KeyTab       Key = "tab"
	KeyEscape    Key = "esc"
	KeyInterrupt Key = "ctrl-c"
)

// sequences are what terminals send for keys without a character.
var sequences = []struct {
	text string
	key  Key
}{
	{"\x1b[A", KeyUp},
	{"\x1bOA", KeyUp},
	{"\x1b[B", KeyDown},
	{"\x1bOB", KeyDown},
	{"\x1b[5~", KeyPageUp},
	{"\x1b[6~", KeyPageDown},
	{"\x1b[H", KeyHome},
	{"\x1bOH", KeyHome},
	{"\x1b[1~", KeyHome},
	{"\x1b[7~", KeyHome},
	{"\x1b[F", KeyEnd},
	{"\x1bOF", KeyEnd},
	{"\x1b[4~", KeyEnd},
	{"\x1b[8~", KeyEnd},
	{"\x1b[D", KeyLeft},
	{"\x1bOD", KeyLeft},
	{"\x1b[C", KeyRight},
	{"\x1bOC", KeyRight},
	{"\r", KeyEnter},
	{"\n", KeyEnter},
	{"\t", KeyTab},
	{"\x03", KeyInterrupt},
	{"k", KeyUp},
	{"j", KeyDown},
	{"g", KeyHome},
	{"G", KeyEnd},
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
				keys = append(keys, KeyEscape)
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
