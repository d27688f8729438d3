package engine_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/engine"
)

func TestWhatCannotBeUsedIsRefused(t *testing.T) {
	d := openDoor(t, engine.Config{Roles: []engine.Role{engine.Accept}}, engine.HandlerConfig{})
	_, _, _ = d.call(t, "POST", "/v1/tasks", `{"id":"f","function":"f","endpoint":"http://127.0.0.1:1","delay":"1h"}`)
	before := d.count(t)
	task := func(rest string) string { return `{"url":"http://127.0.0.1:1/",` + rest + `}` }
	for _, tt := range []struct {
		name, method, path, body string
		headers                  []string
		status                   int
		text                     string
	}{
		{"bytes that are not UTF-8", "POST", "/v1/tasks", task("\"payload\":\"\xff\""), nil, 400, "not UTF-8"},
		{"such bytes in a batch", "POST", "/v1/tasks/batch", batchOf(task("\"payload\":\"\xff\"")), nil, 400, "not UTF-8"},
		{"a compressed signal", "POST", "/v1/tasks/f/signals/s", "x", []string{"Content-Type", "application/json", "Content-Encoding", "gzip"}, 415, "gzip"},
		{"such bytes in a signal", "POST", "/v1/tasks/f/signals/s", "\"\xff\"", []string{"Content-Type", "application/json"}, 422, "UTF-8"},
		{"a command for dispatcherd", "POST", "/v1/control/alive", "", nil, 404, "is no service of dispatcherd"},
		{"such bytes at Dispatchr's door", "POST", "/task", "{\"target\":\"http://127.0.0.1:1/\",\"taskArgs\":\"\xff\"}", nil, 400, "not UTF-8"},
		{"a field in capitals", "POST", "/v1/tasks", `{"URL":"http://127.0.0.1:1/"}`, nil, 422, "URL: is not a known field"},
		{"a field of a field in capitals", "POST", "/v1/tasks", task(`"retry":{"Max_Attempts":3}`), nil, 422, "retry.Max_Attempts: is not a known field"},
		{"such a field in a batch", "POST", "/v1/tasks/batch", batchOf(here, task(`"unique":{"Key":"k"}`)), nil, 422, "tasks[1].unique.Key: is not a known field"},
		{"a field that comes twice", "POST", "/v1/tasks", task(`"delay":"1h", "delay" : "2h"`), nil, 422, "delay: is given twice"},
		{"a field that comes twice, once in an escape", "POST", "/v1/tasks", task(`"delay":"1h","\u0064elay":"2h"`), nil, 422, "delay: is given twice"},
		{"a label that comes twice", "POST", "/v1/tasks", task(`"labels":{"a":"1","a":"2"}`), nil, 422, "labels.a: is given twice"},
		{"a header in two spellings", "POST", "/v1/tasks", task(`"headers":{"X-A":"1","x-a":"2"}`), nil, 422, "headers.x-a: is given twice"},
		{"a query", "POST", "/v1/tasks?delay=1h", here, nil, 422, "delay: is not a parameter"},
		{"a query of a batch", "POST", "/v1/tasks/batch?atomic=true", batchOf(here), nil, 422, "atomic: is not a parameter"},
		{"a query with a semicolon", "GET", "/v1/tasks?state=failed;queue=q", "", nil, 400, "the query cannot be read"},
		{"a query with a bad escape", "GET", "/v1/tasks?queue=%zz", "", nil, 400, "the query cannot be read"},
		{"such a query of a submission", "POST", "/v1/tasks?a;b", here, nil, 400, "the query cannot be read"},
		{"two Idempotency-Keys at Dispatchr's door", "POST", "/task", `{"target":"http://127.0.0.1:1/"}`, []string{"Idempotency-Key", "a", "Idempotency-Key", "b"}, 400, "Idempotency-Key"},
		{"two Idempotency-Keys at Dispatch's door", "POST", "/dispatch.sdk.v1.DispatchService/Dispatch", `{"calls":[{"endpoint":"http://127.0.0.1:1","function":"f"}]}`,
			[]string{"Content-Type", "application/json", "Idempotency-Key", "a", "Idempotency-Key", "b"}, 400, "Idempotency-Key"},
		{"an unknown parameter", "GET", "/v1/tasks/f?wiat=1s", "", nil, 422, "wiat"},
		{"an empty filter", "GET", "/v1/tasks?root=", "", nil, 422, "root: is empty"},
		{"a long Idempotency-Key of a batch", "POST", "/v1/tasks/batch", batchOf(here), []string{"Idempotency-Key", strings.Repeat("k", 256)}, 422, "Idempotency-Key: has 256 bytes"},
		{"an order given twice", "GET", "/v1/tasks?sort=next_at&sort=position", "", nil, 422, "sort: is given 2 times"},
		{"an empty Idempotency-Key", "POST", "/v1/tasks", here, []string{"Idempotency-Key", ""}, 422, "not empty"},
		{"a header of the connection", "POST", "/v1/tasks", task(`"headers":{"Expect":"100-continue"}`), nil, 422, "headers.Expect"},
		{"another one", "POST", "/v1/tasks", task(`"headers":{"HTTP2-Settings":"x"}`), nil, 422, "headers.HTTP2-Settings"},
		{"our header with underscores", "POST", "/v1/tasks", task(`"headers":{"Sendoff_Task_Id":"x"}`), nil, 422, "headers.Sendoff_Task_Id"},
		{"the signature with an underscore", "POST", "/v1/tasks", task(`"headers":{"signature_input":"x"}`), nil, 422, "headers.signature_input"},
		{"two content types", "POST", "/v1/tasks", task(`"headers":{"content-type":"a/b"},"content_type":"c/d"`), nil, 422, "either content_type or one header"},
		{"two authorizations", "POST", "/v1/tasks", `{"url":"http://u:p@127.0.0.1:1/","headers":{"Authorization":"x"}}`, nil, 422, "the user in the url"},
		{"a fragment", "POST", "/v1/tasks", `{"url":"http://127.0.0.1:1/#top"}`, nil, 422, "fragment"},
		{"a fragment of an endpoint", "POST", "/v1/tasks", `{"function":"f","endpoint":"http://127.0.0.1:1/#top"}`, nil, 422, "fragment"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, _, got := d.call(t, tt.method, tt.path, tt.body, tt.headers...)
			require.Equal(t, tt.status, code, got)
			require.Contains(t, fmt.Sprint(got), tt.text)
		})
	}
	require.Equal(t, before, d.count(t), "something of a refused request was stored")
}

