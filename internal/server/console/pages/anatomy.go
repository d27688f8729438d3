package pages

import (
	"fmt"
	"time"

	"github.com/sendoff-dev/sendoff"
)

// pushPart is a phase of a push as it is drawn, on a width of 600.
type pushPart struct {
	name    string
	took    time.Duration
	open    bool // it did not end
	x, wide string
}

// partWords say what the phases are.
var partWords = map[string]string{
	"dns": "name looked up", "connect": "connected", "tls": "TLS handshake", "first_byte": "request sent, first byte of the answer", "body": "rest of the answer",
}

// partsOf are the phases that a push had.
func partsOf(a *sendoff.Attempt) (parts []pushPart) {
	p := a.Phases
	whole := p.DNS + p.Connect + p.TLS + p.FirstByte + p.Body
	at := time.Duration(0)
	for _, one := range []pushPart{{name: "dns", took: p.DNS}, {name: "connect", took: p.Connect}, {name: "tls", took: p.TLS}, {name: "first_byte", took: p.FirstByte}, {name: "body", took: p.Body}} {
		if one.took == 0 {
			continue
		}
		one.open = a.FailedIn == one.name
		one.x = fmt.Sprintf("%.1f", 600*at.Seconds()/whole.Seconds())
		one.wide = fmt.Sprintf("%.1f", 600*one.took.Seconds()/whole.Seconds())
		at += one.took
		parts = append(parts, one)
	}
	return parts
}

func (p *pushPart) words() string {
	if p.open {
		return partWords[p.name] + ": did not come to its end"
	}
	return partWords[p.name]
}

func (p *pushPart) class() string {
	switch {
	case p.open:
		return "p-bad"
	case p.name == "first_byte":
		return "p-busy"
	case p.name == "body":
		return "p-good"
	case p.name == "connect":
		return "p-between"
	}
	return "p-waiting"
}

// exactSpan is a duration to the hundredth of a millisecond.
func exactSpan(d time.Duration) string { return d.Round(10 * time.Microsecond).String() }
