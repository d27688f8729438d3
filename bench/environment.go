package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// environment is what all runs share: a directory and the servers.
type environment struct {
	dir      string
	postgres *server
	redis    *server
	url      string // of PostgreSQL
	python   string // interpreter that has the Python systems
	sendoff  string // the program
	missing  map[string]error
}

// prepare starts the servers that the chosen cases need.
func prepare(o options, chosen []benchCase) (*environment, error) {
	dir, err := os.MkdirTemp(o.dir, "sendoff-bench-")
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o755); err != nil { // a server may run as another user
		return nil, err
	}
	env := &environment{dir: dir, url: o.postgres, missing: map[string]error{}}
	needed := func(name string) bool {
		return slices.ContainsFunc(chosen, func(c benchCase) bool { return c.needs(name) })
	}
	if needed("postgres") && o.postgres == "" {
		if env.postgres, err = startPostgres(dir); err != nil {
			env.missing["postgres"] = err
		} else {
			env.url = env.postgres.address
		}
	}
	if needed("redis") && !o.redis {
		env.missing["redis"] = errors.New("-redis=false")
	} else if needed("redis") {
		if env.redis, err = startRedis(dir); err != nil {
			env.missing["redis"] = err
		}
	}
	if needed("node") {
		if err := lookForNPM(); err != nil {
			env.missing["node"] = err
		}
	}
	if needed("python") {
		if env.python, err = makePython(); err != nil {
			env.missing["python"] = err
		}
	}
	if needed("sendoff") {
		if env.sendoff, err = makeSendoff(dir); err != nil {
			env.missing["sendoff"] = err
		}
	}
	for name, err := range env.missing {
		fmt.Fprintf(os.Stderr, "bench: cases that need %s are left out: %v\n", name, err)
	}
	return env, nil
}

func (e *environment) close() {
	for _, s := range []*server{e.postgres, e.redis} {
		if s != nil {
			s.stop()
		}
	}
	_ = os.RemoveAll(e.dir)
}

// lacks tells whether something is missing that a case needs.
func (e *environment) lacks(c benchCase) bool {
	for what := range e.missing {
		if c.needs(what) {
			return true
		}
	}
	return false
}

// rounds runs every case once a round, in turn.
func (e *environment) rounds(ctx context.Context, o options, chosen []benchCase) (samples []sample, failed int) {
	for round := range o.rounds {
		for _, c := range chosen {
			if e.lacks(c) {
				continue
			}
			if ctx.Err() != nil {
				return samples, failed
			}
			awaitQuiet(ctx, o.quiet)
			s, err := e.run(ctx, o, c, round+1)
			if err == nil && s.Err != "" {
				err = errors.New(s.Err)
			}
			if err != nil {
				failed++
				fmt.Fprintf(os.Stderr, "%d %-34s %v\n", round+1, c.name(), err)
				continue
			}
			fmt.Fprintf(os.Stderr, "%d %-34s %9.0f/s  cpu %s us  %v\n", round+1, c.name(), s.Rate, cpuText(s), values(s))
			samples = append(samples, s)
		}
	}
	return samples, failed
}

// awaitQuiet waits until the machine has nearly nothing to do, but not longer
// than the patience.
func awaitQuiet(ctx context.Context, patience time.Duration) {
	const look, busy = 500 * time.Millisecond, 150 * time.Millisecond
	for deadline := time.Now().Add(patience); ctx.Err() == nil && time.Now().Before(deadline); {
		before := machineTime()
		time.Sleep(look)
		if machineTime()-before < busy {
			return
		}
	}
}

// run has a process of its own do one case.
func (e *environment) run(ctx context.Context, o options, c benchCase, round int) (s sample, err error) {
	dir, err := os.MkdirTemp(e.dir, "run-")
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	job := order{Case: c.name(), Round: round, N: c.tasks(o.short), Dir: dir, Postgres: e.url, Python: e.python, Sendoff: e.sendoff}
	if e.postgres != nil && c.needs("postgres") {
		job.Server = e.postgres.pid()
	}
	if c.needs("redis") {
		job.Redis, job.Server = e.redis.address, e.redis.pid()
	}
	if o.profile != "" {
		if job.Profile, err = filepath.Abs(o.profile); err != nil {
			return s, err
		}
		if err := os.MkdirAll(job.Profile, 0o755); err != nil {
			return s, err
		}
	}
	in, err := json.Marshal(job)
	if err != nil {
		return s, err
	}
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, self(), "case")
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	dieWithParent(cmd.SysProcAttr, syscall.SIGKILL)
	out, err := cmd.Output()
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal(out, &s)
}

func self() string {
	path, err := os.Executable()
	if err != nil {
		panic(err) // this program runs, so it has a path
	}
	return path
}

func withDatabase(dsn, name string) (string, error) {
	u, err := url.Parse(dsn)
	if err != nil || u.Scheme == "" {
		return "", fmt.Errorf("-postgres must be a postgres:// URL: %w", err)
	}
	u.Path = "/" + name
	return u.String(), nil
}
