package engine_test

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/engine"
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
