package dev

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestThePortOfACommandIsReadOffItsWords(t *testing.T) {
	for _, tt := range []struct {
		want    string
		command []string
	}{
		{"8000", []string{"uvicorn", "main:app", "--port", "8000"}},
		{"8080", []string{"uvicorn", "main:app", "--port=8080", "--reload"}},
		{"8000", []string{"uvicorn", "main:app"}},
		{"9000", []string{"python3", "-m", "uvicorn", "--host", "0.0.0.0", "--port", "9000", "main:app"}},
		{"8001", []string{"sh", "-c", "cd app && exec venv/bin/uvicorn main:app --port 8001 & sleep 6"}},
		{"8002", []string{"gunicorn", "-b", "127.0.0.1:8002", "main:app"}},
		{"8003", []string{"hypercorn", "--bind", "[::1]:8003", "main:app"}},
		{"", []string{"gunicorn", "--bind", "unix:/run/app.sock", "main:app"}},
		{"", []string{"uvicorn", "--uds", "/run/app.sock", "main:app"}},
		{"5001", []string{"flask", "--app", "main", "run", "-p", "5001"}},
		{"5000", []string{"flask", "run"}},
		{"", []string{"python3", "app.py", "--port", "8000"}}, // may be any port, of anything
		{"", []string{"go", "run", "./uvicorn.go"}},
		{"", []string{"python3", "my-uvicorn"}},
	} {
		require.Equal(t, tt.want, ownPort(tt.command), "%q", tt.command)
	}
}
