package accept

import (
	"fmt"

	"github.com/sendoff-dev/sendoff/task"
)

const maxOrderKey = 200 // bytes, of a duplicate key as well

// MayWait tells whether a task may have to wait for others.
func MayWait(s *task.Spec) bool {
	return len(s.Limits) > 0 || s.OrderKey != "" || s.OnDuplicate != task.Parallel || len(s.DependsOn) > 0
}

// checkWaits checks what a task is to wait for.
func checkWaits(bad *task.Invalid, s *task.Spec) {
	task.CheckLimits(bad, s.Limits)
	bad.CheckText("order_key", s.OrderKey, maxOrderKey)
	bad.CheckText("duplicate_key", s.DuplicateKey, maxOrderKey)
	if s.DuplicateKey != "" && s.OnDuplicate == task.Parallel {
		bad.Add("duplicate_key", "belongs to on_duplicate, which is parallel unless it says serial, discard, queue_one or replace")
	}
	if len(s.DependsOn) > MaxDependencies {
		bad.Add("depends_on", "has %d entries: at most %d are allowed", len(s.DependsOn), MaxDependencies)
		return
	}
	for i, id := range s.DependsOn {
		field := fmt.Sprintf("depends_on[%d]", i)
		switch id {
		case "":
			bad.Add(field, "is empty: want the id of a task")
		case s.ClientID:
			bad.Add(field, "is the id of this task, which cannot wait for itself")
		default:
			bad.CheckName(field, id, maxID)
		}
	}
	if s.When != task.AllOK && len(s.DependsOn) == 0 {
		bad.Add("when", "belongs to depends_on: name the tasks that have to end first, or leave it out")
	}
}
