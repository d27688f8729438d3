package graphfile

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// node is a part of a JSON Schema.
type node map[string]any

// TestTheSchemaAndTheLoaderTakeTheSame: what the loader refuses for its form, an editor
// refuses, and the other way around.
func TestTheSchemaAndTheLoaderTakeTheSame(t *testing.T) {
	var schema node
	require.NoError(t, json.Unmarshal([]byte(Schema()), &schema))
	for text, good := range map[string]bool{
		"jobs: {A: }":       true,
		"jobs: {A: {}}":     true,
		"jobs: [{name: A}]": true,
		"jobs: [{}]":        false,
		"jobs: []":          false,
		"jobs: {}":          false,
		"{}":                false,
		"{name: n, description: d, goal: A, tries: 2, retry_delay: 0, env: {A: 1}, x-y: [1], jobs: {A: {}}}": true,
		"{nam: n, jobs: {A: {}}}":             false,
		"{tries: 0, jobs: {A: {}}}":           false,
		"{retry_delay: -1, jobs: {A: {}}}":    false,
		"{retry_delay: 500ms, jobs: {A: {}}}": true,
		"{inputs: {a: 1, b: [x], c: , d: {type: list}, e: {required: true, one_of: [a]}, f: {default: x, description: y}}, jobs: {A: {}}}": true,
		"{inputs: {a: {type: text}}, jobs: {A: {}}}":  false,
		"{inputs: {a: {required: 1}}, jobs: {A: {}}}": false,
		"{inputs: {a: {value: 1}}, jobs: {A: {}}}":    false,
		"{inputs: [a], jobs: {A: {}}}":                false,
		"jobs: {A: {deps: [], when: always, tries: 1, retry_delay: 1s, timeout: 1.5, labels: {a: b}, matrix: {x: [1, b]}, description: d}}": true,
		"jobs: {A: {when: never}}":      false,
		"jobs: {A: {tries: 1.5}}":       false,
		"jobs: {A: {tries: 'x'}}":       false,
		"jobs: {A: {timeout: 0}}":       false,
		"jobs: {A: {deps: B}}":          false,
		"jobs: {A: {deps: [[B]]}}":      false,
		"jobs: {A: {labels: {a: [b]}}}": false,
		"jobs: {A: {matrix: {x: y}}}":   false,
		"jobs: {A: {color: red}}":       false,
		"jobs: {A: {check: [a, 1, true], run: {command: [a], env: {A: b}, dir: d, timeout: 1}, cleanup: {shell: a}}}": true,
		"jobs: {A: {run: [a]}}":                             true,
		"jobs: {A: {run: []}}":                              false,
		"jobs: {A: {run: [[a]]}}":                           false,
		"jobs: {A: {run: a}}":                               false,
		"jobs: {A: {run: {}}}":                              false,
		"jobs: {A: {run: {command: [a], shell: b}}}":        false,
		"jobs: {A: {run: {shell: ''}}}":                     false,
		"jobs: {A: {run: {http: 'http://x', env: {A: b}}}}": false,
		"jobs: {A: {run: {command: [a], args: [b]}}}":       false,
		"jobs: {A: {run: {process: a.b, args: [1], kwargs: {a: [b]}, timeout: 2m}}}":     true,
		"jobs: {A: {run: {process: a.b, args: 1}}}":                                      false,
		"jobs: {A: {run: {process: a.b, kwargs: [1]}}}":                                  false,
		"jobs: {A: {run: {function: f, endpoint: 'http://x', input: [1], timeout: 2m}}}": true,
		"{inputs: {x: a}, jobs: {A: {check: {function: f, endpoint: '${inputs.x}'}}}}":   true,
		"jobs: {A: {run: {function: f}}}":                                                false,
		"jobs: {A: {run: {function: '', endpoint: 'http://x'}}}":                         false,
		"jobs: {A: {run: {function: f, endpoint: x}}}":                                   false,
		"jobs: {A: {run: {function: f, endpoint: 'http://x', args: [1]}}}":               false,
		"jobs: {A: {run: {handler: h, input: {a: b}}}}":                                  true,
		"jobs: {A: {run: {handler: h, endpoint: 'http://x'}}}":                           false,
		"jobs: {A: {run: {handler: ''}}}":                                                false,
		"jobs: {A: {run: {process: a.b, input: 1}}}":                                     false,
		"jobs: {A: {run: {command: [a], input: 1}}}":                                     false,
		"jobs: {A: {run: {process: ''}}}":                                                false,
		"jobs: {A: {check: {http: 'https://x'}}}":                                        true,
		"jobs: {A: {check: {http: 'x'}}}":                                                false,
		"jobs: {A: {check: {http: {url: 'http://x', method: get, headers: {A: b}, body: x, status: [200, 3xx], cannot_tell: [unreachable, 5xx], skip: 404}}}}": true,
		"jobs: {A: {check: {http: {url: 'http://x', json: {a: 1}, status: 2xx, cannot_tell: unreachable}}}}":                                                   true,
		"jobs: {A: {check: {http: {method: GET}}}}":                          false,
		"jobs: {A: {check: {http: {url: 'http://x', method: 'GET x'}}}}":     false,
		"jobs: {A: {check: {http: {url: 'http://x', status: 99}}}}":          false,
		"jobs: {A: {check: {http: {url: 'http://x', status: unreachable}}}}": false,
		"jobs: {A: {check: {http: {url: 'http://x', cannot_tell: 6xx}}}}":    false,
		"jobs: {A: {check: {http: {url: 'http://x', uri: x}}}}":              false,
	} {
		_, err := Parse("f.yaml", "/", []byte(text))
		require.Equal(t, good, err == nil, "the loader on %s: %v", text, err)
		var doc any
		require.NoError(t, yaml.Unmarshal([]byte(text), &doc))
		wrong := schema.check(schema, doc)
		require.Equal(t, good, wrong == "", "the schema on %s: %s", text, wrong)
	}
}

