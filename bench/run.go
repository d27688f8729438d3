package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// order is what a process that runs one case is told.
type order struct {
	Case     string
	Round    int
	N        int
	Dir      string // of its own, empty
	Postgres string // URL of the server
	Redis    string // address
	Python   string // interpreter that has the Python systems
	Sendoff  string // the program
	Server   int    // process id of the server it uses, 0 = not known
	Profile  string
}

// sample is what one run measured.
type sample struct {
	Group, Who string
	Round, N   int
	Seconds    float64
	Rate       float64            // tasks/s
	Self       float64            // processor time of the measured process, us/task
	Server     float64            // of the database server
	Helpers    float64            // of the processes on the other side: clients, sinks
	Foreign    float64            // cores used by other programs
	Values     map[string]float64 // p50_ms, wal, ...
	Err        string             `json:",omitempty"`
}

// run is one run of one case, in a process of its own.
type run struct {
	order
	who      string
	database string // URL of the database made for this run; "" = none
	admin    *pgx.Conn
	helpers  []*helper
	service  int // process id of what is measured; 0 = this process
	sample   sample

	began   time.Time
	cpu     usage
	wal     int64
	walFrom bool
	profile *os.File
}

// usage is processor time since some beginning.
type usage struct{ self, server, helpers, all time.Duration }

// runCase is the process of one run: an order on stdin, a sample on stdout.
func runCase([]string) error {
	var r run
	if err := json.NewDecoder(os.Stdin).Decode(&r.order); err != nil {
		return err
	}
	for _, c := range allCases() {
		if c.name() == r.Case {
			r.who = c.Who
			r.sample = sample{Group: c.Group, Who: c.Who, Round: r.Round, N: r.N, Values: map[string]float64{}}
			if err := r.do(context.Background(), c); err != nil {
				r.sample.Err = err.Error()
			}
			return json.NewEncoder(os.Stdout).Encode(r.sample)
		}
	}
	return fmt.Errorf("no case %q", r.Case)
}

func (r *run) do(ctx context.Context, c benchCase) error {
	defer r.close(ctx)
	if c.needs("postgres") {
		if err := r.createDatabase(ctx); err != nil {
			return fmt.Errorf("create a database: %w", err)
		}
	}
	return c.do(ctx, r)
}

func (r *run) close(ctx context.Context) {
	for _, h := range r.helpers {
		h.end()
	}
	if r.admin != nil {
		_, _ = r.admin.Exec(ctx, "drop database if exists "+r.databaseName()+" with (force)")
		_ = r.admin.Close(ctx)
	}
}

func (r *run) databaseName() string { return fmt.Sprintf("sendoff_bench_%d", os.Getpid()) }

func (r *run) createDatabase(ctx context.Context) (err error) {
	if r.admin, err = pgx.Connect(ctx, r.Postgres); err != nil {
		return err
	}
	if _, err := r.admin.Exec(ctx, "create database "+r.databaseName()); err != nil {
		return err
	}
	r.database, err = withDatabase(r.Postgres, r.databaseName())
	return err
}

// watchWAL counts the write-ahead log from here on, not only from begin.
func (r *run) watchWAL(ctx context.Context) error {
	if r.admin == nil {
		return nil
	}
	if _, err := r.admin.Exec(ctx, "checkpoint"); err != nil {
		return err
	}
	r.walFrom = true
	return r.readWAL(ctx, &r.wal)
}

func (r *run) readWAL(ctx context.Context, n *int64) error {
	return r.admin.QueryRow(ctx, "select (pg_current_wal_lsn() - '0/0'::pg_lsn)::int8").Scan(n)
}

// begin starts the clock.
func (r *run) begin(ctx context.Context) error {
	if r.admin != nil && !r.walFrom {
		if err := r.watchWAL(ctx); err != nil {
			return err
		}
	}
	runtime.GC()
	if r.Profile != "" {
		if err := r.startProfile(); err != nil {
			return err
		}
	}
	r.cpu = r.usage()
	r.began = time.Now()
	return nil
}

func (r *run) startProfile() (err error) {
	name := fmt.Sprintf("%s-%d.pprof", strings.ReplaceAll(r.Case, "/", "-"), r.Round)
	if r.profile, err = os.Create(filepath.Join(r.Profile, name)); err != nil {
		return err
	}
	return pprof.StartCPUProfile(r.profile)
}

// end stops the clock and fills the sample in, for n tasks.
func (r *run) end(ctx context.Context, n int) error {
	took, now := time.Since(r.began), r.usage()
	if r.profile != nil {
		pprof.StopCPUProfile()
		_ = r.profile.Close()
	}
	each := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 / float64(n) }
	s := &r.sample
	s.Seconds, s.Rate = took.Seconds(), float64(n)/took.Seconds()
	s.Self, s.Server, s.Helpers = each(now.self-r.cpu.self), each(now.server-r.cpu.server), each(now.helpers-r.cpu.helpers)
	mine := now.self + now.server + now.helpers - r.cpu.self - r.cpu.server - r.cpu.helpers
	s.Foreign = max(0, (now.all-r.cpu.all-mine).Seconds()/took.Seconds())
	s.Values["cpu_us"] = s.Self + s.Server
	if r.admin == nil {
		return nil
	}
	var wal int64
	err := r.readWAL(ctx, &wal)
	s.Values["wal"] = float64(wal-r.wal) / float64(n)
	return err
}

func (r *run) usage() usage {
	u := usage{self: selfTime(), all: machineTime()}
	if r.service != 0 {
		u.helpers, u.self = u.self, treeTime(r.service)
	}
	if r.Server != 0 {
		u.server = treeTime(r.Server)
	}
	for _, h := range r.helpers {
		u.helpers += treeTime(h.cmd.Process.Pid)
	}
	return u
}
