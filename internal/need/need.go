// Package need tells at the start, and by name, what a part was not given that it
// cannot do without: otherwise it would be a nil that is called some day.
package need

import (
	"fmt"
	"reflect"
)

// Fields panics unless the fields of a Config with these names are set. It is a fault of
// whoever wires the parts, which no input brings about.
func Fields(config any, names ...string) {
	v := reflect.ValueOf(config)
	for _, name := range names {
		f := v.FieldByName(name)
		if !f.IsValid() {
			panic(fmt.Sprintf("%s has no field %s", v.Type(), name))
		}
		if f.IsZero() {
			panic(fmt.Sprintf("%s: %s is required", v.Type(), name))
		}
	}
}
