// Package exact decodes JSON for Go values of the user's own types.
package exact

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
)

// Unmarshal is json.Unmarshal without its silent rounding: a number that goes
// into an interface is a float64, as ever, but an integer that no float64 holds,
// such as 9007199254740993, is a [json.Number].
func Unmarshal(text []byte, into any) error {
	if !hasLongNumber(text) || !json.Valid(text) {
		return json.Unmarshal(text, into)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		return err
	}
	settle(reflect.ValueOf(into))
	return nil
}

// hasLongNumber tells whether there are so many digits in a row that a float64
// may not hold them.
func hasLongNumber(text []byte) bool {
	run := 0
	for _, c := range text {
		if c < '0' || c > '9' {
			run = 0
		} else if run++; run > 15 {
			return true
		}
	}
	return false
}

// settle looks for interfaces in a decoded value, and gives their numbers their
// types.
func settle(v reflect.Value) {
	if v.CanAddr() {
		if _, own := reflect.TypeAssert[json.Unmarshaler](v.Addr()); own {
			return
		}
	}
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			settle(v.Elem())
		}
	case reflect.Interface:
		if !v.IsNil() && v.NumMethod() == 0 && v.CanSet() {
			v.Set(reflect.ValueOf(settled(v.Interface())))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				settle(v.Field(i))
			}
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			settle(v.Index(i))
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			e := reflect.New(v.Type().Elem()).Elem()
			e.Set(v.MapIndex(key))
			settle(e)
			v.SetMapIndex(key, e)
		}
	}
}

// settled is what an interface holds after decoding, with its numbers settled.
func settled(v any) any {
	switch v := v.(type) {
	case json.Number:
		return number(v)
	case map[string]any:
		for key, e := range v {
			v[key] = settled(e)
		}
	case []any:
		for i, e := range v {
			v[i] = settled(e)
		}
	}
	return v
}

// number is a float64 where that says the same.
func number(n json.Number) any {
	f, err := n.Float64()
	if err != nil || !strings.ContainsAny(n.String(), ".eE") && strconv.FormatFloat(f, 'f', 0, 64) != n.String() {
		return n
	}
	return f
}
