package graphfile

import (
	"go.yaml.in/yaml/v3"
)

// Tree is a JSON value whose texts have places to fill in. A text that is one place and
// nothing else becomes the value itself, of whatever type.
type Tree struct{ root any } // Text, map[string]any, []any, or a plain value

func (r *reader) tree(n *yaml.Node, what string, kind yaml.Kind) *Tree {
	if kind != 0 && n.Kind != kind {
		r.wrong(n, "%s: want %s, have %s", what, kindOf(&yaml.Node{Kind: kind}), kindOf(n))
		return nil
	}
	var plain any // which also refuses aliases that grow without bounds
	if err := n.Decode(&plain); err != nil {
		r.wrong(n, "%s: %v", what, err)
		return nil
	}
	return &Tree{r.branch(plain, what, r.at(n))}
}

func (r *reader) branch(v any, what string, at position) any {
	switch v := v.(type) {
	case string:
		t, err := parseText(v, at)
		if err != nil {
			r.add(at, "%s: %v", what, err)
		}
		return t
	case map[string]any:
		for key, value := range v {
			v[key] = r.branch(value, what, at)
		}
	case map[any]any:
		r.add(at, "%s: a key that is no text: want texts as keys", what)
	case []any:
		for i, value := range v {
			v[i] = r.branch(value, what, at)
		}
	}
	return v
}

// texts are all in it, in no order. A nil Tree has none.
func (t *Tree) texts() (out []*Text) {
	if t == nil {
		return nil
	}
	return textsOf(t.root)
}

func textsOf(v any) (out []*Text) {
	switch v := v.(type) {
	case Text:
		return []*Text{&v}
	case map[string]any:
		for _, value := range v {
			out = append(out, textsOf(value)...)
		}
	case []any:
		for _, value := range v {
			out = append(out, textsOf(value)...)
		}
	}
	return out
}

// value is the tree with all places filled in; that of a nil Tree is nil.
func (t *Tree) value(v values) (any, error) {
	if t == nil {
		return nil, nil //nolint:nilnil // there is none
	}
	return filled(t.root, v)
}

func filled(node any, v values) (any, error) {
	switch node := node.(type) {
	case Text:
		return node.value(v)
	case map[string]any:
		out := make(map[string]any, len(node))
		for key, value := range node {
			var err error
			if out[key], err = filled(value, v); err != nil {
				return nil, err
			}
		}
		return out, nil
	case []any:
		out := make([]any, len(node))
		for i, value := range node {
			var err error
			if out[i], err = filled(value, v); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return node, nil
}

// value is that of its place when it is one and nothing else, or the text.
func (t *Text) value(v values) (any, error) {
	if len(t.parts) == 3 && t.parts[0].fixed+t.parts[2].fixed == "" {
		if value, ok := v(t.parts[1].scope, t.parts[1].name); ok {
			return value, nil
		}
	}
	return t.String(v)
}
