package term

import (
	"strings"
	"unicode"

	"golang.org/x/text/width"
)

// runeWidth is how many columns of a terminal a character takes.
func runeWidth(r rune) int {
	switch {
	case r == 0x200d || unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		return 0
	case r >= 0x1f300 && r < 0x1fb00:
		return 2
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	default:
		return 1
	}
}

// Width is how many columns of a terminal a text takes.
func Width(text string) (n int) {
	for _, r := range text {
		n += runeWidth(r)
	}
	return n
}

// Padded fills a text with blanks, and cuts it when it is too wide.
func Padded(text string, columns int) string {
	text = Cut(text, columns)
	return text + strings.Repeat(" ", max(columns-Width(text), 0))
}

// Cut makes a text fit; what is cut ends with "~".
func Cut(text string, columns int) string {
	if Width(text) <= columns {
		return text
	}
	n := 0
	for i, r := range text {
		if n+runeWidth(r) > columns-1 {
			return text[:i] + "~"
		}
		n += runeWidth(r)
	}
	return text
}

// Wrapped is a text as lines that fit.
func Wrapped(text string, columns int) (lines []string) {
	start, n := 0, 0
	for i, r := range text {
		if w := runeWidth(r); n+w > columns && n > 0 {
			lines = append(lines, text[start:i])
			start, n = i, w
		} else {
			n += w
		}
	}
	return append(lines, text[start:])
}
