package graphfile

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// refusal is what is said about a text, with inputs a=1.
func refusal(text string) string {
	f, err := Parse("f.yaml", "/", []byte(text))
	if err == nil {
		_, err = f.Goal(nil, Host{})
	}
	if err == nil {
		return ""
	}
	return err.Error()
}

// TestAMistakeIsToldWithItsLineAndItsFix: nothing is called then, for there are no jobs.
func TestAMistakeIsToldWithItsLineAndItsFix(t *testing.T) {
	for text, want := range map[string]string{
		"":                         "f.yaml: the file is empty: want a mapping with jobs",
		"# nothing\n":              "f.yaml: the file is empty: want a mapping with jobs",
		"[1, 2]":                   "f.yaml:1: the file: want a mapping of keys to values, have a list",
		"goal: A":                  "f.yaml:1: there are no jobs: want jobs: with a job for each name",
		"jobs: {}":                 "f.yaml:1: there are no jobs: want at least one",
		"jobs:\n  A: {run: [a]\n":  "f.yaml:2: not YAML: did not find expected ',' or '}'",
		"jobs:\n\tA: {}":           "f.yaml:2: not YAML: found character that cannot start any token",
		"job:\n  A: {}":            `f.yaml:1: the file: unknown key "job": did you mean "jobs"?`,
		"jobs:\n  A: {rum: [a]}":   `f.yaml:2: job "A": unknown key "rum": did you mean "run"?`,
		"jobs:\n  A: {color: red}": `f.yaml:2: job "A": unknown key "color": want check, cleanup, deps, description, labels, matrix, retry_delay, run, timeout, tries, when`,
		"jobs:\n  A: {run: [a]}\n  B: {}\n  A: {run: [b]}":                     `f.yaml:4: jobs: "A" is there twice, first in line 2: give each a name of its own`,
		"jobs:\n- {name: A}\n- {name: A}":                                      `f.yaml:3: two jobs are named "A", the first in line 2: want a name of its own for each`,
		"jobs:\n- {run: [a]}":                                                  "f.yaml:2: a job has no name: want name:",
		"jobs:\n  A: {deps: [A]}":                                              `f.yaml:2: job "A": deps: it needs itself: leave it out`,
		"jobs:\n  A: {deps: [B]}\n  B: {deps: [C]}\n  C: {deps: [A]}":          "f.yaml:2: a cycle: A -> B -> C -> A: take one of these deps away",
		"jobs:\n  A: {deps: [Popcron]}\n  Popcorn: {}":                         `f.yaml:2: job "A": deps: no job "Popcron": did you mean "Popcorn"?`,
		"jobs:\n  A: {deps: B}":                                                `f.yaml:2: job "A": deps: want a list such as [a, b], have a text`,
		"jobs:\n  A: {run: echo hi}":                                           `f.yaml:2: job "A": run: want a command such as [cp, a, b], or a mapping with command, shell, http, process, function or handler, have a text`,
		"jobs:\n  A: {run: []}":                                                `f.yaml:2: job "A": run: it names no program: want a list such as [cp, a, b]`,
		"jobs:\n  A: {run: {shell: a, command: [b]}}":                          `f.yaml:2: job "A": run: want exactly one of command, shell, http, process, function and handler, have 2`,
		"jobs:\n  A: {run: {env: {A: b}}}":                                     `f.yaml:2: job "A": run: want exactly one of command, shell, http, process, function and handler, have 0`,
		"jobs:\n  A: {tries: 0}":                                               `f.yaml:2: job "A": tries: want a whole number from 1 on, have "0"`,
		"jobs:\n  A: {tries: 1.1}":                                             `f.yaml:2: job "A": tries: want a whole number from 1 on, have "1.1"`,
		"jobs:\n  A: {tries: '3'}":                                             `f.yaml:2: job "A": tries: want a whole number from 1 on, have "3"`,
		"jobs:\n  A: {retry_delay: -1}":                                        `f.yaml:2: job "A": retry_delay: -1 is negative: want 0 or more`,
		"jobs:\n  A: {retry_delay: soon}":                                      `f.yaml:2: job "A": retry_delay: want seconds such as 1.5, or a duration such as 500ms or 2m, have "soon"`,
		"jobs:\n  A: {timeout: 0}":                                             `f.yaml:2: job "A": timeout: 0: want more than 0`,
		"jobs:\n  A: {when: maybe}":                                            `f.yaml:2: job "A": when: want all_ok, always or any_failed, have "maybe"`,
		"jobs:\n  A: {run: }":                                                  `f.yaml:2: job "A": run has no value: give it one, or leave it out`,
		"jobs:\n  A: {cleanup: [rm]}":                                          `f.yaml:2: job "A": it has a cleanup and no run: a cleanup is only called when a run began`,
		"jobs:\n  A: {run: [a, '${x}']}":                                       `f.yaml:2: job "A": run: ${x}: ` + placesHelp,
		"jobs:\n  A: {run: [a, '${inputs.x']}":                                 `f.yaml:2: job "A": run: "${inputs.x": a ${ without its }`,
		"inputs: {name: x}\njobs:\n  A: {run: [a, '${inputs.nane}']}":          `f.yaml:3: job "A": no input "nane": did you mean "name"?`,
		"jobs:\n  A: {run: [a, '${matrix.x}']}":                                `f.yaml:2: job "A": its matrix has no "x"`,
		"jobs:\n  A: {run: [a, '${results.B}']}\n  B: {}\ngoal: A":             `f.yaml:2: job "A": ${results.B}: it does not depend on a job of this name: add it to deps`,
		"inputs: {name: x}\njobs:\n  A: {run: {shell: 'echo ${inputs.name}'}}": `f.yaml:3: job "A": run: shell: ${inputs.name} is not filled in here, a shell would read the value as code: add env: {VALUE: "${inputs.name}"} and write "$VALUE"`,
		"jobs:\n  A: {run: {http: {url: 'ftp://x'}}}":                          `f.yaml:2: job "A": run: http: url "ftp://x": want one that begins with http:// or https://`,
		"jobs:\n  A: {run: {http: {url: 'http://x', status: [200, ok]}}}":      `f.yaml:2: job "A": run: http: status: want a status such as 204, a class such as 2xx, or a list of them, have "ok"`,
		"jobs:\n  A: {}\n  B: {}":                                              `f.yaml: 2 jobs are needed by no other ("A", "B"): name the one to reach with goal:`,
		"goal: C\njobs:\n  A: {}\n  B: {}":                                     `f.yaml: goal: no job "C": did you mean "A"?`,
		"inputs: {n: {required: true}}\njobs:\n  A: {}":                        `f.yaml:1: input "n" is required: give it with --input n=VALUE`,
		"inputs: {n: {type: text}}\njobs:\n  A: {}":                            `f.yaml:1: input "n": type "text": want string, number, boolean, list`,
		"inputs: {n: {default: c, one_of: [a, b]}}\njobs:\n  A: {}":            `f.yaml:1: input "n": default: "c": want a, b`,
		"jobs:\n  A: {matrix: {x: 3}}":                                         `f.yaml:2: job "A": matrix: x: want a list such as [a, b], or ${inputs.NAME} of an input of type list, have "3"`,
		"jobs:\n  A: &a {run: [x], <<: *a}":                                    "f.yaml:2: *a stands within what it stands for: name something else",
		"jobs:\n  A: {run: {process: a.b}}":                                    `f.yaml:2: job "A": tasks are not run here: want a command or http`,
		"jobs:\n  A: {run: [a], env: {}}":                                      `f.yaml:2: job "A": unknown key "env": want check, cleanup, deps, description, labels, matrix, retry_delay, run, timeout, tries, when`,
	} {
		assert.Equal(t, want, refusal(text), text)
	}
	require.Equal(t, "f.yaml: the file has more than 8 MiB: want less", refusal("jobs:\n  A: {run: [a]}\n"+strings.Repeat("# filling\n", 1<<20)))
}

func TestSeveralMistakesAreToldAtOnce(t *testing.T) {
	require.Equal(t, "f.yaml:2: job \"A\": tries: want a whole number from 1 on, have \"-1\"\n"+
		"f.yaml:3: job \"B\": unknown key \"dep\": did you mean \"deps\"?", refusal("jobs:\n  A: {tries: -1}\n  B: {dep: [A]}"))
}
