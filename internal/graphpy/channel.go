package graphpy

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// message is what Python sends: an ask, or a reply when Ask is "".
type message struct {
	Ask string `json:"ask"`

	ID     int             `json:"id"`
	Result json.RawMessage `json:"result"`
	Error  *Error          `json:"error"`
	Unmade bool            `json:"unmade"`

	Process    int       `json:"process"`
	Jobs       []jobSpec `json:"jobs"`
	NoAct      bool      `json:"no_act"`
	NoCleanup  bool      `json:"no_cleanup"`
	Verbose    bool      `json:"verbose"`
	Debug      bool      `json:"debug"`
	Log        bool      `json:"log"`
	Tries      *int64    `json:"tries"`
	RetryDelay *float64  `json:"retry_delay"`
	Only       string    `json:"only"`
	Format     string    `json:"format"`
}

// callMessage asks for a call.
type callMessage struct {
	ID      int    `json:"id"`
	Call    string `json:"call"`
	Job     int    `json:"job"`
	Attempt int    `json:"attempt"`
	Threads bool   `json:"threads,omitempty"`
}

// answer ends an ask.
type answer struct {
	Answer  any    `json:"answer"`
	Refused string `json:"refused,omitempty"`
}

// channel is the connection of one graph.
type channel struct {
	conn    net.Conn
	process int                // set before the first call
	asks    chan message       // those that want an answer; closed with the connection
	gone    context.Context    //nolint:containedctx // ends with the connection, as a context of runs
	lose    context.CancelFunc // ends it

	mu      sync.Mutex // of writing and of what follows
	last    int        // id of a call
	replies map[int]chan message
	cancel  context.CancelCauseFunc // of the run under way, nil for none
}

func newChannel(conn net.Conn) *channel {
	c := &channel{conn: conn, asks: make(chan message, 1), replies: map[int]chan message{}}
	var lose context.CancelCauseFunc
	c.gone, lose = context.WithCancelCause(context.Background())
	c.lose = func() {
		c.cancelRun(lost{}) // first: a call that is lost belongs to a run that has ended
		lose(lost{})
	}
	go c.read()
	return c
}

// read passes on what comes until the connection ends.
func (c *channel) read() {
	defer close(c.asks)
	defer c.lose()
	in := json.NewDecoder(c.conn)
	for {
		var m message
		if err := in.Decode(&m); err != nil {
			c.conn.Close()
			return
		}
		switch m.Ask {
		case "":
			c.reply(m)
		case "cancel":
			c.cancelRun(errInterrupted)
		default:
			c.asks <- m
		}
	}
}

func (c *channel) reply(m message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if to := c.replies[m.ID]; to != nil {
		delete(c.replies, m.ID)
		to <- m
	}
}

// cancelRun ends the run under way, for a reason.
func (c *channel) cancelRun(why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cancel != nil {
		c.cancel(why)
	}
}

// send writes a message. A connection that is lost is noticed where it is read.
func (c *channel) send(m any) {
	line, err := json.Marshal(m)
	if err != nil {
		panic(err) // all messages are ours, and plain
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	_, _ = c.conn.Write(append(line, '\n'))
}

// interruptAgain is when an interrupt is repeated: one that comes as a call begins to
// wait ends the wait of no Python.
const interruptAgain = 2 * time.Second

// call has Python make a call and waits for its end. When ctx ends first the process
// is interrupted, as by Ctrl-C, and still waited for.
func (c *channel) call(ctx context.Context, m callMessage) (message, error) {
	to := make(chan message, 1)
	c.mu.Lock()
	c.last++
	m.ID = c.last
	c.replies[m.ID] = to
	c.mu.Unlock()
	c.send(m)
	canceled := ctx.Done()
	again := time.NewTimer(0)
	again.Stop()
	defer again.Stop()
	for {
		select {
		case r := <-to:
			return r, nil
		case <-c.gone.Done():
			return message{}, lost{}
		case <-canceled:
			canceled = nil
			again.Reset(0)
		case <-again.C:
			c.interrupt()
			again.Reset(interruptAgain)
		}
	}
}

func (c *channel) interrupt() {
	if c.process <= 0 {
		return
	}
	if p, err := os.FindProcess(c.process); err == nil {
		_ = p.Signal(os.Interrupt) // it may have ended
	}
}

// runContext is a context for a run: it ends with ctx, with the process, and when
// Python cancels the run.
func (c *channel) runContext(ctx context.Context) (context.Context, context.CancelFunc) {
	running, end := context.WithCancelCause(ctx)
	unlink := context.AfterFunc(c.gone, func() { end(context.Cause(c.gone)) })
	c.mu.Lock()
	c.cancel = end
	c.mu.Unlock()
	return running, func() {
		unlink()
		c.mu.Lock()
		c.cancel = nil
		c.mu.Unlock()
		end(nil)
	}
}

var errInterrupted = errors.New("interrupted")

// text is a writer whose pieces are sent under a key.
type text struct {
	*channel
	key string
}

func (t text) Write(b []byte) (int, error) {
	t.send(map[string]string{t.key: string(b)})
	return len(b), nil
}

// running tells whether a run is under way.
func (c *channel) running() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cancel != nil
}
