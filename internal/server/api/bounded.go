package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/sendoff-dev/sendoff/task"
)

// batchTasks says in which task a fault is.
type batchTasks []CreateRequest

// UnmarshalJSON implements json.Unmarshaler.
func (t *batchTasks) UnmarshalJSON(text []byte) error {
	*t = nil
	if string(text) == "null" {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(text))
	if first, err := d.Token(); err != nil || first != json.Delim('[') {
		return &json.UnmarshalTypeError{Value: kindOf(text), Type: reflect.TypeFor[batchTasks]()}
	}
	for i := 0; d.More(); i++ {
		*t = append(*t, CreateRequest{})
		err := d.Decode(&(*t)[i])
		if err == nil {
			continue
		}
		if bad := faultsOf(err); bad != nil {
			var placed task.Invalid
			placed.Join(fmt.Sprintf("tasks[%d].", i), bad)
			return placed
		}
		return err
	}
	return nil
}

// texts is an object with text values.
type texts map[string]string

// maxTexts is how many entries one may have before it is decoded. The rooms allow
// fewer.
const maxTexts = 100

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
