package task

import "fmt"

// When says what has to become of the tasks that another one depends on before that
// one runs.
type When int16

// The values are stored; never renumber them.
const (
	AllOK     When = 0 // all have succeeded
	Always    When = 1 // all have ended
	AnyFailed When = 2 // one of them has failed or was canceled
)

var whenNames = map[When]string{AllOK: "all_ok", Always: "always", AnyFailed: "any_failed"}

func (w When) String() string { return nameOf(whenNames, w, "when") }

// ParseWhen reads the name of a rule.
func ParseWhen(name string) (When, error) {
	if w, ok := valueOf(whenNames, name); ok {
		return w, nil
	}
	return 0, fmt.Errorf("%q: want all_ok, always or any_failed", name)
}
