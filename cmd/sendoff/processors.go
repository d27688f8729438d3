package main

import (
	"os"
	"runtime"
)

// useProcessors lets Go run on two threads at least, also on one processor, unless the
// variable GOMAXPROCS says otherwise. With one, a goroutine that waits for the disk holds up
// all others until the runtime's monitor notices, up to 10 ms later: a fifth of the
// submissions a second, and single answers after a second.
func useProcessors() {
	if runtime.GOMAXPROCS(0) == 1 && os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(2)
	}
}
