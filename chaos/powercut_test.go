//go:build linux

package chaos_test

import (
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/chaos/auditor"
	"github.com/sendoff-dev/sendoff/chaos/powerfs"
)

// rackedMachine is a disk, where it is mounted, and how its power fails.
type rackedMachine struct {
	t     *testing.T
	disk  *powerfs.Disk
	dir   string
	mount *powerfs.Mount
	loss  func() powerfs.Loss
}

func newMachine(t *testing.T, seed uint64, losses ...powerfs.Loss) *rackedMachine {
	t.Helper()
	if err := powerfs.Supported(); err != nil {
		t.Skip(err)
	}
	rng := rand.New(rand.NewPCG(seed, 2))
	m := &rackedMachine{t: t, disk: powerfs.NewDisk(seed), dir: t.TempDir()}
	m.loss = func() powerfs.Loss { return losses[rng.IntN(len(losses))] }
	var err error
	if m.mount, err = m.disk.Mount(m.dir); err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { m.mount.Unmount() })
	return m
}

func (m *rackedMachine) file() string { return filepath.Join(m.dir, "sendoff.db") }

// powerCut is a fault: the disk forgets, the process dies with it, and the
// machine comes up again.
func (m *rackedMachine) powerCut(s *server) {
	m.t.Helper()
	loss := m.loss()
	m.disk.Cut(loss, loss != powerfs.DropAll)
	s.kill()
	m.t.Logf("power cut: %v", loss)
	m.remount()
}

// remount empties the kernel's cache of the files.
func (m *rackedMachine) remount() {
	m.t.Helper()
	require.NoError(m.t, m.mount.Unmount())
	var err error
	m.mount, err = m.disk.Mount(m.dir)
	require.NoError(m.t, err)
}

func (m *rackedMachine) ordeal(o ordeal) auditor.Report {
	m.t.Helper()
	o.db, o.fault = m.file(), m.powerCut
	report, _ := o.run(m.t)
	stats := m.disk.Stats()
	m.t.Log(report)
	m.t.Logf("disk: %d writes, %d syncs, %d cuts, %d writes lost", stats.Writes, stats.Syncs, stats.Cuts, stats.LostWrites)
	checkIntegrity(m.t, m.file())
	return report
}

// TestPowerCut covers T5: I1, I3 and I16 hold when the power fails.
func TestPowerCut(t *testing.T) {
	o := ordeal{program: sendoff(t), tasks: heavy(1000, 10_000), faults: heavy(5, 50)}
	for name, loss := range losses {
		t.Run(name, func(t *testing.T) {
			report := newMachine(t, rand.Uint64(), loss...).ordeal(o)
			require.True(t, report.OK(), report.String())
		})
	}
}

var losses = map[string][]powerfs.Loss{
	"drop all":   {powerfs.DropAll},
	"drop parts": {powerfs.KeepPrefix, powerfs.KeepSubset},
}

// TestPowerCutFindsLazySync is the control: a database that does not sync each
// commit has to lose acknowledged tasks. kill -9 alone would never show it.
func TestPowerCutFindsLazySync(t *testing.T) {
	p := sendoff(t)
	p.env = append(p.env, "SENDOFF_CHAOS=1", "SENDOFF_UNSAFE_SYNCHRONOUS=NORMAL")
	o := ordeal{program: p, tasks: 1000, faults: 5}
	report := newMachine(t, rand.Uint64(), powerfs.DropAll).ordeal(o)
	require.NotEmpty(t, report.Lost, "SENDOFF_UNSAFE_SYNCHRONOUS=NORMAL lost nothing: the power cut does not cut")
}

// TestPowerCutStandin proves the harness itself, both ways, on a server that is
// known to sync, and to survive kill -9 when it does not.
func TestPowerCutStandin(t *testing.T) {
	skipShort(t)
	lazy := []string{"SENDOFF_CHAOS=1", "SENDOFF_UNSAFE_SYNCHRONOUS=NORMAL"}
	for name, loss := range losses {
		t.Run("FULL, "+name, func(t *testing.T) {
			report := newMachine(t, rand.Uint64(), loss...).ordeal(ordeal{program: self("standin"), tasks: 400, faults: 5})
			require.True(t, report.OK(), report.String())
		})
	}
	t.Run("NORMAL", func(t *testing.T) {
		report := newMachine(t, rand.Uint64(), powerfs.DropAll).ordeal(ordeal{program: self("standin", lazy...), tasks: 400, faults: 5})
		require.NotEmpty(t, report.Lost)
	})
	t.Run("NORMAL, killed", func(t *testing.T) {
		o := ordeal{program: self("standin", lazy...), tasks: 400, faults: 5, db: filepath.Join(t.TempDir(), "standin.db")}
		report, _ := o.run(t)
		require.True(t, report.OK(), report.String())
	})
}