// TestTheSchemaHasTheKeysOfTheLoader: a key that one of them learns, the other has to.
func TestTheSchemaHasTheKeysOfTheLoader(t *testing.T) {
	var schema node
	require.NoError(t, json.Unmarshal([]byte(Schema()), &schema))
	ours, theirs := map[string]bool{}, map[string]bool{}
	schema.keys(theirs)
	for _, text := range []string{
		"{?: 1, jobs: {A: {}}}", "jobs: {A: {?: 1}}", "jobs: {A: {run: {?: 1}}}", "jobs: {A: {run: {http: {?: 1, url: 'http://x'}}}}",
		"{inputs: {a: {?: 1}}, jobs: {A: {}}}",
	} {
		_, err := Parse("f.yaml", "/", []byte(strings.Replace(text, "?", "zzzzzzzz", 1)))
		_, known, found := strings.Cut(err.Error(), `unknown key "zzzzzzzz": want `)
		require.True(t, found, err)
		known, _, _ = strings.Cut(known, "\n")
		for key := range strings.SplitSeq(known, ", ") {
			ours[key] = true
		}
	}
	require.Equal(t, slices.Sorted(maps.Keys(ours)), slices.Sorted(maps.Keys(theirs)))
}

func (n node) keys(into map[string]bool) {
	for name, v := range n {
		if name == "properties" {
			for key := range v.(map[string]any) {
				into[key] = true
			}
		}
		for _, below := range below(v) {
			below.keys(into)
		}
	}
}

func below(v any) []node {
	var out []node
	switch v := v.(type) {
	case map[string]any:
		out = append(out, node(v))
	case []any:
		for _, item := range v {
			out = append(out, below(item)...)
		}
	}
	return out
}

