package task

import (
	"strconv"
	"strings"
	"time"
)

// AnatomyHeader keeps the [Anatomy] of a push beside its answer.
const AnatomyHeader = ":push"

// Phase is a part of a push: each begins when the one before it has ended.
type Phase uint8

// The phases. A connection that was kept from an earlier push has none of the first three.
const (
	PhaseDNS       Phase = iota // the name is looked up
	PhaseConnect                // TCP
	PhaseTLS                    // the handshake
	PhaseFirstByte              // the request goes out, the app works, the first byte of its answer comes
	PhaseBody                   // the rest of the answer comes
	Phases                      // how many there are; also none of them
)

var phaseNames = [Phases]string{"dns", "connect", "tls", "first_byte", "body"}

// String is the name of the phase in the API; "" for none.
func (p Phase) String() string {
	if p >= Phases {
		return ""
	}
	return phaseNames[p]
}

// Anatomy is what a push met on its way.
type Anatomy struct {
	Address  string                // that was connected, an IP address with its port; "" = none
	Reused   bool                  // the connection was there already
	Took     [Phases]time.Duration // to the microsecond; 0 = there was no such phase
	FailedIn Phase                 // the phase that did not end; [Phases] = all have
}

// phaseMarks are the first letters of the stored form, in the order of the phases.
const phaseMarks = "dctfb"

// Header is the stored form: words such as `c83 f5400 b12 @127.0.0.1:9000`, of which each
// says by its first letter what it is. Who reads it passes over those he does not know.
func (a *Anatomy) Header() Header {
	b := make([]byte, 0, 64)
	for p, took := range a.Took {
		if took > 0 {
			b = strconv.AppendInt(append(b, phaseMarks[p]), max(took.Microseconds(), 1), 10)
			b = append(b, ' ')
		}
	}
	if a.FailedIn < Phases {
		b = append(b, '!', phaseMarks[a.FailedIn], ' ')
	}
	if a.Reused {
		b = append(b, 'r', ' ')
	}
	if a.Address != "" {
		b = append(append(b, '@'), a.Address...)
	}
	return Header{AnatomyHeader, strings.TrimRight(string(b), " ")}
}

// Anatomy is that of the push that brought the answer, or no answer; ok tells whether it
// is known.
func (a Answer) Anatomy() (v Anatomy, ok bool) {
	v.FailedIn = Phases
	for _, h := range a.Header {
		if h.Name == AnatomyHeader {
			for word := range strings.FieldsSeq(h.Value) {
				v.read(word[0], word[1:])
			}
			return v, true
		}
	}
	return v, false
}

func (a *Anatomy) read(mark byte, rest string) {
	switch mark {
	case '@':
		a.Address = rest
	case 'r':
		a.Reused = rest == ""
	case '!':
		if p := strings.Index(phaseMarks, rest); len(rest) == 1 && p >= 0 {
			a.FailedIn = Phase(p)
		}
	default:
		us, err := strconv.ParseInt(rest, 10, 64)
		if p := strings.IndexByte(phaseMarks, mark); p >= 0 && err == nil && us > 0 && us < int64(MaxTimeout/time.Microsecond)*2 {
			a.Took[p] = time.Duration(us) * time.Microsecond
		}
	}
}
