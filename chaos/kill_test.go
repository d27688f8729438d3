//go:build linux

package chaos_test

import (
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/chaos/auditor"
)

// ordeal is the loop that most faults are judged by: producers submit with
// retry, the server is broken again and again, everything drains, and the
// auditor judges.
type ordeal struct {
	program program
	db      string
	tasks   int
	faults  int
	// fault breaks the server and leaves it dead. The default is kill -9.
	fault func(*server)
	// script returns how the auditor treats a task, and more of its fields.
	script func(i int) (string, map[string]any)
}

// run returns the verdict, and the server, stopped after a clean end.
func (o ordeal) run(t *testing.T) (auditor.Report, *server) {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d: %d tasks, %d faults", seed, o.tasks, o.faults)
	rng := rand.New(rand.NewPCG(seed, 0))

	j, s := startJudge(t), newServer(t, o.program, o.db)
	s.start()
	p := o.produce(t, j, s)
	var faults []auditor.Fault
	strike := func() {
		at := time.Now()
		pid := s.pid()
		o.breakServer(s)
		faults = append(faults, auditor.Fault{At: time.Now(), PID: pid})
		t.Logf("fault %d after %d acknowledged (took %v)", len(faults), p.acknowledged(), time.Since(at).Round(time.Millisecond))
		s.start()
	}
	during := o.faults - o.faults/5
	for i := range during { // while tasks come in
		target := (float64(i) + rng.Float64()) / float64(during) * float64(o.tasks)
		waitFor(t, 2*time.Minute, "producers make progress", func() bool { return float64(p.acknowledged()) >= target })
		time.Sleep(time.Duration(rng.IntN(200)) * time.Millisecond)
		strike()
	}
	require.NoError(t, p.wait())
	for range o.faults / 5 { // and while they drain
		time.Sleep(time.Duration(rng.IntN(500)) * time.Millisecond)
		strike()
	}
	final, names := s.drain(3*time.Minute), s.names()
	s.signal(15)
	require.Equal(t, 0, s.end(40*time.Second), "exit code after SIGTERM")
	return auditor.Check(p.history(j.events(t), faults, final, names)), s
}

func (o ordeal) breakServer(s *server) {
	if o.fault != nil {
		o.fault(s)
		return
	}
	s.kill()
}

// TestKill covers T4: I1, I2, I3, I5, I7 and I16 hold when the server is killed
// at any moment.
func TestKill(t *testing.T) {
	o := ordeal{program: sendoff(t), tasks: heavy(2000, 10_000), faults: heavy(5, 20)}
	t.Run("sqlite", func(t *testing.T) {
		o := o
		o.db = filepath.Join(t.TempDir(), "sendoff.db")
		report, _ := o.run(t)
		t.Log(report)
		require.True(t, report.OK(), report.String())
		checkIntegrity(t, o.db)
	})
	t.Run("postgres", func(t *testing.T) {
		o := o
		o.db = postgres(t)
		report, _ := o.run(t)
		t.Log(report)
		require.True(t, report.OK(), report.String())
	})
}

// TestKillFindsPlantedBugs is the control: the same loop passes for a server
// that keeps the promises, and fails for one that breaks any of them.
func TestKillFindsPlantedBugs(t *testing.T) {
	skipShort(t)
	for _, bug := range []string{"", bugAckEarly, bugForgetKey, bugSettleEarly, bugTwice, bugFail, bugOldToken, bugHalfBatch, bugTwoOpen, bugWrongTask} {
		t.Run("bug="+bug, func(t *testing.T) {
			o := ordeal{
				program: self("standin", "STANDIN_BUG="+bug),
				db:      filepath.Join(t.TempDir(), "standin.db"),
				tasks:   400, faults: 3,
			}
			r, _ := o.run(t)
			t.Log(r)
			switch bug {
			case "":
				require.True(t, r.OK(), r.String())
				checkIntegrity(t, o.db)
			case bugAckEarly, bugSettleEarly:
				require.NotEmpty(t, r.Lost)
			case bugForgetKey:
				require.NotEmpty(t, r.Unexpected)
			case bugTwice:
				require.NotEmpty(t, r.Unexplained)
			case bugFail:
				require.NotEmpty(t, r.Failed)
			case bugOldToken:
				require.NotEmpty(t, r.Fence)
			case bugHalfBatch:
				require.NotEmpty(t, slices.Concat(r.Torn, r.Lost))
			case bugTwoOpen, bugWrongTask:
				require.NotEmpty(t, r.Keys)
			}
		})
	}
}
