package journal

import "strconv"

// StepState says what became of a step, as far as the journal tells.
type StepState uint8

// The states. A step is open until its end is on record; one that was given up
// has no end, and is known by what the function did then.
const (
	StepOpen StepState = iota
	StepSucceeded
	StepFailed
	StepGivenUp
)

// StepRecord is a step as its journal has it.
type StepRecord struct {
	Ordinal  uint64 // among all commands; rises with the order in which they were asked for
	Place    string // what its key ends with, as in "3/1"; see [Place]. "" for branches within hundreds of others
	Name     string
	Site     string // in the code; "" = not recorded
	State    StepState
	Begun    int64 // microseconds: when it was asked for
	Ended    int64 // microseconds; 0 = it has no end
	Attempts uint64
	Value    Value
	Fail     []byte // a dispatch.sdk.v1.Error
}

// Steps returns the steps of a journal in the order in which they were asked for.
func Steps(entries []Entry) []StepRecord {
	s := stepReader{branches: []strand{{}}, open: map[uint64]int{}}
	for i := range entries {
		s.read(&entries[i])
	}
	return s.steps
}

// strand is a branch as its path needs it.
type strand struct {
	path     string // of the command that made it, with a slash behind it
	commands uint64
	deep     bool // its path is left out
}

// maxPath bounds what a journal of branches within branches can make us write.
const maxPath = 4096

type stepReader struct {
	generation uint64
	now        int64 // when the function learned something last
	branches   []strand
	steps      []StepRecord
	open       map[uint64]int // index of a step by its ordinal
}

func (s *stepReader) read(e *Entry) {
	if e.Kind != Command {
		s.now = max(s.now, e.At)
	}
	switch e.Kind {
	case Header:
		s.generation = e.Generation
	case Command:
		s.command(e)
	case Done:
		s.end(e)
	case Poll: // a function waits for the server only when no step runs
		if e.Op == OpStep {
			return
		}
		for ordinal, i := range s.open {
			s.steps[i].State = StepGivenUp
			delete(s.open, ordinal)
		}
	case Signal, Version, Expire, seal:
	}
}

func (s *stepReader) command(e *Entry) {
	branch := &s.branches[e.Branch]
	branch.commands++
	path, deep := "", branch.deep || len(branch.path) > maxPath
	if !deep {
		path = branch.path + strconv.FormatUint(branch.commands, 10)
	}
	switch e.Op {
	case OpGo:
		s.branches = append(s.branches, strand{path: path + "/", deep: deep})
	case OpStep:
		step := StepRecord{Ordinal: e.Ordinal, Name: e.Name, Site: e.Site, Begun: s.now}
		if !deep {
			step.Place = Place(s.generation, path)
		}
		s.open[e.Ordinal] = len(s.steps)
		s.steps = append(s.steps, step)
	case OpCall, OpTimer, OpPromise:
	}
}

func (s *stepReader) end(e *Entry) {
	i, ok := s.open[e.Ordinal]
	if !ok {
		return
	}
	delete(s.open, e.Ordinal)
	step := &s.steps[i]
	step.State, step.Ended, step.Attempts, step.Value, step.Fail = StepSucceeded, e.At, max(e.N, 1), e.Value, e.Fail
	if e.Fail != nil {
		step.State = StepFailed
	}
}

// Place is a path of branches and commands that no other journal of the run has,
// as in "g2/3/1". The key of a step is the id of its run, a colon, and its place.
func Place(generation uint64, path string) string {
	if generation == 0 {
		return path
	}
	return "g" + strconv.FormatUint(generation, 36) + "/" + path
}