func TestNamesInThePayloadAreTheUsersOwn(t *testing.T) {
	d := openDoor(t, engine.Config{Roles: []engine.Role{engine.Accept}}, engine.HandlerConfig{})
	body := `{ "url" : "http://127.0.0.1:1/", "delay":"1h", "payload" : {"URL":[{"a":1,"a":2,"}":"]\"\\"}],"b":null} , "labels":{"URL":"x"}, "priority":null }`
	code, _, got := d.call(t, "POST", "/v1/tasks", body)
	require.Equal(t, 201, code, got)
}

// lineApp is an app that keeps the head of each request as it came.
func lineApp(t *testing.T) (address string, heads chan string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	heads = make(chan string, 10)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			var head strings.Builder
			for r := bufio.NewReader(c); !strings.HasSuffix(head.String(), "\r\n\r\n"); {
				line, err := r.ReadString('\n')
				if err != nil {
					break
				}
				head.WriteString(line)
			}
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
			_ = c.Close()
			heads <- head.String()
		}
	}()
	return l.Addr().String(), heads
}

func TestWhatIsTakenIsSentAsItWasMeant(t *testing.T) {
	d := openDoor(t, engine.Config{}, engine.HandlerConfig{})
	address, heads := lineApp(t)
	port := address[strings.LastIndexByte(address, ':'):]
	send := func(body string) string {
		code, _, got := d.call(t, "POST", "/v1/tasks", body)
		require.Equal(t, 201, code, got)
		return <-heads
	}
	for query, want := range map[string]string{
		"?q=a b": "?q=a%20b", "?x HTTP/1.1": "?x%20HTTP/1.1", "?q=ü": "?q=%C3%BC", "?q=%41%zz&a[]=1": "?q=%41%25zz&a[]=1",
	} {
		require.Contains(t, send(fmt.Sprintf(`{"url":"http://%s/p%s"}`, address, query)), "POST /p"+want+" HTTP/1.1\r\n")
	}
	require.Contains(t, send(fmt.Sprintf(`{"url":"http://LocalHost%s/"}`, port)), "\r\nHost: localhost"+port+"\r\n")
	require.Contains(t, send(fmt.Sprintf(`{"url":"http://%s/","payload":{},"headers":{"content-type":"application/vnd.x+json"}}`, address)),
		"\r\nContent-Type: application/vnd.x+json\r\n")
	require.Contains(t, send(fmt.Sprintf(`{"url":"http://%s/","body_base64":"AAEC","headers":{"Content-Type":"image/png"}}`, address)),
		"\r\nContent-Type: image/png\r\n")
}

func TestAnAnswerIsWhatItsStandardsSay(t *testing.T) {
	d := openDoor(t, engine.Config{Roles: []engine.Role{engine.Accept}}, engine.HandlerConfig{APIKeys: []string{"secret"}})
	for _, given := range []string{"Bearer secret", "bearer secret", "BEARER  secret"} {
		code, h, got := d.call(t, "POST", "/v1/tasks", fmt.Sprintf(`{"id":"ü%d","url":"http://127.0.0.1:1/","delay":"1h"}`, len(given)+int(given[0])), "Authorization", given)
		require.Equal(t, 201, code, got)
		require.Regexp(t, `^/v1/tasks/%C3%BC\d+$`, h.Get("Location"))
		code, _, got = d.call(t, "GET", h.Get("Location"), "", "Authorization", given)
		require.Equal(t, 200, code, got)
	}
	for _, given := range []string{"secret", "Basic secret", "Bearer", "Bearer secret2", "Bearersecret"} {
		code, _, _ := d.call(t, "GET", "/v1/tasks", "", "Authorization", given)
		require.Equal(t, http.StatusUnauthorized, code, given)
	}
	t.Run("bytes that are no UTF-8 are shown as base64", func(t *testing.T) {
		_, h, _ := d.call(t, "POST", "/v1/tasks", `{"url":"http://127.0.0.1:1/","delay":"1h","body_base64":"Iv8i"}`, "Authorization", "Bearer secret")
		_, _, got := d.call(t, "GET", h.Get("Location"), "", "Authorization", "Bearer secret")
		require.Equal(t, "Iv8i", got["payload_base64"])
	})
}

func TestDispatchrsDoorTakesAnIdempotencyKey(t *testing.T) {
	d := openDoor(t, engine.Config{Roles: []engine.Role{engine.Accept}}, engine.HandlerConfig{})
	body := `{"target":"http://127.0.0.1:1/","taskName":"x"}`
	_, _, first := d.call(t, "POST", "/task", body, "Idempotency-Key", "k")
	code, _, again := d.call(t, "POST", "/task", body, "Idempotency-Key", "k")
	require.Equal(t, 200, code)
	require.Equal(t, first["job"], again["job"])
	code, _, got := d.call(t, "POST", "/task", strings.Replace(body, "x", "y", 1), "Idempotency-Key", "k")
	require.Equal(t, 400, code, got)
}
