//go:build linux

package chaos_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/chaos/auditor"
	"github.com/sendoff-dev/sendoff/internal/testkit"
)

// These tests break the database under nodes that live on. Its defaults ask for
// less than is promised, which must not matter.
var lax = []string{"synchronous_commit=off", "wal_writer_delay=10s", "max_connections=60", "log_min_messages=fatal"}

// spell is what a database goes through while tasks are submitted and carried
// out.
type spell struct {
	tasks, times int
	strike       func() // returns when it is over
	steady       bool   // it is too short or too harmless to cost a node its lease
}

// run has two nodes work over the database at dsn, and strikes in between.
func (sp spell) run(t *testing.T, dsn string) {
	j, p := startJudge(t), sendoff(t)
	var nodes []*server
	for i := range 2 {
		s := newServer(t, p, dsn)
		s.args = append(s.args, "--keys-file", filepath.Join(t.TempDir(), "keys"))
		if i == 0 {
			s.args = append(s.args, "--migrate")
		}
		s.start()
		nodes = append(nodes, s)
	}
	producers := ordeal{tasks: sp.tasks}.produce(t, j, nodes...)
	var faults []auditor.Fault
	for i := range sp.times {
		target := (float64(i) + rand.Float64()) / float64(sp.times) * float64(sp.tasks)
		waitFor(t, 2*time.Minute, "producers make progress", func() bool { return float64(producers.acknowledged()) >= target })
		begin := len(faults)
		faults = append(faults, during(sp.strike)...)
		t.Logf("spell %d of %v after %d acknowledged", i+1, faults[len(faults)-1].At.Sub(faults[begin].At).Round(time.Millisecond), producers.acknowledged())
	}
	require.NoError(t, producers.wait())
	for _, s := range nodes {
		s.waitReady()
	}
	final, names := lastStates(nodes[0], 2*time.Minute), nodes[0].names()
	for _, s := range nodes {
		if sp.steady {
			require.Zero(t, s.metric("sendoff_leases_lost_total"), "a node lost its lease")
		}
		s.signal(syscall.SIGTERM)
		require.Equal(t, 0, s.end(40*time.Second), "exit code after SIGTERM")
	}
	h := producers.history(j.events(t), faults, final, names)
	h.Slack = noticed
	report := auditor.Check(h)
	t.Log(report)
	require.True(t, report.OK(), report.String())
	if sp.steady {
		require.Zero(t, report.Duplicates, "nothing is done twice while the leases hold")
	}
}

// lastStates waits until every task has ended, and after that time returns what
// there is: the auditor names those that have not.
func lastStates(s *server, within time.Duration) map[string]string {
	states := map[string]string{}
	for end := time.Now().Add(within); time.Now().Before(end); time.Sleep(100 * time.Millisecond) { // polls another process
		unfinished := false
		for _, task := range s.list("", everything) {
			states[task.ID] = task.State
			unfinished = unfinished || !final(task.State)
		}
		if !unfinished {
			break
		}
	}
	return states
}

// during carries out a strike and notes it as a fault for as long as it lasts.
func during(strike func()) []auditor.Fault {
	over, noted := make(chan struct{}), make(chan []auditor.Fault)
	go func() {
		var faults []auditor.Fault
		for ended := false; ; {
			faults = append(faults, auditor.Fault{At: time.Now()})
			if ended {
				noted <- faults
				return
			}
			select {
			case <-over:
				ended = true
			case <-time.After(200 * time.Millisecond):
			}
		}
	}()
	strike()
	close(over)
	return <-noted
}

// seconds is how long a spell lasts.
func seconds(short, long int) time.Duration { return time.Duration(heavy(short, long)) * time.Second }

// TestDatabaseKilled: kill -9 of every process of the server, at any moment.
func TestDatabaseKilled(t *testing.T) {
	skipShort(t)
	db := testkit.NewCluster(t, lax...)
	spell{tasks: heavy(800, 10_000), times: heavy(3, 20), strike: func() {
		db.Kill()
		db.Start()
	}}.run(t, db.URL())
}

