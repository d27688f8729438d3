package task

// Mailbox counts the messages to a function: those that came, those that are used up,
// and how many of them end its wait. It is made with the first message or the first
// wait, and kept until the task is erased. What the messages say is kept elsewhere, by
// their numbers.
type Mailbox struct {
	Epoch  int32 // rises when the function begins anew; results of calls of an earlier one are dropped
	Total  int64 // messages that ever came
	Seen   int64 // messages used up
	Open   int64 // calls whose results are not used up
	Need   int32 // while suspended: messages beyond Seen that end it; MailboxOver = the task has ended
	Writer int64 // token of the attempt that suspended it last
	Alarm  int64 // number of the last message that was urgent, or of one that is used up
	Prompt bool  // while suspended: an urgent message beyond Seen ends it alone
}

// MailboxOver is the Need of a task that has ended: what comes then is dropped.
const MailboxOver int32 = -1

// Put counts a message and returns its number. Numbers rise from 1 in the order of
// arrival.
func (m *Mailbox) Put(urgent bool) int64 {
	m.Total++
	if urgent {
		m.Alarm = m.Total
	}
	return m.Total
}

// Suspend has the function wait, from the attempt with this token on. Messages up to
// seen are used up, and those that were before; it returns up to which. Messages that
// are told by the way are put in after it.
func (m *Mailbox) Suspend(token, seen, open int64, need int32, prompt bool) (usedUp int64) {
	m.Seen, m.Open, m.Need, m.Prompt, m.Writer = max(m.Seen, seen), open, need, prompt, token
	return m.Seen
}

// Met tells whether what a suspended function waits for is there.
func (m *Mailbox) Met() bool {
	return m.Total-m.Seen >= int64(m.Need) || m.Prompt && m.Alarm > m.Seen
}

// Takes tells whether the result of a call that was made in an epoch is still taken.
func (m *Mailbox) Takes(epoch int32) bool { return m.Need != MailboxOver && m.Epoch == epoch }

// Reset begins the next epoch, before which an attempt used up messages up to seen.
// What is left are signals with a number above usedUp. They are to be put in again, in
// their order, after those that the next epoch is told first.
func (m *Mailbox) Reset(seen int64) (usedUp int64) {
	usedUp = min(max(seen, m.Seen), m.Total)
	*m = Mailbox{Epoch: m.Epoch + 1, Total: m.Total, Seen: m.Total, Alarm: m.Total}
	return usedUp
}

// End says that the task has ended: nothing is taken any more.
func (m *Mailbox) End() { m.Need = MailboxOver }
