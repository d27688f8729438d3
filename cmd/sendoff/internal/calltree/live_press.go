package calltree

import (
	"time"

	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/screen"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
)

// Press does what a key is for. quit asks for the end.
func (v *Live) Press(k screen.Key) (quit bool) {
	v.said = ""
	switch {
	case k == "q" || k == screen.KeyInterrupt:
		return true
	case v.ask != nil:
		v.answer(k)
	case k == screen.KeyTab && v.mode == logScreen, k == screen.KeyEscape && v.mode != treeScreen:
		v.mode = treeScreen
	case k == screen.KeyTab:
		v.mode, v.back = logScreen, 0
	case v.mode == logScreen:
		v.back = max(min(v.back-v.step(k), len(v.logs)), 0)
	case v.mode == detailScreen:
		v.detailTop = max(min(v.detailTop+v.step(k), v.detailLines()-1), 0)
	case k == screen.KeyEnter:
		v.open()
	case k == screen.KeyEscape:
		v.pick, v.follow = "", true
	case k == "f":
		v.failed = !v.failed
	case k == screen.KeyLeft, k == screen.KeyRight, k == " ":
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
func (v *Live) step(k screen.Key) int {
	const far = 1 << 20
	switch k {
	case screen.KeyUp:
		return -1
	case screen.KeyDown:
		return 1
	case screen.KeyPageUp:
		return -max(v.screen.Lines-4, 1)
	case screen.KeyPageDown:
		return max(v.screen.Lines-4, 1)
	case screen.KeyHome:
		return -far
	case screen.KeyEnd:
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
		n += len(term.Wrapped(line, max(v.screen.Columns, 1)))
	}
	return n
}
