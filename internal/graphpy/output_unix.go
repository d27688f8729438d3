//go:build unix

package graphpy

import (
	"errors"

	"golang.org/x/sys/unix"
)

// maxDrain is how much is read at the end of a call at most, should others print on.
const maxDrain = 1 << 20

// read passes on what is there and tells whether there will be no more.
func (o *output) read(fd uintptr, buf []byte) (over bool) {
	for got := 0; got < maxDrain; {
		n, err := unix.Read(int(fd), buf)
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN):
			return false
		case err != nil || n == 0:
			return true
		default:
			got += n
			_, _ = o.to.Write(buf[:n]) // a reader that is gone stops nobody
		}
	}
	return false
}
