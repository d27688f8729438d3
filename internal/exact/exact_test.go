package exact_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/exact"
)

// own reads itself, as types of users do.
type own struct{ V any }

func (o *own) UnmarshalJSON(b []byte) error { return json.Unmarshal(b, &o.V) }

func TestNoNumberIsRoundedInSilence(t *testing.T) {
	const long = json.Number("9007199254740993")
	type order struct {
		ID    int64
		Any   any
		Nil   any
		Texts map[string]string
		Many  []map[string]any
		By    map[string]any
		At    *struct{ Any any }
		Kept  json.Number
		Own   own
		Float float64
	}
	var got order
	require.NoError(t, exact.Unmarshal([]byte(`{"ID":9007199254740993,"Any":[9007199254740993,1,null,"x",{"a":-9223372036854775808,"b":9223372036854775807}],"Nil":null,
		"Texts":{"a":"9007199254740993"},"Many":[{"n":18446744073709551615}],"By":{"n":9007199254740993,"m":9007199254740992,"f":1.5,"e":1e20,"g":0.12345678901234567},
		"At":{"Any":9007199254740993},"Kept":1,"Own":9007199254740993,"Float":9007199254740993}`), &got))
	require.Equal(t, order{
		ID:    9007199254740993,
		Any:   []any{long, 1.0, nil, "x", map[string]any{"a": -9223372036854775808.0, "b": json.Number("9223372036854775807")}},
		Texts: map[string]string{"a": "9007199254740993"},
		Many:  []map[string]any{{"n": json.Number("18446744073709551615")}},
		By:    map[string]any{"n": long, "m": 9007199254740992.0, "f": 1.5, "e": 1e20, "g": 0.12345678901234567},
		At:    &struct{ Any any }{long},
		Kept:  "1",
		Own:   own{9007199254740992.0}, // its own choice
		Float: 9007199254740992,
	}, got)

	var free any
	require.NoError(t, exact.Unmarshal([]byte(`{"n":1}`), &free))
	require.Equal(t, map[string]any{"n": 1.0}, free)
	require.NoError(t, exact.Unmarshal([]byte(`9007199254740993`), &free))
	require.Equal(t, long, free)
	require.ErrorContains(t, exact.Unmarshal([]byte(`{"n":9007199254740993`), &free), "unexpected end")
	require.ErrorContains(t, exact.Unmarshal([]byte(`{"ID":"9007199254740993"}`), &got), "ID of type int64")
}
