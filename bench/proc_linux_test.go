package main

import (
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	parent, took := parseStat("42 (a ) b) S 7 42 42 0 -1 4194560 1 2 3 4 100 50 20 10 20 0 1 0 5 6 7")
	if parent != 7 || took != 1800*time.Millisecond {
		t.Error(parent, took)
	}
	if parent, took := parseStat("1 (x) S"); parent != 0 || took != 0 {
		t.Error(parent, took)
	}
}

func TestBusyTime(t *testing.T) {
	if got := busyTime("cpu  10 20 30 1000 500 1 2 99 0 0"); got != 630*time.Millisecond {
		t.Error(got)
	}
}
