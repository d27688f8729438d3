package store

import "time"

// CheckStatus is how a check of a database ended.
type CheckStatus string

// What a check says.
const (
	CheckOK   CheckStatus = "ok"
	CheckWarn CheckStatus = "warn" // it works, and somebody should know
	CheckFail CheckStatus = "fail" // tasks are lost, late or in danger
	CheckSkip CheckStatus = "skip" // it says nothing about this database, or was not made
)

// Check is what was found of one thing.
type Check struct {
	Name       string
	Status     CheckStatus
	Detail     string        // what was found
	Fix        string        // what to do about it; "" when there is nothing to do
	Repairable bool          // it can be repaired beside a server
	Repaired   bool          // it was
	Duration   time.Duration // that the check took
}

// Health is what was found of a database.
type Health struct {
	At       time.Time
	Database string // "sqlite" or "postgres"
	Checks   []Check
}

// Count is how many checks ended so.
func (h *Health) Count(s CheckStatus) (n int) {
	for i := range h.Checks {
		if h.Checks[i].Status == s {
			n++
		}
	}
	return n
}
