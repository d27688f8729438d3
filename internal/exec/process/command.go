//go:build unix

package process

import (
	"context"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Command starts a program for a call, with the payload at its standard input, and waits
// for its end. What it prints is its output; status 0 is a success.
func (p *Pool) Command(ctx context.Context, c *Call, cmd *Command) Result {
	select {
	case <-p.open:
	case <-ctx.Done():
		return Result{how: unstarted}
	}
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-ctx.Done():
		return Result{how: unstarted}
	}
	r := Result{how: failed, output: &output{task: c.ID, name: c.Name}}
	begun := time.Now()
	run, err := p.startCommand(c, cmd, r.output)
	if err != nil {
		r.err = &frameError{Message: err.Error()}
		return r
	}
	defer run.close()
	r.exit = run.wait(ctx, c, p.cfg.Patience)
	r.took, r.stage, r.late = time.Since(begun), run.stage, run.late
	switch {
	case run.stage != "":
		r.how = stopped
	case r.exit.Signal != 0:
		r.how = crashed
	case r.exit.Code == 0:
		r.how = ok
	default:
		r.err = &frameError{Message: cmd.Argv[0] + " " + r.exit.String()}
	}
	return r
}

// running is a command under way.
type commandRun struct {
	pid   int
	ended <-chan exit
	pipes []*pipe
	stage string
	late  bool
}

func (p *Pool) startCommand(c *Call, cmd *Command, out *output) (*commandRun, error) {
	var theirs []*os.File
	defer func() {
		for _, f := range theirs {
			f.Close()
		}
	}()
	in, feed, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	theirs = append(theirs, in)
	run := &commandRun{}
	for i := range 2 {
		r, end, err := os.Pipe()
		if err == nil {
			theirs = append(theirs, end)
			var read *pipe
			if read, err = newPipe(r, i == 1, p.cfg.Output); err == nil {
				read.to = out
				run.pipes = append(run.pipes, read)
				continue
			}
		}
		feed.Close()
		run.close()
		return nil, err
	}
	proc, err := p.launch(&program{Argv: cmd.fill(c), Env: p.cfg.Env, More: c.environ(), Dir: p.cfg.Dir, files: theirs}, p.spawner.start)
	if err != nil {
		feed.Close()
		run.close()
		return nil, err
	}
	run.pid, run.ended = proc.pid, proc.ended
	for _, read := range run.pipes {
		go read.run()
	}
	go func() {
		defer feed.Close()
		_, _ = feed.Write(c.Payload) // it need not read it
	}()
	return run, nil
}

// environ are the variables that tell a program which attempt it is.
func (c *Call) environ() []string {
	plain := func(s string) string { return strings.ReplaceAll(s, "\x00", "") }
	return []string{
		"SENDOFF_TASK_ID=" + plain(c.ID), "SENDOFF_TASK_NAME=" + plain(c.Name), "SENDOFF_ATTEMPT=" + strconv.Itoa(c.Attempt),
		"SENDOFF_MAX_ATTEMPTS=" + strconv.Itoa(c.MaxAttempts), "SENDOFF_TOKEN=" + strconv.FormatInt(c.Token, 10),
	}
}

// fill puts what the task is into the arguments.
func (cmd *Command) fill(c *Call) []string {
	known := strings.NewReplacer("{id}", c.ID, "{name}", c.Name, "{attempt}", strconv.Itoa(c.Attempt), "{token}", strconv.FormatInt(c.Token, 10))
	argv := make([]string, len(cmd.Argv))
	for i, a := range cmd.Argv {
		argv[i] = known.Replace(a)
	}
	return argv
}

// wait waits for the end. When the time is over, or ctx is, the program is told to end,
// and then ended.
func (run *commandRun) wait(ctx context.Context, c *Call, patience Patience) exit {
	timer := time.NewTimer(c.Timeout)
	if c.Timeout <= 0 {
		timer.Stop()
	}
	defer timer.Stop()
	done := ctx.Done()
	for {
		select {
		case e := <-run.ended:
			return e
		case <-done:
			done, run.stage = nil, stageTold
			signalGroup(run.pid, unix.SIGTERM)
			timer.Reset(patience.Told)
		case <-timer.C:
			if run.stage == "" {
				run.late, run.stage = true, stageTold
				signalGroup(run.pid, unix.SIGTERM)
				timer.Reset(patience.Told)
				continue
			}
			run.stage = stageKilled
			signalGroup(run.pid, unix.SIGKILL)
			timer.Reset(time.Second)
		}
	}
}

// close reads what is left.
func (run *commandRun) close() {
	for _, p := range run.pipes {
		p.charge(nil)
		p.close()
	}
}
