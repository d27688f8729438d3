package api

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/sendoff-dev/sendoff/internal/server/problem"
	"github.com/sendoff-dev/sendoff/task"
)

// decode reads JSON strictly: faults are bytes that are not UTF-8, anything behind
// the value, and what checkFields finds. That is looked for first, since decoding
// takes many times the memory of the text.
func decode(body []byte, into any) *problem.Problem {
	if !utf8.Valid(body) {
		return problem.New(http.StatusBadRequest, "invalid_request", "the body is not UTF-8, which JSON has to be: send other bytes as body_base64")
	}
	if !json.Valid(body) {
		return problem.New(http.StatusBadRequest, "invalid_request", notJSON(body))
	}
	if fault := checkFields(body, reflect.TypeOf(into).Elem()); fault != nil {
		return invalidProblem(task.Invalid{*fault})
	}
	if err := json.Unmarshal(body, into); err != nil {
		if bad := faultsOf(err); bad != nil {
			return invalidProblem(bad)
		}
		return problem.New(http.StatusBadRequest, "invalid_request", "the body cannot be read: "+strings.TrimPrefix(err.Error(), "json: "))
	}
	return nil
}

// notJSON says why a text is no JSON.
func notJSON(body []byte) string {
	if len(bytes.TrimSpace(body)) == 0 {
		return `the body is empty: want JSON such as {"url":"http://host/path","payload":{}}`
	}
	d := json.NewDecoder(bytes.NewReader(body))
	var first json.RawMessage
	if err := d.Decode(&first); err != nil {
		return "the body is not JSON: " + strings.TrimPrefix(err.Error(), "json: ")
	}
	return "the body has something behind its JSON value"
}

// faultsOf returns the faults that an error of decoding tells of, by field; nil
// when the text is no JSON at all.
func faultsOf(err error) (bad task.Invalid) {
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		bad.Add(cmp.Or(e.Field, "body"), "is a JSON %s: want %s", e.Value, wanted(e.Type.String()))
		return bad
	}
	bad, _ = errors.AsType[task.Invalid](err)
	return bad
}

const unknownField = "is not a known field, see /openapi.json"

func wanted(goType string) string {
	switch {
	case strings.Contains(goType, "texts"), strings.Contains(goType, "labelChanges"):
		return "an object with text values"
	case strings.Contains(goType, "batchTasks"), strings.Contains(goType, "limitList"), strings.Contains(goType, "idList"), strings.Contains(goType, "timeList"):
		return "a list"
	case strings.HasPrefix(goType, "[]string"):
		return "a list of texts"
	case strings.Contains(goType, "int"):
		return "a whole number"
	case strings.Contains(goType, "float"):
		return "a number"
	case strings.Contains(goType, "bool"):
		return "true or false"
	case strings.Contains(goType, "string"):
		return "text"
	}
	return "an object"
}
