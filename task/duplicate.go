package task

import "fmt"

// OnDuplicate says what becomes of a task while others of the same duplicate key
// have not ended.
type OnDuplicate int16

// The values are stored; never renumber them.
const (
	Parallel         OnDuplicate = 0 // runs beside them
	Serial           OnDuplicate = 1 // waits until it is its turn
	Discard          OnDuplicate = 2 // is not stored
	QueueOne         OnDuplicate = 3 // waits, when nobody else waits; otherwise it is not stored
	ReplaceDuplicate OnDuplicate = 4 // cancels them
)

var duplicateNames = map[OnDuplicate]string{
	Parallel: "parallel", Serial: "serial", Discard: "discard", QueueOne: "queue_one", ReplaceDuplicate: "replace",
}

func (d OnDuplicate) String() string { return nameOf(duplicateNames, d, "on_duplicate") }

// ParseOnDuplicate reads the name of a rule for duplicates.
func ParseOnDuplicate(name string) (OnDuplicate, error) {
	if d, ok := valueOf(duplicateNames, name); ok {
		return d, nil
	}
	return 0, fmt.Errorf("%q: want parallel, serial, discard, queue_one or replace", name)
}

// Admission is what a rule for duplicates decides.
type Admission int16

// The values are not stored.
const (
	Admitted Admission = iota + 1 // it may run
	InLine                        // it waits
	Dropped                       // it is not carried out
	Replaces                      // it takes the place of all that are there, which are canceled
)

// Admit decides what becomes of a task when inside others of its duplicate key run or
// may run, and inLine others wait. It is the rule wherever duplicates are looked for.
func Admit(rule OnDuplicate, inside, inLine int) Admission {
	switch free := inside == 0 && inLine == 0; {
	case free || rule == Parallel:
		return Admitted
	case rule == Discard, rule == QueueOne && inLine > 0:
		return Dropped
	case rule == ReplaceDuplicate:
		return Replaces
	}
	return InLine
}
