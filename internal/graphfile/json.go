package graphfile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"

	"go.yaml.in/yaml/v3"
)

// MaxJSON is how many bytes a definition may have as JSON.
const MaxJSON = 1 << 20

// JSON returns what the file at a path says as JSON, under a name, "" = its own if it has
// one, in its order: with what aliases and "<<" refer to written out, and without keys
// that begin with "x-". It is refused like [Load] does, when it is longer than [MaxJSON],
// and for values that JSON writes otherwise, such as 0755.
func JSON(path, name string) (definition []byte, err error) {
	f, err := Load(path)
	if err != nil {
		return nil, err
	}
	if name == "" {
		name = f.Name
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("graph: %w", err)
	}
	w := &jsonWriter{reader: reader{file: path}}
	root := w.document(text)
	if root == nil {
		return nil, w.err()
	}
	w.list('{', '}', func() {
		if name != "" {
			w.b.WriteString(`,"name":`)
			w.text(name)
		}
		w.each(withoutNotes(root), "the file", func(key, value *yaml.Node) {
			if key.Value != "name" {
				w.member(key, value)
			}
		})
	})
	if err := w.err(); err != nil {
		return nil, err
	}
	if w.full() {
		return nil, &Problem{path, 0, fmt.Sprintf("the graph has more than %d MiB as JSON: want less", MaxJSON>>20)}
	}
	return w.b.Bytes(), nil
}

// jsonWriter writes nodes as JSON.
type jsonWriter struct {
	reader
	b bytes.Buffer
}

// full tells whether it is longer than it may be, so that what many aliases stand for
// is not written out to its end.
func (w *jsonWriter) full() bool { return w.b.Len() > MaxJSON }

func (w *jsonWriter) member(key, value *yaml.Node) {
	w.b.WriteByte(',')
	w.text(key.Value)
	w.b.WriteByte(':')
	w.value(value)
}

func (w *jsonWriter) value(n *yaml.Node) {
	switch n = whole(n); {
	case w.full():
	case n.Kind == yaml.MappingNode:
		w.list('{', '}', func() { w.each(n, "a mapping", w.member) })
	case n.Kind == yaml.SequenceNode:
		w.list('[', ']', func() {
			for _, item := range n.Content {
				w.b.WriteByte(',')
				w.value(item)
			}
		})
	default:
		w.scalar(n)
	}
}

// list writes members, each with a comma before it, and takes the first comma away.
func (w *jsonWriter) list(opens, closes byte, members func()) {
	start := w.b.Len()
	members()
	if w.b.Len() == start {
		w.b.WriteByte(',')
	}
	w.b.Bytes()[start] = opens
	w.b.WriteByte(closes)
}

func (w *jsonWriter) scalar(n *yaml.Node) {
	switch n.Tag {
	case "!!null":
		w.b.WriteString("null")
	case "!!bool", "!!int", "!!float":
		if !json.Valid([]byte(n.Value)) {
			w.wrong(n, "%s is not how JSON writes a value: put it in quotes when it is a text, or write it as in 1.5 or true", n.Value)
			return
		}
		w.b.WriteString(n.Value)
	default:
		w.text(n.Value)
	}
}

func (w *jsonWriter) text(v string) {
	b, _ := json.Marshal(v) // a text cannot fail
	w.b.Write(b)
}
