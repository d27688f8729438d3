package term

import (
	"fmt"

	"github.com/sendoff-dev/sendoff"
)

// Progress is how far an attempt is, in a line.
func Progress(p *sendoff.Progress) string {
	text := fmt.Sprint(p.Done)
	if p.Total > 0 {
		text = fmt.Sprintf("%d of %d (%d %%)", p.Done, p.Total, int(100*float64(p.Done)/float64(p.Total)))
	}
	if p.Text != "" {
		text += ": " + Clean(p.Text)
	}
	return text
}
