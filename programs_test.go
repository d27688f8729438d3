package sendoff_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff"
	sdkv1 "github.com/sendoff-dev/sendoff/gen/dispatch/sdk/v1"
	"github.com/sendoff-dev/sendoff/internal/kit"
)

var update = flag.Bool("update", false, "write the programs and journals for other SDKs anew")

// The programs that all SDKs run, and the journals that they wrote of them: those of
// Python are written by python/tests.
const (
	programsFile       = "internal/journal/testdata/programs.json"
	pythonJournalsFile = "internal/journal/testdata/programs-python.json"
)

type sharedProgram struct {
	Program program `json:"program"`
	Signals int     `json:"signals"`
	Want    string  `json:"want"`
}

type writtenJournal struct {
	Function string `json:"function"`
	Journal  []byte `json:"journal"`
}

type sharedPrograms struct {
	Programs []sharedProgram  `json:"programs"`
	Journals []writtenJournal `json:"journals"`
}

// TestJournalsOfAllSDKsAreReplayed replays what the SDKs of Go and of Python have
// written of the same programs. After a change of them run
//
//	go test -run TestJournalsOfAllSDKs . -update
func TestJournalsOfAllSDKsAreReplayed(t *testing.T) {
	if *update {
		text, err := json.Marshal(writePrograms(t))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(programsFile, append(text, '\n'), 0o600))
	}
	functions := map[string]sendoff.AnyFunction{}
	for _, f := range []sendoff.AnyFunction{echo, lame, sick, hop, relay, interpret} {
		functions[f.Name()] = f
	}
	tells.Store(true)
	for _, file := range []string{programsFile, pythonJournalsFile} {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		var shared sharedPrograms
		require.NoError(t, json.Unmarshal(text, &shared))
		require.NotEmpty(t, shared.Journals)
		for i, j := range shared.Journals {
			require.NoError(t, kit.SDK.Replay(functions[j.Function], j.Journal), "%s: journal %d, of %s", file, i, j.Function)
		}
	}
}

// writePrograms makes programs in which every operation comes, and runs them.
func writePrograms(t *testing.T) (shared sharedPrograms) {
	for seed := uint64(0); seed < 30; seed++ {
		r := rand.New(rand.NewPCG(seed, 7))
		s := sharedProgram{Program: program{Op: "seq"}}
		s.Program.Kids = append(s.Program.Kids, program{Op: ops[int(seed)%len(ops)], N: 2, Kids: []program{{Op: "call", N: 1}}})
		if op := s.Program.Kids[0].Op; op == "signal" || op == "heard" {
			s.Signals, s.Program.Kids[0].N = 1, 1
		} else if op == "relay" {
			s.Signals = 2
		}
		for range r.IntN(3) {
			s.Program.Kids = append(s.Program.Kids, randomProgram(r, 2, &s.Signals))
		}
		s.Want = s.Program.model()
		shared.Programs = append(shared.Programs, s)
		shared.Journals = append(shared.Journals, journalsOf(t, seed, s)...)
	}
	return shared
}

// journalsOf runs a program with its results in any order, and returns the journals of
// all its calls, but for those of the least ones.
func journalsOf(t *testing.T, seed uint64, p sharedProgram) (all []writtenJournal) {
	effects.Lock()
	effects.seen = make(map[string]int64)
	effects.Unlock()
	tells.Store(true)
	s := stage(t, mode{journal: true}, seed, echo, lame, sick, hop, relay, interpret)
	seen := make(map[string]string)
	s.Observe = func(req *sdkv1.RunRequest, _ *sdkv1.RunResponse) { seen[req.GetDispatchId()] = req.GetFunction() }
	id := s.Start(&sdkv1.Call{Function: "interpret", Input: asJSON(t, p.Program)})
	for n := range p.Signals {
		sendEverywhere(t, s, time.Duration(n)*time.Second, fmt.Sprintf("signal%d", n+1))
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	result, err := s.Wait(ctx, id)
	require.NoError(t, err)
	require.Nil(t, result.GetError())
	for _, id := range slices.Sorted(maps.Keys(seen)) {
		if f := seen[id]; f != "echo" && f != "lame" && f != "sick" {
			all = append(all, writtenJournal{f, s.JournalOf(id)})
		}
	}
	return all
}
