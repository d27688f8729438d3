package task

import (
	"encoding/binary"
	"time"
)

// Callback is a task that is made when the task that carries it has ended, once for each
// of its runs.
type Callback struct {
	On       On
	Queue    string
	Priority int16
	Delay    time.Duration // from the end on
	Spec     Spec
	Payload  []byte // nil = {"task": the task that has ended}
}

// On says after which ends a callback is made.
type On int16

// The values are stored. Whoever waits for failure hears of a task that was canceled, too.
const (
	OnComplete On = 0 // after each
	OnSuccess  On = 1
	OnFailure  On = 2
)

// MaxCallback is how many bytes a callback may have in all: its target, what goes with
// it, and its payload.
const MaxCallback = 16 << 10

var onNames = map[On]string{OnComplete: "on_complete", OnSuccess: "on_success", OnFailure: "on_failure"}

// String is the name of the field that holds the callback.
func (o On) String() string { return onNames[o] }

// After tells whether a callback is made after an end.
func (o On) After(end End) bool {
	switch o {
	case OnSuccess:
		return end == EndedWell
	case OnFailure:
		return end == EndedBadly
	}
	return end != NotEnded
}

const (
	tagOn = iota + 1
	tagQueue
	tagPriority
	tagDelay
	tagSpec
	tagPayload
)

// Encode returns the stored form of c.
func (c *Callback) Encode() []byte {
	w := specWriter{}
	w.num(tagOn, int64(c.On))
	w.str(tagQueue, c.Queue)
	w.num(tagPriority, int64(c.Priority))
	w.num(tagDelay, int64(c.Delay))
	w.str(tagSpec, string(c.Spec.Encode()))
	w.str(tagPayload, string(c.Payload))
	return w.b
}

func decodeCallback(b []byte) (c Callback, err error) {
	err = eachField(b, func(tag byte, v []byte) error {
		num, _ := binary.Varint(v)
		switch tag {
		case tagOn:
			c.On = On(num)
		case tagQueue:
			c.Queue = string(v)
		case tagPriority:
			c.Priority = int16(num)
		case tagDelay:
			c.Delay = time.Duration(num)
		case tagPayload:
			c.Payload = v
		case tagSpec:
			spec, err := DecodeSpec(v)
			if err != nil {
				return err
			}
			c.Spec = *spec
		}
		return nil
	})
	return c, err
}
