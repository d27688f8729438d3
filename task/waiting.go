package task

// WaitCause says what a task that has not ended waits for.
type WaitCause string

// What tasks wait for.
const (
	WaitDue      WaitCause = "due"      // its time: a first run, a retry, a snooze
	WaitPaused   WaitCause = "paused"   // the end of its queue's pause
	WaitNoNode   WaitCause = "no_node"  // a node that can carry it out, or that makes due what is due
	WaitLine     WaitCause = "line"     // those ahead of it, or a free slot
	WaitEndpoint WaitCause = "endpoint" // its target, which takes no more now, or lets nothing in
	WaitMismatch WaitCause = "mismatch" // code that fits what the function has recorded
	WaitCalls    WaitCause = "calls"    // calls of the function that have not ended
	WaitTimer    WaitCause = "timer"    // a time that the function set itself
	WaitSignal   WaitCause = "signal"   // a signal to the function

	WaitQueueLimit   WaitCause = "queue_limit"  // room under the setting of its queue
	WaitLimit        WaitCause = "limit"        // room under a limit that it names, or its turn under a rate
	WaitOrder        WaitCause = "order"        // others with its order key
	WaitDuplicate    WaitCause = "duplicate"    // others with its duplicate key
	WaitDependencies WaitCause = "dependencies" // tasks that it depends on
)
