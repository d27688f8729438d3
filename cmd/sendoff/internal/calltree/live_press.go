package calltree

import (
	"time"

	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
)

// Press does what a key is for. quit asks for the end.
func (v *Live) Press(k Key) (quit bool) {
	v.said = ""
	switch {
	case k == "q" || k == keyInterupt:
		return true
	case v.ask != nil:
		v.answer(k)
	case k == keyTab && v.mode == logScreen, k == keyEscape && v.mode != treeScreen:
		v.mode = treeScreen
	case k == keyTab:
		v.mode, v.back = logScreen, 0
	case v.mode == logScreen:
		v.back = max(min(v.back-v.step(k), len(v.logs)), 0)
	case v.mode == detailScreen:
		v.detailTop = max(min(v.detailTop+v.step(k), v.detailLines()-1), 0)
	case k == keyEnter:
		v.open()
	case k == keyEscape:
		v.pick, v.follow = "", true
	case k == "f":
		v.failed = !v.failed
	case k == keyLeft, k == keyRight, k == " ":
		v.fold(k)
	case k == "c":
		v.cancel()
	case k == "r":
		v.again()
	default:
		v.move(v.step(k))
	}
	v.Tick(time.Now())
	return false
}

// step is how many lines a key goes down.
func (v *Live) step(k Key) int {
	const far = 1 << 20
	switch k {
	case keyUp:
		return -1
	case keyDown:
		return 1
	case keyPageUp:
		return -max(v.screen.lines-4, 1)
	case keyPageDown:
		return max(v.screen.lines-4, 1)
	case keyHome:
		return -far
	case keyEnd:
		return far
	}
	return 0
}

// open shows the selected call in detail.
func (v *Live) open() {
	if v.selected() < 0 {
		v.move(-1)
	}
	if v.selected() < 0 {
		return
	}
	v.mode, v.detailTop = detailScreen, 0
	v.load()
}

func (v *Live) detailLines() (n int) {
	for _, line := range v.detail {
		n += len(term.Wrapped(line, max(v.screen.columns, 1)))
	}
	return n
}
