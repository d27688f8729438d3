package engine_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/engine"
	"github.com/sendoff-dev/sendoff/task"
)

func TestUnfinishedBodiesAtOneDoorLeaveRoomAtAll(t *testing.T) {
	d := openDoor(t, engine.Config{}, engine.HandlerConfig{})
	target := app(t, status(200))
	for _, door := range []string{"/v1/tasks", "/v1/tasks/batch", "/task", "/dispatch.sdk.v1.DispatchService/Dispatch", "/sessions/s"} {
		for range 40 {
			conn, err := net.Dial("tcp", strings.TrimPrefix(d.url, "http://"))
			require.NoError(t, err)
			defer conn.Close()
			_, err = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-Request-Id: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n", door)
			require.NoError(t, err)
		}
	}
	one := fmt.Sprintf(`{"url":%q}`, target)
	code, _, got := d.call(t, "POST", "/v1/tasks", one)
	require.Equal(t, 201, code, got)
	code, _, got = d.call(t, "POST", "/v1/tasks/batch", `{"tasks":[`+one+`]}`)
	require.Equal(t, 201, code, got)
	code, _, got = d.call(t, "POST", "/task", fmt.Sprintf(`{"target":%q,"taskName":"n"}`, target))
	require.Equal(t, 200, code, got)
	code, _, got = d.call(t, "POST", "/dispatch.sdk.v1.DispatchService/Dispatch", fmt.Sprintf(`{"calls":[{"endpoint":%q,"function":"f"}]}`, target),
		"Content-Type", "application/json")
	require.Equal(t, 200, code, got)
}

func TestASlowBodyIsToldSoAtEveryDoor(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for what a slow body is given")
	}
	d := openDoor(t, engine.Config{}, engine.HandlerConfig{})
	conns := map[string]net.Conn{}
	doors := map[string]string{
		"/v1/tasks": "408 Request Timeout", "/v1/tasks/x/signals/s": "408 Request Timeout", "/task": "408 Request Timeout",
		"/v1/tasks/x/cancel": "404 Not Found", "/sessions/s": "400 Bad Request", "/nowhere": "404 Not Found", // which look at no body
	}
	for door := range doors {
		conn, err := net.Dial("tcp", strings.TrimPrefix(d.url, "http://"))
		require.NoError(t, err)
		defer conn.Close()
		_, err = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{", door)
		require.NoError(t, err)
		conns[door] = conn
	}
	for door, want := range doors {
		res, err := http.ReadResponse(bufio.NewReader(conns[door]), nil)
		require.NoError(t, err, door)
		require.NoError(t, res.Body.Close())
		require.Equal(t, want, res.Status, door)
	}
}

// memoryOf is how many bytes are allocated, in all, while something is done.
func memoryOf(do func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestAFaultyBodyTakesLittleMoreMemoryThanItsBytes(t *testing.T) {
	const dispatch = "/dispatch.sdk.v1.DispatchService/Dispatch"
	list := func(before, item string, n int, after string) string {
		return before + strings.Repeat(item+",", n-1) + item + after
	}
	labels := make([]string, 20_000)
	for i := range labels {
		labels[i] = fmt.Sprintf(`"%d":"\\u0001"`, i)
	}
	faulty := `{"url":"x","labels":{` + strings.Join(labels[:1000], ",") + `}}`
	d := openDoor(t, engine.Config{}, engine.HandlerConfig{})
	for _, tt := range []struct {
		name, path, contentType, body string
		times                         int // of the body
		want                          string
	}{
		{"a batch of many", "/v1/tasks/batch", "application/json", list(`{"tasks":[`, "{}", 300_000, "]}"), 20, "more than 1000 entries"},
		{"a task with many labels", "/v1/tasks", "application/json", `{"url":"x","labels":{` + strings.Join(labels, ",") + `}}`, 20, "more than 100 entries"},
		{"a batch of tasks with many labels", "/v1/tasks/batch", "application/json", list(`{"tasks":[`, faulty, 20, "]}"), 20, "more than 100 entries"},
		{"a task with one field many times", "/v1/tasks/batch", "application/json", list(`{"tasks":[{`, `"headers":{"a":"b"}`, 60_000, "}]}"), 8, "is given twice"},
		{"a batch with many lists", "/v1/tasks/batch", "application/json", list(`{`, list(`"tasks":[`, "{}", 900, "]"), 300, "}"), 8, "is given twice"},
		{"a call in JSON with many values", dispatch, "application/json", list(`{"calls":[`, "{}", 300_000, "]}"), 20, "more than 250000 values"},
		{"many calls in JSON", dispatch, "application/json", list(`{"calls":[`, "{}", 3000, "]}"), 200, "at most 1000"},
		{"many calls in protobuf", dispatch, "application/proto", strings.Repeat("\x0a\x00", 400_000), 20, "more than 1000 entries"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			memory := memoryOf(func() {
				code, _, got := d.call(t, "POST", tt.path, tt.body, "Content-Type", tt.contentType)
				require.Contains(t, []int{400, 422}, code)
				text := fmt.Sprint(got["detail"], got["message"])
				require.Contains(t, text, tt.want)
				require.Less(t, len(text), 16<<10, "the answer repeats the request")
			})
			require.Less(t, memory, uint64(tt.times*len(tt.body)+1<<20), "bytes allocated for a body of %d", len(tt.body))
		})
	}
}

func TestFaultsOfABatchAreToldUpToANumber(t *testing.T) {
	d := openDoor(t, engine.Config{}, engine.HandlerConfig{})
	bad := `{"url":"x","method":"post","labels":{"a":"\u0001","b":"\u0001"},"timeout":"1ms","priority":11}`
	tasks := strings.Repeat(bad+",", 99) + bad
	code, _, got := d.call(t, "POST", "/v1/tasks/batch", `{"atomic":true,"tasks":[`+tasks+`]}`)
	require.Equal(t, 422, code)
	require.Len(t, got["errors"], task.MaxFaults)

	code, _, got = d.call(t, "POST", "/v1/tasks/batch", `{"tasks":[`+tasks+`]}`)
	require.Equal(t, 200, code)
	told := 0
	for i, item := range got["items"].([]any) {
		faults := item.(map[string]any)["error"].(map[string]any)["errors"].([]any)
		require.NotEmpty(t, faults, "task %d is refused without a reason", i)
		told += len(faults)
	}
	require.LessOrEqual(t, told, task.MaxFaults+100)
}

func TestAnArchiveThatUnpacksToFarMoreIsRefusedEarly(t *testing.T) {
	d := openDoor(t, engine.Config{}, engine.HandlerConfig{})
	var part bytes.Buffer
	zip := gzip.NewWriter(&part)
	_, _ = zip.Write(make([]byte, 4<<20))
	require.NoError(t, zip.Close())
	packed := strings.Repeat(part.String(), 50) // an archive of parts is one archive (RFC 1952, 2.2)
	memory := memoryOf(func() {
		code, _, got := d.call(t, "POST", "/dispatch.sdk.v1.DispatchService/Dispatch", packed,
			"Content-Type", "application/proto", "Content-Encoding", "gzip")
		require.Equal(t, 429, code)
		require.Contains(t, got["message"], "packed too densely")
	})
	require.Less(t, memory, uint64(100<<20), "it was unpacked")
}
