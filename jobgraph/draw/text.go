package draw

import (
	"strings"
	"unicode"
)

// advance are the widths of the characters from blank to tilde in thousandths of
// the font's size: of each the widest among DejaVu Sans, Arial's metrics, Noto Sans,
// Roboto and Go Regular, since nobody knows which of them a reader has.
var advance = [...]int{
	318, 401, 460, 838, 637, 951, 780, 275, 391, 391, 584, 838, 318, 584, 318, 413,
	637, 637, 637, 637, 637, 637, 637, 637, 637, 637, 337, 337, 838, 838, 838, 557,
	1016, 685, 687, 723, 771, 667, 611, 778, 752, 399, 556, 667, 558, 907, 760, 788,
	667, 788, 723, 667, 611, 732, 685, 989, 686, 667, 686, 391, 418, 391, 838, 557,
	500, 613, 635, 550, 635, 616, 355, 635, 634, 278, 278, 580, 278, 975, 634, 612,
	635, 635, 413, 521, 393, 634, 592, 818, 592, 592, 525, 637, 551, 637, 838,
}

// TextWidth is how wide a text can be in a common sans-serif font of a size, in
// the unit of the size. It is rather too much than too little.
func TextWidth(text string, size float64) float64 {
	sum := 0
	for _, r := range text {
		sum += runeWidth(r)
	}
	return float64(sum) * size / 1000
}

func runeWidth(r rune) int {
	switch {
	case r >= ' ' && r <= '~':
		return advance[r-' ']
	case joins(r):
		return 0
	case r == '·':
		return 400
	case r == ellipsis:
		return 1000
	case r >= 0x01c4 && r <= 0x01cc, r >= 0x01f1 && r <= 0x01f3, r == 0x0478: // two letters in one
		return 1750
	case r < 0x0500, r >= 0x3000 && r < 0xd7b0, r >= 0xff00 && r < 0xffe0: // European, Han and Korean
		return 1150
	case r == 0x2e3a, r == 0x2e3b, r >= 0xfdf0 && r <= 0xfdfd, r >= 0x12000 && r < 0x12550: // whole phrases
		return 6000
	}
	return 1750
}

const ellipsis = '…'

// joins says that a character belongs to the one before it.
func joins(r rune) bool {
	return unicode.In(r, unicode.Mn, unicode.Me, unicode.Variation_Selector) || r == '\u200d' || r >= 0x1f3fb && r <= 0x1f3ff
}

// fit shortens a text in its middle, so that the ends by which names differ are
// kept, until it is at most as wide as told.
func fit(text string, size, width float64) string {
	text = plainLine(text)
	if TextWidth(text, size) <= width {
		return text
	}
	runes := []rune(text)
	room := int(width*1000/size) - runeWidth(ellipsis)
	head, tail := 0, len(runes)
	for front, back := room*2/3, room/3; head < tail; head++ {
		if front -= runeWidth(runes[head]); front < 0 {
			for tail > head && back >= runeWidth(runes[tail-1]) {
				tail--
				back -= runeWidth(runes[tail])
			}
			break
		}
	}
	for head > 0 && head < len(runes) && (joins(runes[head]) || runes[head-1] == '\u200d') { // no half character
		head--
	}
	for tail < len(runes) && (joins(runes[tail]) || runes[tail-1] == '\u200d') {
		tail++
	}
	return strings.TrimRight(string(runes[:head]), " ") + string(ellipsis) + strings.TrimLeft(string(runes[tail:]), " ")
}

// plainLine is a text without what is no character to be seen: line breaks and other
// controls are blanks, and what would change the direction of what follows is left out.
func plainLine(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case unicode.IsSpace(r), unicode.IsControl(r):
			b.WriteByte(' ')
		case r != '\u200d' && unicode.In(r, unicode.Cf):
		default:
			b.WriteRune(r)
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}