// check says what is wrong with a value, "" for nothing. It knows the words that the schema
// uses, and fails with others.
func (n node) check(root node, v any) string {
	for word := range n {
		if !slices.Contains(strings.Fields("$schema $defs $ref title description type properties required additionalProperties patternProperties "+
			"minProperties items minItems oneOf enum pattern minLength minimum maximum exclusiveMinimum"), word) {
			return "the test does not know " + word
		}
	}
	if ref, ok := n["$ref"].(string); ok {
		part := root["$defs"].(map[string]any)[strings.TrimPrefix(ref, "#/$defs/")].(map[string]any)
		return node(part).check(root, v)
	}
	if one, ok := n["oneOf"].([]any); ok {
		matched, last := 0, ""
		for _, o := range one {
			if wrong := node(o.(map[string]any)).check(root, v); wrong == "" {
				matched++
			} else {
				last = wrong
			}
		}
		if matched != 1 {
			return fmt.Sprintf("%d of oneOf match %v: %s", matched, v, last)
		}
	}
	if enum, ok := n["enum"].([]any); ok && !slices.Contains(enum, v) {
		return fmt.Sprintf("%v is none of %v", v, enum)
	}
	if types := n["type"]; types != nil && !slices.ContainsFunc(typesOf(types), func(name string) bool { return is(v, name) }) {
		return fmt.Sprintf("%v is no %v", v, types)
	}
	switch v := v.(type) {
	case map[string]any:
		return n.checkObject(root, v)
	case []any:
		if least, ok := n["minItems"].(float64); ok && len(v) < int(least) {
			return "too few items"
		}
		for _, item := range v {
			if items, ok := n["items"].(map[string]any); ok {
				if wrong := node(items).check(root, item); wrong != "" {
					return wrong
				}
			}
		}
	case string:
		if pattern, ok := n["pattern"].(string); ok && !regexp.MustCompile(pattern).MatchString(v) {
			return v + " does not match " + pattern
		}
		if least, ok := n["minLength"].(float64); ok && len(v) < int(least) {
			return "too short"
		}
	case int, float64:
		return n.checkNumber(reflect.ValueOf(v).Convert(reflect.TypeFor[float64]()).Float())
	}
	return ""
}

func (n node) checkNumber(v float64) string {
	for word, fine := range map[string]func(float64) bool{
		"minimum":          func(bound float64) bool { return v >= bound },
		"maximum":          func(bound float64) bool { return v <= bound },
		"exclusiveMinimum": func(bound float64) bool { return v > bound },
	} {
		if bound, ok := n[word].(float64); ok && !fine(bound) {
			return fmt.Sprintf("%v: %s %v", v, word, bound)
		}
	}
	return ""
}

func (n node) checkObject(root node, v map[string]any) string {
	if least, ok := n["minProperties"].(float64); ok && len(v) < int(least) {
		return "too few keys"
	}
	required, _ := n["required"].([]any)
	for _, key := range required {
		if _, ok := v[key.(string)]; !ok {
			return fmt.Sprintf("no %v", key)
		}
	}
	known, _ := n["properties"].(map[string]any)
	patterns, _ := n["patternProperties"].(map[string]any)
next:
	for key, value := range v {
		if part, ok := known[key].(map[string]any); ok {
			if wrong := node(part).check(root, value); wrong != "" {
				return key + ": " + wrong
			}
			continue
		}
		for pattern := range patterns {
			if regexp.MustCompile(pattern).MatchString(key) {
				continue next
			}
		}
		switch other := n["additionalProperties"].(type) {
		case bool:
			return "unknown key " + key
		case map[string]any:
			if wrong := node(other).check(root, value); wrong != "" {
				return key + ": " + wrong
			}
		}
	}
	return ""
}

func typesOf(v any) []string {
	if name, ok := v.(string); ok {
		return []string{name}
	}
	var out []string
	for _, name := range v.([]any) {
		out = append(out, name.(string))
	}
	return out
}

func is(v any, name string) bool {
	switch v := v.(type) {
	case nil:
		return name == "null"
	case bool:
		return name == "boolean"
	case string:
		return name == "string"
	case int:
		return name == "integer" || name == "number"
	case float64:
		return name == "number" || name == "integer" && v == math.Trunc(v)
	case []any:
		return name == "array"
	case map[string]any:
		return name == "object"
	}
	return false
}
