package console

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/sendoff-dev/sendoff/internal/server/problem"
)

// The bounds of a filter as it is typed.
const (
	mostFilter = 2 << 10 // bytes
	mostTerms  = 32
)

// parseFilter makes parameters of the API of what is typed into the box: terms such as
// state:failed,canceled queue:mail label.customer:7 error:"timed out"; a - before one
// selects all others. A word alone is a part of the error.
func parseFilter(text string) (url.Values, error) {
	if len(text) > mostFilter {
		return nil, wrong("the filter is longer than %d bytes", mostFilter)
	}
	terms, err := splitTerms(text)
	if err != nil {
		return nil, err
	}
	if len(terms) > mostTerms {
		return nil, wrong("the filter has %d terms: want %d at most", len(terms), mostTerms)
	}
	q := url.Values{}
	for _, term := range terms {
		name, value, named := strings.Cut(term, ":")
		if !named {
			name, value = "error", term
		}
		if name = strings.TrimSpace(name); name == "" || value == "" {
			return nil, wrong("%q is no term: want field:value, such as state:failed", term)
		}
		if rest, not := strings.CutPrefix(name, "-"); not {
			name = rest + "!"
		}
		if repeats(name) {
			q[name] = append(q[name], strings.Split(value, ",")...)
			continue
		}
		q.Add(name, value)
	}
	return q, nil
}

func wrong(format string, args ...any) error {
	return problem.New(http.StatusUnprocessableEntity, "invalid_request", fmt.Sprintf(format, args...))
}

// repeats tells whether a field takes several values with commas between.
func repeats(name string) bool {
	return slices.Contains([]string{"state", "queue", "kind", "reason", "code", "last_status", "priority", "node"}, strings.TrimSuffix(name, "!"))
}

// splitTerms cuts at spaces that are not within quotes.
func splitTerms(text string) (terms []string, err error) {
	var term strings.Builder
	quoted, any := false, false
	for _, c := range text {
		switch {
		case c == '"':
			quoted, any = !quoted, true
		case c == ' ' && !quoted || c == '\n' || c == '\t':
			if any {
				terms = append(terms, term.String())
			}
			term.Reset()
			any = false
		default:
			term.WriteRune(c)
			any = true
		}
	}
	if quoted {
		return nil, wrong(`a " is not closed`)
	}
	if any {
		terms = append(terms, term.String())
	}
	return terms, nil
}

// notSelecting are the parameters of a listing that select nothing.
var notSelecting = []string{"sort", "count", "limit", "cursor", "filter", "did"}

// selecting is the part of a query that selects.
func selecting(q url.Values) url.Values {
	out := url.Values{}
	for name, values := range q {
		if !slices.Contains(notSelecting, name) {
			out[name] = values
		}
	}
	return out
}

// filterText is what would be typed for a query.
func filterText(q url.Values) string {
	var terms []string
	for name, values := range selecting(q) {
		shown := name
		if rest, not := strings.CutSuffix(name, "!"); not {
			shown = "-" + rest
		}
		if repeats(name) {
			values = []string{strings.Join(values, ",")}
		}
		for _, v := range values {
			if strings.ContainsAny(v, " \t\n") {
				v = `"` + v + `"`
			}
			terms = append(terms, shown+":"+v)
		}
	}
	slices.Sort(terms)
	return strings.Join(terms, " ")
}
