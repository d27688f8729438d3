package dispatcherd

import (
	"bytes"
	"encoding/json"
)

// object is an object of JSON whose members keep their order, as those of answers do.
type object []member

type member struct {
	name  string
	value any
}

// raw is JSON as it stands, also with the words of Python that JSON does not know.
type raw []byte

// bytes is the object as text.
func (o object) bytes() []byte { return o.append(nil) }

func (o object) append(b []byte) []byte {
	b = append(b, '{')
	for i, m := range o {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = append(appendText(b, m.name), ": "...)
		b = appendValue(b, m.value)
	}
	return append(b, '}')
}

func appendText(b []byte, s string) []byte { return append(b, ascii(s)...) }

func appendValue(b []byte, v any) []byte {
	switch v := v.(type) {
	case object:
		return v.append(b)
	case raw:
		return append(b, v...)
	case json.RawMessage:
		return append(b, v...)
	case string:
		return appendText(b, v)
	case []any:
		b = append(b, '[')
		for i := range v {
			if i > 0 {
				b = append(b, ", "...)
			}
			b = appendValue(b, v[i])
		}
		return append(b, ']')
	case float64:
		text, _ := json.Marshal(v) // finite
		if !bytes.ContainsAny(text, ".e") {
			text = append(text, ".0"...)
		}
		return append(b, text...)
	}
	text, _ := json.Marshal(v) // numbers, truth, nothing
	return append(b, text...)
}
