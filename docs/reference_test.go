package docs_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/store/sqlite"
)

// openAPI is what the reference shows of the document.
type openAPI struct {
	Paths      map[string]map[string]operation `json:"paths"`
	Components struct {
		Schemas map[string]schema `json:"schemas"`
	} `json:"components"`
}

type operation struct {
	ID         string `json:"operationId"`
	Summary    string `json:"summary"`
	Scope      string `json:"x-scope"`
	Parameters []struct {
		Name        string `json:"name"`
		In          string `json:"in"`
		Required    bool   `json:"required"`
		Description string `json:"description"`
		Schema      schema `json:"schema"`
	} `json:"parameters"`
	RequestBody *struct {
		Content map[string]content `json:"content"`
	} `json:"requestBody"`
	Responses map[string]struct {
		Description string             `json:"description"`
		Content     map[string]content `json:"content"`
	} `json:"responses"`
}

type content struct {
	Schema schema `json:"schema"`
}

type schema struct {
	Ref         string            `json:"$ref"`
	Type        any               `json:"type"` // text, or a list when it may be null
	Format      string            `json:"format"`
	Description string            `json:"description"`
	Default     any               `json:"default"`
	Enum        []any             `json:"enum"`
	Minimum     *float64          `json:"minimum"`
	Maximum     *float64          `json:"maximum"`
	Items       *schema           `json:"items"`
	Properties  map[string]schema `json:"properties"`
	Required    []string          `json:"required"`
	Additional  any               `json:"additionalProperties"`
}

// document asks an engine for its OpenAPI document.
func document(t *testing.T) (doc openAPI) {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "sendoff.db"), sqlite.Options{})
	require.NoError(t, err)
	defer db.Close()
	e, err := engine.New(db, engine.Config{})
	require.NoError(t, err)
	answer := httptest.NewRecorder()
	e.Handler(engine.HandlerConfig{}).ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), "GET", "/openapi.json", nil))
	require.Equal(t, 200, answer.Code)
	// The document calls the answer to an error ErrorModel, after the framework's
	// own; what is sent is a Problem (internal/server/api/problem.go).
	text := strings.ReplaceAll(answer.Body.String(), "#/components/schemas/ErrorModel", "#/components/schemas/Problem")
	require.NoError(t, json.Unmarshal([]byte(text), &doc))
	delete(doc.Components.Schemas, "ErrorModel")
	delete(doc.Components.Schemas, "ErrorDetail")
	return doc
}

// apiReference is the text of api-reference.md.
func apiReference(t *testing.T) string {
	doc := document(t)
	var b strings.Builder
	b.WriteString("# API reference\n\n" +
		"Generated from `/openapi.json`; do not edit (`go test ./docs -update`). Examples, rules and errors are in [api.md](api.md).\n\n" +
		"## Operations\n\n| Request | What it does | Scope |\n|---|---|---|\n")
	type call struct {
		method, path string
		operation
	}
	var calls []call
	for path, methods := range doc.Paths {
		for method, op := range methods {
			calls = append(calls, call{strings.ToUpper(method), path, op})
		}
	}
	slices.SortFunc(calls, func(x, y call) int {
		if c := strings.Compare(x.path, y.path); c != 0 {
			return c
		}
		return strings.Compare(x.method, y.method)
	})
	for _, c := range calls {
		fmt.Fprintf(&b, "| [`%s %s`](#%s) | %s | `%s` |\n", c.method, c.path, c.ID, cell(c.Summary), c.Scope)
	}
	for _, c := range calls {
		fmt.Fprintf(&b, "\n### %s\n\n`%s %s` - %s.\n", c.ID, c.method, c.path, c.Summary)
		c.write(&b)
	}
	b.WriteString("\n## Objects\n")
	for _, name := range slices.Sorted(maps.Keys(doc.Components.Schemas)) {
		s := doc.Components.Schemas[name]
		fmt.Fprintf(&b, "\n### %s\n\n", name)
		s.write(&b)
	}
	return b.String()
}

func (o *operation) write(b *strings.Builder) {
	if len(o.Parameters) > 0 {
		b.WriteString("\n| Parameter | In | Type | Meaning |\n|---|---|---|---|\n")
		for _, p := range o.Parameters {
			fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", p.Name, p.In, p.Schema.kind(), cell(p.Description, p.Schema.bounds()))
		}
	}
	if o.RequestBody != nil {
		fmt.Fprintf(b, "\nBody: %s.\n", contentOf(o.RequestBody.Content))
	}
	b.WriteString("\n| Status | Answer |\n|---|---|\n")
	for _, status := range slices.Sorted(maps.Keys(o.Responses)) {
		r := o.Responses[status]
		text := contentOf(r.Content)
		if text == "" {
			text = "no body"
		}
		if status == "default" {
			status = "any other"
		}
		fmt.Fprintf(b, "| %s | %s |\n", status, text)
	}
}

func contentOf(c map[string]content) string {
	var parts []string
	for _, mediaType := range slices.Sorted(maps.Keys(c)) {
		s := c[mediaType].Schema
		parts = append(parts, s.kind()+" (`"+mediaType+"`)")
	}
	return strings.Join(parts, ", ")
}

func (s *schema) write(b *strings.Builder) {
	b.WriteString("| Field | Type | Meaning |\n|---|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		if name == "$schema" {
			continue
		}
		p := s.Properties[name]
		required := ""
		if slices.Contains(s.Required, name) {
			required = "Always there."
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", name, p.kind(), cell(required, p.Description, p.bounds()))
	}
}

// kind names the type, with a link when it has a name.
func (s *schema) kind() string {
	switch {
	case s.Ref != "":
		name := s.Ref[strings.LastIndexByte(s.Ref, '/')+1:]
		return "[" + name + "](#" + strings.ToLower(name) + ")"
	case s.Items != nil:
		return "list of " + s.Items.kind()
	case s.Format == "date-time":
		return "time"
	}
	types, _ := s.Type.([]any)
	if one, ok := s.Type.(string); ok {
		types = []any{one}
	}
	for _, name := range types {
		switch name {
		case "array":
			return "list"
		case "null":
			continue
		default:
			return fmt.Sprint(name)
		}
	}
	return "any JSON"
}

func (s *schema) bounds() string {
	var parts []string
	if len(s.Enum) > 0 {
		var names []string
		for _, v := range s.Enum {
			names = append(names, fmt.Sprintf("`%v`", v))
		}
		parts = append(parts, "One of "+strings.Join(names, ", ")+".")
	}
	if s.Minimum != nil && s.Maximum != nil {
		parts = append(parts, fmt.Sprintf("%s to %s.", plain(*s.Minimum), plain(*s.Maximum)))
	}
	if s.Default != nil {
		parts = append(parts, fmt.Sprintf("Default `%v`.", s.Default))
	}
	return strings.Join(parts, " ")
}

// cell joins sentences for a table.
func cell(texts ...string) string {
	var parts []string
	for _, text := range texts {
		if text != "" {
			parts = append(parts, text)
		}
	}
	return strings.ReplaceAll(strings.ReplaceAll(strings.Join(parts, " "), "|", "\\|"), "\n", " ")
}

// plain is a number without an exponent.
func plain(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }
