package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

	"github.com/sendoff-dev/sendoff/task"
)

// batchTasks says in which task a fault is.
type batchTasks []CreateRequest

// UnmarshalJSON implements json.Unmarshaler.
func (t *batchTasks) UnmarshalJSON(text []byte) (err error) {
	*t, err = listOf[batchTasks](text, "tasks")
	return err
}

// listOf reads a list, and says in which of its entries a fault is.
func listOf[L ~[]E, E any](text []byte, name string) (list L, err error) {
	if string(text) == "null" {
		return nil, nil
	}
	d := json.NewDecoder(bytes.NewReader(text))
	if first, err := d.Token(); err != nil || first != json.Delim('[') {
		return nil, &json.UnmarshalTypeError{Value: kindOf(text), Type: reflect.TypeFor[L]()}
	}
	list = L{} // and not what stands for none
	for i := 0; d.More(); i++ {
		var entry E
		err := d.Decode(&entry)
		if list = append(list, entry); err == nil {
			continue
		}
		if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && e.Field == "" {
			e.Field = fmt.Sprintf("%s[%d]", name, i)
			return list, faultsOf(e)
		}
		if bad := faultsOf(err); bad != nil {
			var placed task.Invalid
			placed.Join(fmt.Sprintf("%s[%d].", name, i), bad)
			return list, placed
		}
		return list, err
	}
	return list, nil
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
