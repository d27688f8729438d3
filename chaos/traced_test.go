//go:build linux

package chaos_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestTraced shows with the kernel's own record that no submission is answered
// before a sync that covers it has ended: for each, the write of its row to the
// write-ahead log, then a sync of that file from begin to end, then the answer.
func TestTraced(t *testing.T) {
	traced(t, sendoff(t), heavy(100, 2000), func(v verdicts) { require.Empty(t, v.wrong, "%v", v) })
}

// TestTracedFindsPlantedBugs is the control.
func TestTracedFindsPlantedBugs(t *testing.T) {
	skipShort(t)
	traced(t, self("standin"), 50, func(v verdicts) { require.Empty(t, v.wrong, "%v", v) })
	lazy := self("standin", "SENDOFF_CHAOS=1", "SENDOFF_UNSAFE_SYNCHRONOUS=NORMAL")
	traced(t, lazy, 50, func(v verdicts) { require.NotEmpty(t, v.wrong) })
	early := self("standin", "STANDIN_BUG="+bugAckEarly)
	traced(t, early, 50, func(v verdicts) { require.NotEmpty(t, v.wrong) })
}

func traced(t *testing.T, p program, n int, judge func(verdicts)) {
	t.Helper()
	strace, dir := needStrace(t), t.TempDir()
	s := newServer(t, p, filepath.Join(dir, "sendoff.db"))
	trace := filepath.Join(dir, "trace")
	s.run(underStrace(strace, trace, "trace=fsync,fdatasync,write,writev,pwrite64,sendto,sendmsg", s))
	s.waitReady()
	for i := range n { // one by one: what is between two answers belongs to one submission
		sub := submission{key: marker(i), body: map[string]any{"url": "http://127.0.0.1:9/", "name": marker(i), "delay": "1h"}}
		_, err := submit(t.Context(), sub, s)
		require.NoError(t, err)
	}
	time.Sleep(100 * time.Millisecond) // a late commit shall be seen as late, not as missing
	s.endTraced()
	v := judgeTrace(t, trace, n)
	t.Logf("%d submissions traced: %d answered after the sync, %d not; the first: %s", n, n-len(v.wrong), len(v.wrong), v.example)
	judge(v)
}

func needStrace(t *testing.T) string {
	t.Helper()
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace is not installed (apt-get install strace)")
	}
	if out, err := exec.Command(strace, "-o", os.DevNull, "true").CombinedOutput(); err != nil {
		t.Skipf("strace is not permitted here: %v: %s", err, out)
	}
	return strace
}

func marker(i int) string { return fmt.Sprintf("marker-%06d", i) }

func underStrace(strace, trace, expr string, s *server) *exec.Cmd {
	p := s.program
	args := append([]string{"-f", "-y", "-s", "70000", "-o", trace, "-e", expr, p.path}, s.args...)
	p.path = strace
	return p.command(args...)
}

// endTraced ends the traced process, if it did not end by itself; strace follows
// it when the trace is whole.
func (s *server) endTraced() {
	s.t.Helper()
	children, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", s.pid()))
	require.NoError(s.t, err)
	for _, c := range children {
		var pid int
		b, _ := os.ReadFile(c)
		if _, err := fmt.Sscan(string(b), &pid); err == nil {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	<-s.ended
	s.cmd = nil
}

// verdicts says what is wrong with which submission.
type verdicts struct {
	wrong   []string
	example string
}

// syscallLine is a call of the trace: where it began and where it ended, in
// lines of the trace, which are in the order of time.
type syscallLine struct {
	name       string
	args       string
	begin, end int
}

func judgeTrace(t *testing.T, path string, n int) (v verdicts) {
	t.Helper()
	calls := readTrace(t, path)
	for i := range n {
		name := marker(i)
		answer := slices.IndexFunc(calls, func(c syscallLine) bool {
			return c.isAnswer() && strings.Contains(c.args, name)
		})
		if answer < 0 {
			v.wrong = append(v.wrong, name+": no answer in the trace")
			continue
		}
		if why, ok := synced(calls, name, calls[answer]); !ok {
			v.wrong = append(v.wrong, name+": "+why)
		} else if v.example == "" {
			v.example = why
		}
	}
	return v
}

// synced tells whether every write of the row before the answer was covered by
// a sync that ended before the answer began.
func synced(calls []syscallLine, name string, answer syscallLine) (string, bool) {
	lastWrite := -1
	for i, c := range calls {
		if c.isLogWrite() && c.begin < answer.begin && strings.Contains(c.args, name) {
			lastWrite = i
		}
	}
	if lastWrite < 0 {
		return fmt.Sprintf("answered (line %d) before it was written", answer.begin), false
	}
	w := calls[lastWrite]
	for _, c := range calls {
		if c.isLogSync() && c.begin > w.end && c.end < answer.begin {
			return fmt.Sprintf("%s of the WAL at line %d, %s at lines %d-%d, answer at line %d", w.name, w.begin, c.name, c.begin, c.end, answer.begin), true
		}
	}
	return fmt.Sprintf("written at line %d, answered at line %d, no sync between", w.begin, answer.begin), false
}

func (c syscallLine) isAnswer() bool {
	return c.name != "pwrite64" && strings.Contains(c.args, `"HTTP/1.1 20`)
}

func (c syscallLine) isLogWrite() bool {
	return (c.name == "pwrite64" || c.name == "write") && strings.Contains(c.file(), "-wal>")
}

func (c syscallLine) isLogSync() bool {
	return strings.HasSuffix(c.name, "sync") && strings.Contains(c.file(), "-wal>")
}

// file is the first argument: a number and, thanks to -y, a path.
func (c syscallLine) file() string {
	file, _, _ := strings.Cut(c.args, ",")
	return file
}

var (
	wholeCall   = regexp.MustCompile(`^(\d+) +(\w+)\((.*)\) += (-?\d+)`)
	callBegins  = regexp.MustCompile(`^(\d+) +(\w+)\((.*) <unfinished \.\.\.>$`)
	callResumes = regexp.MustCompile(`^(\d+) +<\.\.\. (\w+) resumed>(.*)\) += (-?\d+)`)
)

// readTrace returns the calls that succeeded.
func readTrace(t *testing.T, path string) []syscallLine {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	var calls []syscallLine
	open := map[string]syscallLine{} // by thread
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		if m := callBegins.FindStringSubmatch(line); m != nil {
			open[m[1]] = syscallLine{name: m[2], args: m[3], begin: n}
		} else if m := callResumes.FindStringSubmatch(line); m != nil && m[4][0] != '-' {
			c := open[m[1]]
			c.args, c.end = c.args+m[3], n
			calls = append(calls, c)
		} else if m := wholeCall.FindStringSubmatch(line); m != nil && m[4][0] != '-' {
			calls = append(calls, syscallLine{name: m[2], args: m[3], begin: n, end: n})
		}
	}
	require.NoError(t, lines.Err())
	return calls
}