// TestDatabaseFailsOver to a standby that commits wait for: the nodes know both
// addresses.
func TestDatabaseFailsOver(t *testing.T) {
	skipShort(t)
	for i := range heavy(1, 10) {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			primary := testkit.NewCluster(t, append(lax, "synchronous_standby_names=*")...)
			standby := primary.Standby()
			dsn := "postgres://postgres@" + primary.Addr() + "," + standby.Addr() + "/postgres?sslmode=disable"
			spell{tasks: heavy(800, 5000), times: 1, strike: func() {
				primary.Kill()
				time.Sleep(time.Duration(rand.IntN(heavy(500, 20_000))) * time.Millisecond)
				standby.Promote()
			}}.run(t, dsn)
		})
	}
}

// TestDatabaseTakesNoWrites for a while, on all connections at once.
func TestDatabaseTakesNoWrites(t *testing.T) {
	skipShort(t)
	db := testkit.NewCluster(t, lax...)
	spell{tasks: heavy(800, 5000), times: heavy(2, 6), steady: heavy(1, 0) == 1, strike: func() {
		require.NoError(t, db.Exec("alter system set default_transaction_read_only = on", "select pg_reload_conf()"))
		time.Sleep(seconds(2, 25))
		require.NoError(t, db.Exec("alter system reset default_transaction_read_only", "select pg_reload_conf()"))
	}}.run(t, db.URL())
}

// TestDatabaseTableIsLocked, as ALTER TABLE and VACUUM FULL lock it.
func TestDatabaseTableIsLocked(t *testing.T) {
	skipShort(t)
	db := testkit.NewCluster(t, lax...)
	spell{tasks: heavy(600, 5000), times: heavy(1, 5), steady: true, strike: func() {
		require.NoError(t, db.Exec("begin; lock table sendoff.task in access exclusive mode; select pg_sleep("+
			fmt.Sprint(seconds(12, 30).Seconds())+"); commit"))
	}}.run(t, db.URL())
}

// TestDatabaseSessionsAreEnded by somebody who cancels what runs, and by
// somebody who ends every session, again and again.
func TestDatabaseSessionsAreEnded(t *testing.T) {
	skipShort(t)
	for _, how := range []string{"pg_cancel_backend", "pg_terminate_backend"} {
		t.Run(how, func(t *testing.T) {
			db := testkit.NewCluster(t, lax...)
			spell{tasks: heavy(800, 5000), times: heavy(2, 6), strike: func() {
				for end := time.Now().Add(seconds(2, 20)); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
					require.NoError(t, db.Exec("select "+how+"(pid) from pg_stat_activity where application_name = 'sendoff' and random() < 0.3"))
				}
			}}.run(t, db.URL())
		})
	}
}

// TestDatabaseHasAStatementTimeout that nothing of a busy queue could keep.
func TestDatabaseHasAStatementTimeout(t *testing.T) {
	skipShort(t)
	db := testkit.NewCluster(t, lax...)
	spell{tasks: heavy(800, 5000), times: heavy(2, 6), steady: true, strike: func() {
		require.NoError(t, db.Exec("alter system set statement_timeout = '3ms'", "select pg_reload_conf()"))
		time.Sleep(seconds(2, 20))
		require.NoError(t, db.Exec("alter system reset statement_timeout", "select pg_reload_conf()"))
	}}.run(t, db.URL())
}

// TestDatabaseDiskIsFull: the server answers with errors, or dies over its log
// and is started when there is room again.
func TestDatabaseDiskIsFull(t *testing.T) {
	skipShort(t)
	disk := testkit.SmallDisk(t, 160<<20)
	db := testkit.NewClusterAt(t, disk.Dir, append(lax, "max_wal_size=32MB", "min_wal_size=8MB", "shared_buffers=16MB")...)
	spell{tasks: heavy(800, 5000), times: heavy(2, 6), strike: func() {
		disk.Fill()
		time.Sleep(seconds(2, 15))
		disk.Free()
		waitFor(t, time.Minute, "the database is back", func() bool {
			if !db.Alive() {
				db.Start()
			}
			return db.Exec("select 1") == nil
		})
	}}.run(t, db.URL())
}
