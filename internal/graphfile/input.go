package graphfile

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Input is something that a run can be told, or has to be.
type Input struct {
	Name        string
	Description string
	Type        string // string, number, boolean or list (of texts); default that of Default, or string
	Required    bool
	Default     any      // nil = none: then it is "", 0, false or an empty list
	OneOf       []string // the only values; none = any

	at position
}

var inputTypes = []string{"string", "number", "boolean", "list"}

// inputs reads a mapping of names to inputs; a plain value is the default of one.
func (r *reader) inputs(n *yaml.Node) []Input {
	var out []Input
	r.each(n, "inputs", func(key, value *yaml.Node) {
		out = append(out, r.input(key, value, "input "+quoted(key.Value)))
	})
	return out
}

func (r *reader) input(key, n *yaml.Node, what string) Input {
	in := Input{Name: key.Value, at: r.at(key)}
	var given *yaml.Node
	if n.Kind == yaml.MappingNode {
		r.mapping(n, what, map[string]field{
			"description": func(n *yaml.Node) { in.Description = r.plain(n, what+": description") },
			"type":        func(n *yaml.Node) { in.Type = r.plain(n, what+": type") },
			"required":    func(n *yaml.Node) { in.Required = r.boolean(n, what+": required") },
			"default":     func(n *yaml.Node) { given = n },
			"one_of": func(n *yaml.Node) {
				r.list(n, what+": one_of", func(item *yaml.Node) { in.OneOf = append(in.OneOf, r.plain(item, what+": one_of")) })
			},
		})
	} else if n.Tag != "!!null" {
		given = n
	}
	if in.Type == "" {
		in.Type = typeOf(given)
	}
	if !slices.Contains(inputTypes, in.Type) {
		r.wrong(n, "%s: type %q: want %s", what, in.Type, strings.Join(inputTypes, ", "))
		return in
	}
	if given == nil {
		return in
	}
	var value any
	if err := given.Decode(&value); err != nil {
		r.wrong(given, "%s: default: %v", what, err)
		return in
	}
	if in.Type == "string" && given.Kind == yaml.ScalarNode {
		value = given.Value // as it is written: 1.10 and yes are texts here
	}
	if in.Required {
		r.wrong(given, "%s: it is required and has a default: want one of the two", what)
	}
	var err error
	if in.Default, err = in.value(value); err != nil {
		r.wrong(given, "%s: default: %v", what, err)
	}
	return in
}

// typeOf is the type of an input that names none: that of its default.
func typeOf(n *yaml.Node) string {
	switch {
	case n == nil:
		return "string"
	case n.Kind == yaml.SequenceNode:
		return "list"
	case n.Tag == "!!int" || n.Tag == "!!float":
		return "number"
	case n.Tag == "!!bool":
		return "boolean"
	}
	return "string"
}

// Values returns the inputs of a run: those given, texts of a command line or values of
// JSON, and the defaults of the others.
func (f *File) Values(given map[string]any) (map[string]any, error) {
	var p problems
	out, names := map[string]any{}, []string(nil)
	for i := range f.Inputs {
		in := &f.Inputs[i]
		names = append(names, in.Name)
		value, ok := given[in.Name]
		switch {
		case !ok && in.Required:
			p.add(in.at, "input %q is required: give it with --input %s=VALUE", in.Name, in.Name)
		case !ok && in.Default != nil:
			out[in.Name] = in.Default
		case !ok:
			out[in.Name] = map[string]any{"string": "", "number": 0.0, "boolean": false, "list": []any{}}[in.Type]
		default:
			v, err := in.value(value)
			if err != nil {
				p.add(in.at, "input %q: %v", in.Name, err)
			}
			out[in.Name] = v
		}
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if !slices.Contains(names, name) {
			p.add(position{file: f.Path}, "no input %q%s", name, wanted(name, names))
		}
	}
	return out, p.err()
}

func wanted(name string, names []string) string {
	if near := nearest(name, names); near != "" {
		return near
	}
	if len(names) == 0 {
		return ": this graph has none"
	}
	return ": want " + strings.Join(names, ", ")
}

// value is what is given in the type of the input.
func (in *Input) value(given any) (any, error) {
	v, err := in.typed(given)
	if err != nil {
		return nil, err
	}
	if len(in.OneOf) == 0 {
		return v, nil
	}
	for _, each := range eachOf(v) {
		if !slices.Contains(in.OneOf, inText(each)) {
			return nil, fmt.Errorf("%q: want %s", inText(each), strings.Join(in.OneOf, ", "))
		}
	}
	return v, nil
}

func eachOf(v any) []any {
	if list, ok := v.([]any); ok {
		return list
	}
	return []any{v}
}

func (in *Input) typed(given any) (any, error) {
	switch v := given.(type) {
	case string:
		return in.ofText(v)
	case int:
		given = float64(v)
	case []any:
		if in.Type == "list" {
			return listOf(v)
		}
	}
	kind := map[bool]string{}
	_, number := given.(float64)
	_, truth := given.(bool)
	kind[number], kind[truth] = "number", "boolean"
	if want := kind[true]; want != "" && want == in.Type {
		return given, nil
	}
	return nil, fmt.Errorf("%s: want %s", inText(given), article(in.Type))
}

func (in *Input) ofText(v string) (any, error) {
	switch in.Type {
	case "number":
		n, err := strconv.ParseFloat(v, 64)
		if err != nil || math.IsNaN(n) || math.IsInf(n, 0) { // JSON has neither
			return nil, fmt.Errorf("%q: want a number", v)
		}
		return n, nil
	case "boolean":
		if v != "true" && v != "false" {
			return nil, fmt.Errorf("%q: want true or false", v)
		}
		return v == "true", nil
	case "list":
		return listOfText(v)
	}
	if strings.ContainsRune(v, 0) {
		return nil, errors.New("it has a zero byte: want a text without")
	}
	return v, nil
}

// listOfText reads a JSON list, or texts with commas between them.
func listOfText(v string) (any, error) {
	if strings.HasPrefix(v, "[") {
		var list []any
		if err := json.Unmarshal([]byte(v), &list); err != nil {
			return nil, fmt.Errorf("%q: want a JSON list of texts, or texts with commas between them", v)
		}
		return listOf(list)
	}
	list := []any{}
	for item := range strings.SplitSeq(v, ",") {
		if item = strings.TrimSpace(item); item != "" {
			list = append(list, item)
		}
	}
	return list, nil
}

// listOf is a list of texts: numbers become theirs.
func listOf(items []any) (any, error) {
	list := make([]any, len(items))
	for i, item := range items {
		switch item.(type) {
		case string, float64, int, bool:
			list[i] = inText(item)
		default:
			return nil, fmt.Errorf("%s: want a list of texts", inText(item))
		}
	}
	return list, nil
}

func article(kind string) string {
	if kind == "string" {
		return "a text"
	}
	return "a " + kind
}

func quoted(s string) string { return strconv.Quote(s) }
