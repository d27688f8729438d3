package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

	"github.com/sendoff-dev/sendoff/task"
)

// Lists and objects of a request are counted while they are decoded, and the
// rest of what is too long is not looked at: a few bytes of JSON can take many
// of memory.

// batchTasks is at most task.MaxBatch tasks.
type batchTasks []CreateRequest

// UnmarshalJSON implements json.Unmarshaler.
func (t *batchTasks) UnmarshalJSON(text []byte) error {
	*t = nil
	return each(text, '[', reflect.TypeFor[batchTasks](), func(d *json.Decoder) error {
		i := len(*t)
		if i == task.MaxBatch {
			return task.Invalid{{Field: "tasks", Message: fmt.Sprintf("has more than %d entries: want 1 to %[1]d", task.MaxBatch)}}
		}
		*t = append(*t, CreateRequest{})
		err := d.Decode(&(*t)[i])
		if err == nil {
			return nil
		}
		if bad := faultsOf(err); bad != nil {
			var placed task.Invalid
			placed.Join(fmt.Sprintf("tasks[%d].", i), bad)
			return placed
		}
		return err
	})
}

// maxTexts is how many entries of an object are decoded. The rooms allow fewer.
const maxTexts = 100

// texts is an object with text values.
type texts map[string]string

// UnmarshalJSON implements json.Unmarshaler.
func (t *texts) UnmarshalJSON(text []byte) error {
	*t = nil
	out := map[string]string{}
	err := each(text, '{', reflect.TypeFor[texts](), func(d *json.Decoder) error {
		key, err := d.Token()
		if err != nil {
			return err
		}
		var value string
		err = d.Decode(&value)
		if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			e.Field = key.(string)
		}
		if out[key.(string)] = value; len(out) > maxTexts {
			return &json.UnmarshalTypeError{Value: fmt.Sprintf("object with more than %d entries", maxTexts), Type: reflect.TypeFor[texts]()}
		}
		return err
	})
	*t = out
	return err
}

// each calls next for each element of a list or an object that begins with open.
func each(text []byte, open json.Delim, want reflect.Type, next func(*json.Decoder) error) error {
	if string(text) == "null" {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if first, err := d.Token(); err != nil || first != open {
		return &json.UnmarshalTypeError{Value: kindOf(text), Type: want}
	}
	for d.More() {
		if err := next(d); err != nil {
			return err
		}
	}
	return nil
}

// kindOf names the kind of a JSON value.
func kindOf(text []byte) string {
	switch text[0] {
	case '{':
		return "object"
	case '[':
		return "array"
	case '"':
		return "string"
	case 't', 'f':
		return "bool"
	case 'n':
		return "null"
	}
	return "number"
}
