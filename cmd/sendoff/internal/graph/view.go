package graph

import (
	"bytes"
	"io"
	"sync"

	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
	"github.com/sendoff-dev/sendoff/jobgraph"
)

// plainView prints lines as things happen.
type plainView struct {
	t        *term.Terminal
	prefix   *prefix
	observer func(jobgraph.Event)
}

func (v *plainView) enter(func())                {}
func (v *plainView) observe(e jobgraph.Event)    { v.observer(e) }
func (v *plainView) output(job string) io.Writer { return v.prefix.of(job) }
func (v *plainView) leave()                      { v.prefix.flush() }

func (v *plainView) end(res *jobgraph.Result) error {
	printEnd(v.t, res)
	return nil
}

// jsonView prints the lines of the contract on stdout, and nothing else there.
type jsonView struct {
	t      *term.Terminal
	prefix *prefix
	lines  func(jobgraph.Event) // nil = none
}

func (v *jsonView) enter(func())                {}
func (v *jsonView) output(job string) io.Writer { return v.prefix.of(job) }
func (v *jsonView) leave()                      { v.prefix.flush() }

func (v *jsonView) observe(e jobgraph.Event) {
	if v.lines != nil {
		v.lines(e)
	}
	if e.Kind == jobgraph.CallEnded {
		_ = printLine(v.t.Stdout, e) // nobody listens any more
	}
}

func (v *jsonView) end(res *jobgraph.Result) error { return printLine(v.t.Stdout, res) }

// prefix writes what jobs print, each line after the name of its job.
type prefix struct {
	mu   sync.Mutex
	to   io.Writer
	open map[string]*bytes.Buffer // lines without an end, by the name of the job
}

func newPrefix(to io.Writer) *prefix { return &prefix{to: to, open: map[string]*bytes.Buffer{}} }

func (p *prefix) of(job string) io.Writer { return jobOutput{p, job} }

// jobOutput is what one job prints.
type jobOutput struct {
	*prefix
	job string
}

// maxOpenLine is how many bytes of a line are waited for.
const maxOpenLine = 64 << 10

func (o jobOutput) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	line := o.open[o.job]
	if line == nil {
		line = &bytes.Buffer{}
		o.open[o.job] = line
	}
	line.Write(b)
	for {
		at := bytes.IndexByte(line.Bytes(), '\n')
		if at < 0 && line.Len() < maxOpenLine {
			break
		}
		n := line.Len()
		if at >= 0 {
			n = at + 1
		}
		o.line(o.job, bytes.TrimSuffix(line.Next(n), []byte{'\n'}))
	}
	if line.Len() == 0 {
		delete(o.open, o.job)
	}
	return len(b), nil
}

func (p *prefix) line(job string, text []byte) {
	_, _ = p.to.Write([]byte(term.Clean(job) + " | " + string(text) + "\n"))
}

// flush writes what has no end.
func (p *prefix) flush() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for job, line := range p.open {
		p.line(job, line.Bytes())
	}
	clear(p.open)
}
