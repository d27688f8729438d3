package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// options are the flags.
type options struct {
	cases    string
	rounds   int
	short    bool
	postgres string
	redis    bool
	dir      string
	json     string
	profile  string
	list     bool
	timeout  time.Duration
	quiet    time.Duration
}

func main() {
	runtime.LockOSThread() // servers end with the thread that started them, see dieWithParent
	if len(os.Args) > 1 && helpers[os.Args[1]] != nil {
		exit(helpers[os.Args[1]](os.Args[2:]))
	}
	var o options
	flag.StringVar(&o.cases, "cases", "*", "which cases: a list of patterns like 'burn/*,latency/postgres/river'")
	flag.IntVar(&o.rounds, "rounds", 3, "how often each case runs")
	flag.BoolVar(&o.short, "short", false, "with fewer tasks")
	flag.StringVar(&o.postgres, "postgres", "", "URL of a PostgreSQL server whose role may create databases (default: a private one)")
	flag.BoolVar(&o.redis, "redis", true, "start a Redis server for the cases that need one")
	flag.StringVar(&o.dir, "dir", os.TempDir(), "where databases are kept: on the disk to be measured")
	flag.StringVar(&o.json, "json", "", "file for all samples")
	flag.StringVar(&o.profile, "profile", "", "directory for CPU profiles, one of each run")
	flag.BoolVar(&o.list, "list", false, "list the cases")
	flag.DurationVar(&o.timeout, "timeout", 15*time.Minute, "for one run")
	flag.DurationVar(&o.quiet, "quiet", 0, "wait so long, before each run, for other programs to be quiet")
	flag.Parse()
	exit(bench(o))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func bench(o options) error {
	chosen := choose(allCases(), o.cases)
	if o.list {
		for _, c := range chosen {
			fmt.Println(c.name())
		}
		return nil
	}
	if len(chosen) == 0 {
		return fmt.Errorf("no case is named %s: see -list", o.cases)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	env, err := prepare(o, chosen)
	if err != nil {
		return err
	}
	defer env.close()
	samples, failed := env.rounds(ctx, o, chosen)
	report(os.Stdout, chosen, samples)
	if o.json != "" {
		if err := writeJSON(o.json, samples); err != nil {
			return err
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d runs failed", failed)
	}
	return nil
}

// choose keeps the cases that one of the patterns names, with or without who.
func choose(all []benchCase, patterns string) (chosen []benchCase) {
	for _, c := range all {
		for p := range strings.SplitSeq(patterns, ",") {
			whole, _ := path.Match(p, c.name())
			group, _ := path.Match(p, c.Group)
			if p == "*" || whole || group {
				chosen = append(chosen, c)
				break
			}
		}
	}
	return chosen
}

func writeJSON(file string, samples []sample) error {
	b, err := json.MarshalIndent(samples, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(b, '\n'), 0o644)
}
