package graphfile

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// reader reads the nodes of a file and collects what is wrong with them.
type reader struct {
	file string
	problems
}

// wrong notes a mistake at a node.
func (r *reader) wrong(n *yaml.Node, format string, args ...any) {
	r.add(r.at(n), format, args...)
}

func (r *reader) at(n *yaml.Node) position { return position{r.file, n.Line} }

// document returns the root of a text, nil when there is none.
func (r *reader) document(text []byte) *yaml.Node {
	if len(text) > MaxFile {
		r.add(position{file: r.file}, "the file has more than %d MiB: want less", MaxFile>>20)
		return nil
	}
	var n yaml.Node
	if err := yaml.Unmarshal(text, &n); err != nil {
		r.syntax(err)
		return nil
	}
	if len(n.Content) == 0 {
		r.add(position{file: r.file}, "the file is empty: want a mapping with jobs")
		return nil
	}
	if loop := inItself(&n, map[*yaml.Node]bool{}); loop != nil {
		r.wrong(loop, "*%s stands within what it stands for: name something else", loop.Value)
		return nil
	}
	return n.Content[0]
}

// inItself returns an alias within its own anchor, nil when there is none. seen has true
// for the nodes on the way down, and false for those that are done.
func inItself(n *yaml.Node, seen map[*yaml.Node]bool) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		onTheWay, known := seen[n.Alias]
		if onTheWay {
			return n
		}
		if known {
			return nil
		}
		return inItself(n.Alias, seen)
	}
	seen[n] = true
	for _, below := range n.Content {
		if loop := inItself(below, seen); loop != nil {
			return loop
		}
	}
	seen[n] = false
	return nil
}

// syntax tells of a text that is no YAML, with the line that the parser names.
func (r *reader) syntax(err error) {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	at := position{file: r.file}
	if line, rest, ok := strings.Cut(strings.TrimPrefix(text, "line "), ": "); ok {
		if n, err := strconv.Atoi(line); err == nil {
			at.line, text = n, rest
			if strings.HasPrefix(rest, "did not find expected") {
				at.line++ // the library counts these from 0
			}
		}
	}
	r.add(at, "not YAML: %s", text)
}

// field reads the value of a key.
type field func(*yaml.Node)

// mapping reads a mapping whose keys are known.
func (r *reader) mapping(n *yaml.Node, what string, fields map[string]field) {
	r.each(n, what, func(key, value *yaml.Node) {
		if read, ok := fields[key.Value]; ok {
			if value.Tag == "!!null" {
				r.wrong(key, "%s: %s has no value: give it one, or leave it out", what, key.Value)
				return
			}
			read(value)
			return
		}
		known := slices.Sorted(maps.Keys(fields))
		r.wrong(key, "%s: unknown key %q%s", what, key.Value,
			cmp.Or(nearest(key.Value, known), ": want "+strings.Join(known, ", ")))
	})
}

// each calls f for the keys of a mapping, and says which are there twice. What is
// merged into it with "<<" comes where it has no key of its own.
func (r *reader) each(n *yaml.Node, what string, f func(key, value *yaml.Node)) {
	n = whole(n)
	if n.Kind != yaml.MappingNode {
		r.wrong(n, "%s: want a mapping of keys to values, have %s", what, kindOf(n))
		return
	}
	lines := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if key.Tag == "!!merge" {
			continue
		}
		if line, twice := lines[key.Value]; twice {
			r.wrong(key, "%s: %q is there twice, first in line %d: give each a name of its own", what, key.Value, line)
			continue
		}
		lines[key.Value] = key.Line
		f(key, whole(n.Content[i+1]))
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Tag == "!!merge" {
			r.merge(n.Content[i+1], what, lines, f)
		}
	}
}

func (r *reader) merge(from *yaml.Node, what string, have map[string]int, f func(key, value *yaml.Node)) {
	r.each(from, what, func(key, value *yaml.Node) {
		if _, own := have[key.Value]; !own {
			have[key.Value] = key.Line
			f(key, value)
		}
	})
}

