package task

// End is how one of the tasks that another one depends on has ended, as that
// other one counts it.
type End int16

// The values are stored; never renumber them.
const (
	NotEnded   End = 0 // it has not ended
	EndedWell  End = 1 // it succeeded
	EndedBadly End = 2 // it failed, was canceled, or was erased before it ended
	EndedUnrun End = 3 // it was skipped: nobody needed it
)

// EndOf says how a task counts for those that depend on it. One that was
// canceled because of its own dependencies counts as they do.
func EndOf(s State, why Reason) End {
	switch {
	case s == Succeeded:
		return EndedWell
	case s == Canceled && why == Skipped:
		return EndedUnrun
	case s.Final():
		return EndedBadly
	}
	return NotEnded
}

// Verdict is what [Trigger] decides.
type Verdict int16

// The values are not stored.
const (
	StillWaits Verdict = iota // for more of them to end
	MayRun                    // it may run
	CannotRun                 // it can never run: it is canceled with the reason DependencyFailed
	NotNeeded                 // it can never run: it is canceled with the reason Skipped
)

// Reason is that of a task which can never run.
func (v Verdict) Reason() Reason {
	switch v {
	case CannotRun:
		return DependencyFailed
	case NotNeeded:
		return Skipped
	case StillWaits, MayRun:
	}
	return NoReason
}

// Trigger decides what becomes of a task that depends on total others, of which so
// many have ended in each way. One failure is enough for AllOK and for AnyFailed; all
// else needs the end of all, so that the verdict does not depend on who ended first.
func Trigger(when When, total, ok, failed, skipped int32) Verdict {
	done := ok+failed+skipped >= total
	switch when {
	case Always:
		if done {
			return MayRun
		}
	case AnyFailed:
		switch {
		case failed > 0:
			return MayRun
		case done:
			return NotNeeded
		}
	case AllOK:
		switch {
		case failed > 0:
			return CannotRun
		case done && skipped > 0: // not before: a failure after it would count for more
			return NotNeeded
		case done:
			return MayRun
		}
	}
	return StillWaits
}
