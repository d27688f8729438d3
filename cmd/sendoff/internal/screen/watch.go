package screen

import (
	"context"
	"fmt"
	"time"
)

// Watch shows what draw returns, again and again, until q or Ctrl+C is pressed, ctx ends
// or draw fails. Lines that are wider than the terminal are cut by it. What was shown last
// is returned.
func Watch(ctx context.Context, every time.Duration, draw func(context.Context) ([]string, error)) ([]string, error) {
	lines, err := draw(ctx)
	if err != nil {
		return nil, err
	}
	s := New()
	if err := s.Enter(); err != nil {
		return lines, nil // nobody could end it
	}
	defer s.Leave()
	fmt.Fprint(s.out, "\x1b[?7l") // do not wrap
	defer fmt.Fprint(s.out, "\x1b[?7h")
	tick := time.NewTicker(every)
	defer tick.Stop()
	for keys := s.Keys(); ; {
		_, room := s.Size()
		shown := make([]string, room)
		copy(shown, lines)
		s.Show(shown)
		select {
		case <-ctx.Done():
			return lines, nil
		case k := <-keys:
			if k == "q" || k == KeyInterrupt || k == KeyEscape {
				return lines, nil
			}
		case <-tick.C:
			if lines, err = draw(ctx); err != nil {
				return nil, err
			}
		}
	}
}
