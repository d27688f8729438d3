package problem

import (
	"errors"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAProblemIsWrittenAsItsStandardSays(t *testing.T) {
	p := New(409, "already_exists", "a task has this id already")
	p.Errors = []FieldError{{Field: "id", Message: "is taken"}}
	p.RetryAfter, p.Cause = 5, errors.New("password=secret")
	w := httptest.NewRecorder()
	Write(w, p)
	require.Equal(t, 409, w.Code)
	require.Equal(t, "application/problem+json", w.Header().Get("Content-Type"))
	require.Equal(t, "5", w.Header().Get("Retry-After"))
	require.JSONEq(t, `{"type":"about:blank","title":"Conflict","status":409,"detail":"a task has this id already",
		"code":"already_exists","errors":[{"field":"id","message":"is taken"}]}`, w.Body.String(), "the cause stays in our log")
}

func TestAProblemIsAnErrorWithACause(t *testing.T) {
	cause := errors.New("the disk")
	p := New(503, "unavailable", "try again")
	require.EqualError(t, p, "try again")
	p.Cause = cause
	require.ErrorIs(t, p, cause)
}
