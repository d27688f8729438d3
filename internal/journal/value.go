package journal

import "google.golang.org/protobuf/types/known/anypb"

// Value is an encoded value: the two fields of an Any. The zero Value is none.
type Value struct {
	URL  string
	Data []byte
}

// FromAny returns the value that came over the wire.
func FromAny(a *anypb.Any) Value {
	if a == nil {
		return Value{}
	}
	return Value{a.GetTypeUrl(), a.GetValue()}
}

// Any returns the value for the wire; nil when there is none.
func (v Value) Any() *anypb.Any {
	if v.URL == "" {
		return nil
	}
	return &anypb.Any{TypeUrl: v.URL, Value: v.Data}
}
