package task

// Cause says why an attempt got no answer, for whoever has to tell such failures
// apart: its error is for people, and its words may change.
type Cause int16

// The values are stored; never renumber them.
const (
	NoCause      Cause = 0 // there was an answer, or none of the others fits
	CauseRefused Cause = 1 // nobody listens there
	CauseReset   Cause = 2 // the connection was closed before the end of the answer
	CauseTimeout Cause = 3 // no connection, or no whole answer, in time
	CauseDNS     Cause = 4 // the host name could not be resolved
	CauseTLS     Cause = 5 // no secure connection could be made
	CauseMemory  Cause = 6 // its process was ended for want of memory
)

var causeNames = map[Cause]string{
	NoCause: "", CauseRefused: "refused", CauseReset: "reset", CauseTimeout: "timeout", CauseDNS: "dns", CauseTLS: "tls", CauseMemory: "memory",
}

func (c Cause) String() string { return nameOf(causeNames, c, "cause") }
