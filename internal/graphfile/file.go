package graphfile

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/sendoff-dev/sendoff/task"
)

// MaxFile is how many bytes a file may have.
const MaxFile = 8 << 20

// File is a graph as it is written, checked as far as that goes without inputs. It
// does not change once it is read, and any number of goroutines may use it.
type File struct {
	Path     string // "" when it was no file
	Dir      string // where commands work, unless they say otherwise
	Name     string
	GoalName string // a job's name, "" for the only one that no other needs
	Inputs   []Input
	Env      []Pair // of every command
	Jobs     []Job  // in the order of the file

	Tries      int            // of jobs that name none; 0 = not given
	RetryDelay *time.Duration // of jobs that name none; nil = not given
}

// Job is a job as it is written: with a matrix, the pattern of several.
type Job struct {
	Name       Text
	Check      *Action // nil = only run
	Run        *Action
	Cleanup    *Action
	Deps       []Text
	When       task.When
	Tries      int
	RetryDelay *time.Duration
	Timeout    time.Duration
	Labels     map[string]string
	Matrix     []Axis

	at position
}

// Axis is one variable of a matrix with its values.
type Axis struct {
	Name   string
	Values []string
	Input  string // the input of type list that has the values; "" = Values are they
	at     position
}

// Pair is a name with a value, in the order of the file.
type Pair struct {
	Name  string
	Value Text
}

// position is a line of a file.
type position struct {
	file string
	line int
}

// Load reads the file at a path. The error has a [Problem] for each mistake.
func Load(path string) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("graph: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
	if err != nil {
		return nil, fmt.Errorf("graph: %w", err)
	}
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("graph: %w", err)
	}
	return Parse(path, dir, text)
}

// Parse reads a text, YAML or JSON, that is known by a name and whose commands work in
// a directory.
func Parse(name, dir string, text []byte) (*File, error) {
	r := &reader{file: name}
	f := r.read(text)
	if err := r.err(); err != nil {
		return nil, err
	}
	f.Path, f.Dir = name, dir
	return f, nil
}