// list calls f for the items of a sequence.
func (r *reader) list(n *yaml.Node, what string, f field) {
	if n.Kind != yaml.SequenceNode {
		r.wrong(n, "%s: want a list such as [a, b], have %s", what, kindOf(n))
		return
	}
	for _, item := range n.Content {
		f(whole(item))
	}
}

// plain is the text of a scalar, as it stands in the file.
func (r *reader) plain(n *yaml.Node, what string) string {
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		r.wrong(n, "%s: want a text, have %s", what, kindOf(n))
		return ""
	}
	if strings.ContainsRune(n.Value, 0) {
		r.wrong(n, "%s: it has a zero byte: want a text without", what)
	}
	return n.Value
}

// text is a text with places to fill in.
func (r *reader) text(n *yaml.Node, what string) Text {
	t, err := parseText(r.plain(n, what), r.at(n))
	if err != nil {
		r.wrong(n, "%s: %v", what, err)
	}
	return t
}

// texts is a list of them.
func (r *reader) texts(n *yaml.Node, what string) (out []Text) {
	r.list(n, what, func(item *yaml.Node) { out = append(out, r.text(item, what)) })
	return out
}

// pairs are names with texts.
func (r *reader) pairs(n *yaml.Node, what string) (out []Pair) {
	r.each(n, what, func(key, value *yaml.Node) {
		out = append(out, Pair{key.Value, r.text(value, what+": "+key.Value)})
	})
	return out
}

// whole number from least on.
func (r *reader) number(n *yaml.Node, what string, least int) int {
	v, err := strconv.Atoi(n.Value)
	if n.Kind != yaml.ScalarNode || n.Tag != "!!int" || err != nil || v < least {
		r.wrong(n, "%s: want a whole number from %d on, have %s", what, least, shown(n))
		return least
	}
	return v
}

// boolean is true or false.
func (r *reader) boolean(n *yaml.Node, what string) bool {
	if n.Kind != yaml.ScalarNode || n.Tag != "!!bool" {
		r.wrong(n, "%s: want true or false, have %s", what, shown(n))
	}
	return n.Value == "true"
}

// span is a length of time from least on.
func (r *reader) span(n *yaml.Node, what string, least time.Duration) time.Duration {
	d, err := Span(n.Value)
	switch {
	case n.Kind != yaml.ScalarNode || err != nil:
		r.wrong(n, "%s: want seconds such as 1.5, or a duration such as 500ms or 2m, have %s", what, shown(n))
	case d < least && least == 0:
		r.wrong(n, "%s: %s is negative: want 0 or more", what, n.Value)
	case d < least:
		r.wrong(n, "%s: %s: want more than 0", what, n.Value)
	}
	return d
}

// Span reads a length of time: a number of seconds, or what [time.ParseDuration] reads.
func Span(text string) (time.Duration, error) {
	const longest = 365 * 24 * time.Hour
	d, err := time.ParseDuration(text)
	if seconds, bad := strconv.ParseFloat(text, 64); bad == nil {
		if !(seconds > -longest.Seconds() && seconds < longest.Seconds()) {
			return 0, errors.New("want less than a year")
		}
		return time.Duration(seconds * float64(time.Second)), nil
	}
	if err == nil && d.Abs() > longest {
		return 0, errors.New("want less than a year")
	}
	return d, err
}

// whole follows an alias to what it stands for.
func whole(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// kindOf is what a node is, for people.
func kindOf(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Tag == "!!null":
		return "nothing"
	}
	return "a " + map[string]string{"!!str": "text", "!!int": "number", "!!float": "number", "!!bool": "truth value"}[n.Tag]
}

// shown is a scalar as it stands in the file, or its kind.
func shown(n *yaml.Node) string {
	if n.Kind == yaml.ScalarNode && n.Tag != "!!null" {
		return fmt.Sprintf("%.40q", n.Value)
	}
	return kindOf(n)
}
