package draw

import (
	"strconv"
	"time"
)

// Text is a line of text: its left end on the baseline, and the size of its font in
// pixels.
type Text struct {
	At      Point
	Size    float64
	Content string
}

// Face is what is inside a box.
type Face struct {
	Label, State Text // the state is empty where there is none
	Icon         Point
}

// Face lays out what a box shows of its node.
func (b Box) Face(n Node) Face {
	left := b.X + textLeft
	if n.Look.known() == Plain {
		left = b.X + textRight
	}
	room := b.X + b.Width - textRight - left
	f := Face{
		Label: Text{Point{left, b.Y + 26.5}, labelSize, b.Label},
		Icon:  Point{b.X + 11, b.Y + b.Height/2 - 7},
	}
	if state := n.stateLine(room); state != "" {
		f.Label.At.Y = b.Y + 19
		f.State = Text{Point{left, b.Y + 34.5}, stateSize, state}
	}
	return f
}

// stateLine is the state and how long it took; when they do not fit, the state.
func (n Node) stateLine(room float64) string {
	line := plainLine(n.stateAndTime(" · "))
	if TextWidth(line, stateSize) > room {
		line = n.State
	}
	return fit(line, stateSize, room)
}

func (n Node) stateAndTime(between string) string {
	switch {
	case n.Duration <= 0:
		return n.State
	case n.State == "":
		return shortTime(n.Duration)
	}
	return n.State + between + shortTime(n.Duration)
}

// shortTime has two or three digits that matter.
func shortTime(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return "<1 ms"
	case d < time.Second:
		return strconv.Itoa(int(d.Milliseconds())) + " ms"
	case d < time.Minute:
		return strconv.FormatFloat(d.Truncate(100*time.Millisecond).Seconds(), 'f', 1, 64) + " s"
	case d < time.Hour:
		return strconv.Itoa(int(d.Minutes())) + "m " + strconv.Itoa(int(d.Seconds())%60) + "s"
	}
	return strconv.Itoa(int(d.Hours())) + "h " + strconv.Itoa(int(d.Minutes())%60) + "m"
}
