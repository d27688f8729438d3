//go:build unix

package process

import "golang.org/x/sys/unix"

func signalName(n int) string { return unix.SignalName(unix.Signal(n)) }
