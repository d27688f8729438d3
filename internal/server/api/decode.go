package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/sendoff-dev/sendoff/task"
)

// decode reads JSON strictly: faults are bytes that are not UTF-8, anything behind
// the value, and fields that are unknown, spelled in other letters, or there
// twice.
func decode(body []byte, into any) *Problem {
	if !utf8.Valid(body) {
		return NewProblem(http.StatusBadRequest, "invalid_request", "the body is not UTF-8, which JSON has to be: send other bytes as body_base64")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if err == nil {
		if _, err := d.Token(); err != io.EOF {
			return NewProblem(http.StatusBadRequest, "invalid_request", "the body has something behind its JSON value")
		}
		if fault := checkFields(body, reflect.TypeOf(into).Elem()); fault != nil {
			return invalidProblem(task.Invalid{*fault})
		}
		return nil
	}
	if bad := faultsOf(err); bad != nil {
		return invalidProblem(bad)
	}
	detail := "the body is not JSON: " + strings.TrimPrefix(err.Error(), "json: ")
	if len(bytes.TrimSpace(body)) == 0 {
		detail = `the body is empty: want JSON such as {"url":"http://host/path","payload":{}}`
	}
	return NewProblem(http.StatusBadRequest, "invalid_request", detail)
}

// faultsOf returns the faults that an error of decoding tells of, by field; nil
// when the text is no JSON at all.
func faultsOf(err error) (bad task.Invalid) {
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		bad.Add(e.Field, "is a JSON %s: want %s", e.Value, wanted(e.Type.String()))
		return bad
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		bad.Add(strings.Trim(name, `"`), unknownField)
		return bad
	}
	bad, _ = errors.AsType[task.Invalid](err)
	return bad
}

const unknownField = "is not a known field, see /openapi.json"

func wanted(goType string) string {
	switch {
	case strings.Contains(goType, "texts"):
		return "an object with text values"
	case strings.Contains(goType, "batchTasks"):
		return "a list"
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
