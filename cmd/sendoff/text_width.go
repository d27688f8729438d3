package main

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

func textWidth(text string) (n int) {
	for _, r := range text {
		n += runeWidth(r)
	}
	return n
}

// padded fills a text with blanks, and cuts it when it is too wide.
func padded(text string, columns int) string {
	text = cut(text, columns)
	return text + strings.Repeat(" ", max(columns-textWidth(text), 0))
}

// cut makes a text fit; what is cut ends with "~".
func cut(text string, columns int) string {
	if textWidth(text) <= columns {
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

// wrapped is a text as lines that fit.
func wrapped(text string, columns int) (lines []string) {
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
