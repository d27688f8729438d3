package body_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/server/body"
)

const kib = 1 << 10

// door reads bodies to their end, holds the answer back while it is told to, and
// says how much came.
type door struct {
	*httptest.Server
	read chan error    // of each body
	hold chan struct{} // closed when answers may go out
}

func open(t *testing.T, most int64, pace body.Pace) *door {
	t.Helper()
	d := &door{read: make(chan error, 20), hold: make(chan struct{})}
	d.Server = httptest.NewServer(body.NewRoom(most, pace).Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		d.read <- err
		switch {
		case errors.Is(err, body.ErrBusy):
			w.WriteHeader(http.StatusServiceUnavailable)
		case errors.Is(err, body.ErrSlow):
			w.WriteHeader(http.StatusRequestTimeout)
		default:
			<-d.hold
			fmt.Fprint(w, len(b))
		}
	})))
	t.Cleanup(d.Close)
	return d
}

func (d *door) post(t *testing.T, size int) *http.Response {
	t.Helper()
	res, err := http.Post(d.URL, "", bytes.NewReader(make([]byte, size)))
	require.NoError(t, err, "the answer must reach a client that sends everything first")
	require.NoError(t, res.Body.Close())
	return res
}

// begin sends the head of a request, and some bytes of the body it announces.
func (d *door) begin(t *testing.T, announced, sent int) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", d.Listener.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	_, err = fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", announced, make([]byte, sent))
	require.NoError(t, err)
	return conn
}

func TestAnUnfinishedBodyCountsForWhatHasCome(t *testing.T) {
	d := open(t, 256*kib, body.Pace{})
	close(d.hold)
	for range 9 {
		d.begin(t, 32<<20, 1)
	}
	require.Equal(t, http.StatusOK, d.post(t, 200*kib).StatusCode, "nine bytes were read: there is room for 200 KiB of 256")
}

func TestAnAnswerToABodyThatNobodyReadsWaitsForItNoLongerThanItMayTake(t *testing.T) {
	server := httptest.NewServer(body.NewRoom(1<<20, body.Pace{Grace: 20 * time.Millisecond, Rate: 1, Most: 20 * time.Millisecond}).Wrap(
		http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) })))
	t.Cleanup(server.Close)
	d := &door{Server: server}
	res, err := http.ReadResponse(bufio.NewReader(d.begin(t, 1000, 1)), nil)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusNotFound, res.StatusCode)
}

func TestBodiesCountUntilTheirAnswerIsWritten(t *testing.T) {
	d := open(t, 256*kib, body.Pace{})
	held := make(chan *http.Response, 1)
	go func() {
		res, _ := http.Post(d.URL, "", bytes.NewReader(make([]byte, 200*kib)))
		held <- res
	}()
	require.NoError(t, <-d.read)

	busy := d.post(t, 1<<20)
	require.Equal(t, http.StatusServiceUnavailable, busy.StatusCode, "200 KiB of 256 are held by a request without an answer")
	require.Equal(t, "1", busy.Header.Get("Retry-After"))
	require.ErrorIs(t, <-d.read, body.ErrBusy)

	close(d.hold)
	require.Equal(t, http.StatusOK, d.post(t, 60*kib).StatusCode, "a small body has always room")
	res := <-held
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.NoError(t, res.Body.Close())
	require.Eventually(t, func() bool { return d.post(t, 200*kib).StatusCode == http.StatusOK }, 10*time.Second, time.Millisecond,
		"there is room again after the answer")
}

func TestABodyThatStopsComingIsCut(t *testing.T) {
	d := open(t, 256*kib, body.Pace{Grace: 50 * time.Millisecond, Rate: kib, Most: time.Minute})
	conn := d.begin(t, 1<<20, 1)
	require.ErrorIs(t, <-d.read, body.ErrSlow)
	answer, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.Contains(t, string(answer), "HTTP/1.1 408 ")
}

func TestTimeForABodyGrowsWithWhatComes(t *testing.T) {
	d := open(t, 256*kib, body.Pace{Grace: 200 * time.Millisecond, Rate: kib, Most: time.Minute})
	close(d.hold)
	conn := d.begin(t, 70*kib, 60*kib)
	time.Sleep(400 * time.Millisecond) // 60 KiB bring a minute
	_, err := conn.Write(make([]byte, 10*kib))
	require.NoError(t, err)
	require.NoError(t, <-d.read)
}

func TestAnAnswerMayComeLongAfterItsBody(t *testing.T) {
	gone := make(chan error, 1)
	room := body.NewRoom(256*kib, body.Pace{Grace: 100 * time.Millisecond, Rate: kib, Most: 100 * time.Millisecond})
	s := httptest.NewServer(room.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body)
		select {
		case <-r.Context().Done():
			gone <- r.Context().Err()
		case <-time.After(400 * time.Millisecond):
			gone <- nil
		}
	})))
	defer s.Close()
	res, err := http.Post(s.URL, "", bytes.NewReader(make([]byte, kib)))
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.NoError(t, <-gone, "the time for the body must not end the request")
}
