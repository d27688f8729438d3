//go:build linux

package chaos_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// crowd is many clients that submit tasks which are due in an hour, at a rate that heeds no
// answers: when all wait for one, the next submission is given up. Who has waited for
// patience goes away.
type crowd struct {
	Address string
	Clients int
	Rate    float64 // submissions a second; 0 = each client sends the next one after an answer
	For     time.Duration
}

// patience is how long somebody waits for an answer.
const patience = 2 * time.Second

// heard is what a crowd was answered: of each half second, by when the submission was due.
type heard struct {
	Good    []int           // stored, in time
	Refused []int           // answered with 429 or 503
	Worst   []time.Duration // of a hundred the longest but one
}

// half is the time of a row of heard.
const half = 500 * time.Millisecond

// run is the process of a crowd.
func (c crowd) run() (*heard, error) {
	rows := int(c.For/half) + 1
	h := &heard{Good: make([]int, rows), Refused: make([]int, rows), Worst: make([]time.Duration, rows)}
	took := make([][]time.Duration, rows)
	var mu sync.Mutex
	var tickets atomic.Int64
	var wg sync.WaitGroup
	start := time.Now()
	for range c.Clients {
		wg.Go(func() {
			client := &rawClient{address: c.Address}
			defer client.close()
			for {
				due := time.Now()
				if c.Rate > 0 {
					due = start.Add(time.Duration(float64(tickets.Add(1)-1) / c.Rate * float64(time.Second)))
				}
				at := int(due.Sub(start) / half)
				if at >= rows || due.Sub(start) >= c.For {
					return
				}
				time.Sleep(time.Until(due))
				if time.Since(due) > 50*time.Millisecond {
					continue // nobody was free
				}
				status := client.submit()
				lasted := time.Since(due)
				mu.Lock()
				switch {
				case status == http.StatusCreated && lasted <= patience:
					h.Good[at]++
					took[at] = append(took[at], lasted)
				case status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests:
					h.Refused[at]++
				}
				mu.Unlock()
				if status != http.StatusCreated && c.Rate == 0 {
					time.Sleep(10 * time.Millisecond)
				}
			}
		})
	}
	wg.Wait()
	for i, t := range took {
		if sort.Slice(t, func(a, b int) bool { return t[a] < t[b] }); len(t) > 0 {
			h.Worst[i] = t[len(t)*99/100]
		}
	}
	return h, nil
}

// rawClient is an HTTP client that costs little.
type rawClient struct {
	address string
	conn    net.Conn
	in      *bufio.Reader
}

const submitted = `{"url":"http://127.0.0.1:9/hook","delay":"1h","payload":{"to":"ada@example.org"}}`

// submit submits a task and returns the status of the answer; 0 = there was none.
func (c *rawClient) submit() int {
	if c.conn == nil {
		conn, err := net.DialTimeout("tcp", c.address, patience)
		if err != nil {
			time.Sleep(10 * time.Millisecond)
			return 0
		}
		c.conn, c.in = conn, bufio.NewReaderSize(conn, 2048)
	}
	_ = c.conn.SetDeadline(time.Now().Add(2 * patience))
	_, err := fmt.Fprintf(c.conn, "POST /v1/tasks HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", c.address, len(submitted), submitted)
	if err == nil {
		var res *http.Response
		if res, err = http.ReadResponse(c.in, nil); err == nil {
			_, err = c.in.Discard(int(max(res.ContentLength, 0)))
			if err == nil && res.ContentLength >= 0 && !res.Close {
				return res.StatusCode
			}
			c.close()
			return res.StatusCode
		}
	}
	c.close()
	return 0
}

func (c *rawClient) close() {
	if c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
}

// beCrowd is a crowd in a process of its own: its description is an argument.
func beCrowd(description string) error {
	var c crowd
	if err := json.Unmarshal([]byte(description), &c); err != nil {
		return err
	}
	h, err := c.run()
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(h)
}

// hear runs a crowd on the second processor.
func hear(t *testing.T, c crowd) *heard {
	t.Helper()
	description, err := json.Marshal(c)
	require.NoError(t, err)
	cmd := exec.Command("taskset", "-c", "1", os.Args[0], string(description))
	cmd.Env, cmd.Stderr = append(os.Environ(), roleEnv+"=crowd", "GOMAXPROCS=1"), os.Stderr
	out, err := cmd.Output()
	require.NoError(t, err)
	var h heard
	require.NoError(t, json.Unmarshal(out, &h))
	return &h
}

