package store

import "github.com/sendoff-dev/sendoff/task"

// AttemptRow is the record of an attempt that ended.
type AttemptRow struct {
	Token      int64
	Run        int32
	Number     int32 // of the attempt within its run, from 1
	Node       task.ID
	StartedAt  int64
	FinishedAt int64
	Outcome    task.Class
	Code       int32
	Error      string
	Cause      task.Cause
	Answer     task.Answer
	LeftOut    int64 // how many attempts between the one before and this one are not kept
}

// Of the attempts of a task the first and the last ones are kept.
const (
	KeptFirst = 10
	KeptLast  = 90
)

// Kept leaves those out of the attempts of a task, oldest first, that are not
// kept. The one behind the gap tells how many they were.
func Kept(attempts []AttemptRow) []AttemptRow {
	gap := len(attempts) - KeptFirst - KeptLast
	if gap <= 0 {
		return attempts
	}
	kept := append([]AttemptRow(nil), attempts[:KeptFirst]...)
	rest := append([]AttemptRow(nil), attempts[KeptFirst+gap:]...)
	for _, a := range attempts[KeptFirst : KeptFirst+gap] {
		rest[0].LeftOut += 1 + a.LeftOut
	}
	return append(kept, rest...)
}

// ManyAttempts tells whether a task with this token can have more attempts than
// are kept: each has a token of its own.
func ManyAttempts(token int64) bool { return token > KeptFirst+KeptLast }
