package graphfile

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Text is a text with places to fill in: `--name=${inputs.name}`. What is filled in is
// never read as code or as a further place.
type Text struct {
	Raw   string // as it is written
	parts []part
	at    position
}

// part is a piece of a text: as it stands, or a place.
type part struct {
	fixed string
	scope scope // "" = fixed
	name  string
}

// scope is where a value comes from.
type scope string

// The scopes. The first two are known when the graph is made, the others when a call
// begins.
const (
	ofInputs  scope = "inputs"
	ofMatrix  scope = "matrix"
	ofLocal   scope = "local"
	ofShared  scope = "shared"
	ofResults scope = "results"
	ofCall    scope = "call" // ${attempt}, ${job}
)

var scopes = []scope{ofInputs, ofMatrix, ofLocal, ofShared, ofResults}

// callNames are the places without a scope.
var callNames = []string{"attempt", "job"}

const placesHelp = "want ${inputs.NAME}, ${matrix.NAME}, ${local.NAME}, ${shared.NAME}, ${results.JOB}, ${attempt} or ${job}; $${ stands for ${ itself"

// parseText finds the places of a text.
func parseText(raw string, at position) (Text, error) {
	t := Text{Raw: raw, at: at}
	fixed := ""
	for rest := raw; ; {
		before, after, found := strings.Cut(rest, "${")
		fixed += before
		if !found {
			break
		}
		if strings.HasSuffix(before, "$") {
			fixed, rest = fixed[:len(fixed)-1]+"${", after
			continue
		}
		place, after, closed := strings.Cut(after, "}")
		if !closed {
			return t, fmt.Errorf("%q: a ${ without its }", raw)
		}
		p, err := parsePlace(place)
		if err != nil {
			return t, err
		}
		t.parts = append(t.parts, part{fixed: fixed}, p)
		fixed, rest = "", after
	}
	t.parts = append(t.parts, part{fixed: fixed})
	return t, nil
}

func parsePlace(place string) (part, error) {
	if slices.Contains(callNames, place) {
		return part{scope: ofCall, name: place}, nil
	}
	of, name, _ := strings.Cut(place, ".")
	if name == "" || !slices.Contains(scopes, scope(of)) {
		return part{}, fmt.Errorf("${%s}: %s", place, placesHelp)
	}
	return part{scope: scope(of), name: name}, nil
}

// places calls f for each place of a scope.
func (t *Text) places(of scope, f func(name string)) {
	for _, p := range t.parts {
		if p.scope == of {
			f(p.name)
		}
	}
}

// values gives the value of a place; false = it is not known yet.
type values func(of scope, name string) (any, bool)

// fill puts in what is known and leaves the other places.
func (t *Text) fill(v values) Text {
	out := Text{Raw: t.Raw, at: t.at, parts: make([]part, len(t.parts))}
	for i, p := range t.parts {
		if value, ok := v(p.scope, p.name); ok && p.scope != "" {
			p = part{fixed: inText(value)}
		}
		out.parts[i] = p
	}
	return out
}

// String is the text with all places filled in; the error names one that is not.
func (t *Text) String(v values) (string, error) {
	var b strings.Builder
	for _, p := range t.parts {
		if p.scope == "" {
			b.WriteString(p.fixed)
			continue
		}
		value, ok := v(p.scope, p.name)
		if !ok {
			return "", &CallError{Kind: "MissingValue", Text: fmt.Sprintf("there is no %s.%s yet", p.scope, p.name)}
		}
		b.WriteString(inText(value))
	}
	return b.String(), nil
}

// inText is a value within a text: JSON, but texts as they are.
func inText(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case nil:
		return ""
	}
	b, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(b)
}