// onOneCore is a server that has the first processor alone.
func onOneCore(t *testing.T, db string) *server {
	t.Helper()
	if _, err := exec.LookPath("taskset"); err != nil || heavy(0, 1) == 0 {
		t.Skip("it measures, on a quiet machine with taskset: make proof-overload")
	}
	p := sendoff(t)
	s := newServer(t, program{path: "taskset"}, db)
	s.args = append([]string{"-c", "0", p.path}, s.args...)
	s.start()
	return s
}

// perSecond is the median of what was heard in the rows, a second.
func perSecond(rows []int) float64 {
	sorted := slices.Sorted(slices.Values(rows))
	return float64(sorted[len(sorted)/2]) * float64(time.Second/half)
}

// TestOverload: three times as much as the server can take leaves it with what it can take,
// and ten seconds later nobody notices any more. It is SQLite, for PostgreSQL would take from
// the processor of the crowd.
func TestOverload(t *testing.T) {
	s := onOneCore(t, filepath.Join(t.TempDir(), "sendoff.db"))
	peak := perSecond(hear(t, crowd{Address: s.addr, Clients: 64, For: 8 * time.Second}).Good[2:16])
	usual := hear(t, crowd{Address: s.addr, Clients: 256, Rate: peak / 3, For: 5 * time.Second})
	over := hear(t, crowd{Address: s.addr, Clients: 2000, Rate: 3 * peak, For: 15 * time.Second})
	after := hear(t, crowd{Address: s.addr, Clients: 256, Rate: peak / 3, For: 12 * time.Second})
	kept := perSecond(over.Good[2:30]) / peak
	refused := perSecond(over.Refused[2:30])
	calm := slices.Sorted(slices.Values(usual.Worst[2:10]))[4]
	recovered := len(after.Worst)
	for i, worst := range after.Worst[:24] {
		if float64(after.Good[i]) >= 0.95*peak/3/float64(time.Second/half) && worst <= 3*calm+5*time.Millisecond {
			recovered = i
			break
		}
	}
	t.Logf("peak %.0f/s; at three times as much %.0f %% of it, %.0f/s refused; p99 usually %v, again after %v", peak, 100*kept, refused, calm, time.Duration(recovered)*half)
	require.GreaterOrEqual(t, kept, 0.9)
	require.LessOrEqual(t, time.Duration(recovered)*half, 10*time.Second)
}

// TestSlowClients: a thousand of them, who send a byte a second, do not hold up others.
func TestSlowClients(t *testing.T) {
	s := onOneCore(t, filepath.Join(t.TempDir(), "sendoff.db"))
	peak := perSecond(hear(t, crowd{Address: s.addr, Clients: 64, For: 4 * time.Second}).Good[2:8])
	usual := crowd{Address: s.addr, Clients: 256, Rate: peak / 3, For: 8 * time.Second}
	before := hear(t, usual)
	drips := drip(t, s.addr, 1000)
	during := hear(t, usual)
	drips()
	median := func(h *heard) time.Duration { return slices.Sorted(slices.Values(h.Worst[2:16]))[7] }
	t.Logf("p99 at a third of the peak (%s/s): %v, with a thousand slow clients %v", strconv.Itoa(int(peak)), median(before), median(during))
	require.LessOrEqual(t, median(during), 2*median(before)+time.Millisecond)
	require.InEpsilon(t, perSecond(before.Good[2:16]), perSecond(during.Good[2:16]), 0.05)
}

// drip opens connections over which a request comes byte by byte, until the returned
// function is called.
func drip(t *testing.T, address string, n int) (stop func()) {
	t.Helper()
	const request = "POST /v1/tasks HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "
	var conns []net.Conn
	for range n {
		conn, err := net.Dial("tcp", address)
		require.NoError(t, err)
		conns = append(conns, conn)
	}
	over, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for i := 0; ; i++ {
			select {
			case <-over:
				return
			case <-time.After(time.Second):
			}
			for _, conn := range conns {
				b := byte('x')
				if i < len(request) {
					b = request[i]
				}
				_, _ = conn.Write([]byte{b}) // it may be closed by now
			}
		}
	}()
	return func() {
		close(over)
		<-ended
		for _, conn := range conns {
			conn.Close()
		}
	}
}
