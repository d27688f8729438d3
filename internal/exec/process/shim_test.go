//go:build unix

package process

import (
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

// lateCancel has a cancel and its signal come when the frame of the task has been received
// and is being sorted, and then while the cancel itself is.
const lateCancel = `
import importlib.util, json, os, signal, socket, time

spec = importlib.util.spec_from_file_location("worker", "shim/worker.py")
worker = importlib.util.module_from_spec(spec)
spec.loader.exec_module(worker)
pool, ours = socket.socketpair()
channel = worker.Channel(ours.detach())
running = worker.Running(channel)
signal.signal(signal.SIGUSR1, running.signaled)
take = channel.take

def late(data):
    take(data)
    if b'"task"' in data:
        pool.sendall(b'{"type":"cancel","id":"other"}\n')
        os.kill(os.getpid(), signal.SIGUSR1)
    if b'"other"' in data:
        pool.sendall(b'{"type":"cancel","id":"a"}\n')
        os.kill(os.getpid(), signal.SIGUSR1)

channel.take = late
pool.sendall(b'{"type":"task","id":"a"}\n')
frame = channel.next(channel.tasks)
running.begin(frame)
try:
    running.run(lambda: time.sleep(1))
except worker.Canceled:
    print(running.outcome, end="")
`

func TestACancelThatComesWhileItsTaskIsReadIsNotLost(t *testing.T) {
	python, err := Python("")
	require.NoError(t, err)
	out, err := exec.CommandContext(t.Context(), python[0], "-c", lateCancel).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Equal(t, "canceled", string(out))
}
