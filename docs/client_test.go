package docs_test

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
)

var face = regexp.MustCompile("(?m)^\\| `client\\.(\\w*)\\.?` \\| (.*) \\|$")

func TestTheTableOfTheGoClientIsTheClient(t *testing.T) {
	text, err := os.ReadFile("api.md")
	require.NoError(t, err)
	got := map[string][]string{}
	for _, m := range face.FindAllStringSubmatch(string(text), -1) {
		got[m[1]] = regexp.MustCompile(`\w+`).FindAllString(m[2], -1)
		slices.Sort(got[m[1]])
	}
	client := reflect.TypeFor[sendoff.Client]()
	want := map[string][]string{"": methods(reflect.PointerTo(client))}
	for i := range client.NumField() {
		if f := client.Field(i); f.IsExported() {
			want[f.Name] = methods(f.Type)
		}
	}
	require.Equal(t, want, got)
}

func methods(t reflect.Type) (names []string) {
	for i := range t.NumMethod() {
		names = append(names, t.Method(i).Name)
	}
	return names // which reflect sorts
}
