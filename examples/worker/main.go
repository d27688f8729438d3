// Command worker is a worker of Sendoff in Go: it carries tasks out as frames on
// descriptor 3 say, a line of JSON each. See docs/workers.md.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strings"
)

type frame struct {
	Type    string          `json:"type"`
	ID      string          `json:"id"`
	Task    string          `json:"task"`
	Payload json.RawMessage `json:"payload"`
}

type done struct {
	Type    string `json:"type"`
	ID      string `json:"id"`
	Outcome string `json:"outcome"`
	Result  any    `json:"result,omitempty"`
	Error   *fault `json:"error,omitempty"`
}

type fault struct {
	Message   string `json:"message"`
	Permanent bool   `json:"permanent,omitempty"`
}

func main() {
	channel := os.NewFile(3, "channel")
	frames := bufio.NewScanner(channel)
	frames.Buffer(nil, 16<<20)
	out := json.NewEncoder(channel)
	for frames.Scan() {
		var f frame
		if err := json.Unmarshal(frames.Bytes(), &f); err != nil {
			fmt.Fprintln(os.Stderr, "worker:", err)
			os.Exit(1)
		}
		switch f.Type {
		case "hello":
			_ = out.Encode(map[string]any{"type": "ready", "v": 1, "pid": os.Getpid(), "lang": runtime.Version()})
		case "task":
			_ = out.Encode(carryOut(f))
		case "stop":
			return
		}
	}
}

func carryOut(f frame) done {
	switch f.Task {
	case "text.upper":
		var s string
		if err := json.Unmarshal(f.Payload, &s); err != nil {
			return done{"done", f.ID, "error", nil, &fault{"the payload is no text: " + err.Error(), true}}
		}
		fmt.Println("upper", s)
		return done{"done", f.ID, "ok", strings.ToUpper(s), nil}
	}
	return done{"done", f.ID, "error", nil, &fault{"no task is called " + f.Task, true}}
}
