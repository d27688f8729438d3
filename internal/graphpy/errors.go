package graphpy

// Error is an exception of Python.
type Error struct {
	Type    string `json:"type"`    // the name of its class
	Message string `json:"message"` // its str(), which may be empty
	Stack   string `json:"trace"`   // its traceback, for people
}

func (e *Error) Error() string { return e.Message }

// ErrorType is the name of the exception's class.
func (e *Error) ErrorType() string { return e.Type }

// Trace is the traceback.
func (e *Error) Trace() string { return e.Stack }

// lost says that a process ended, or closed its channel, while it was needed.
type lost struct{}

func (lost) Error() string     { return "the Python process ended before the call did" }
func (lost) ErrorType() string { return "ProcessLost" }
