package exec

// Meter counts what executors hold back from the endpoints of one kind of task. Why is a
// word of a small closed set, as internal/exec/pace has them.
type Meter interface {
	Slowed(why string) // an endpoint gets half as many attempts at a time
	Paused(why string) // an endpoint is left alone
	PutOff()           // a task, without an attempt
}

// Unmetered counts nothing.
type Unmetered struct{}

// Slowed implements Meter.
func (Unmetered) Slowed(string) {}

// Paused implements Meter.
func (Unmetered) Paused(string) {}

// PutOff implements Meter.
func (Unmetered) PutOff() {}
