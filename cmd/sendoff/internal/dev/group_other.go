//go:build !unix

package dev

import (
	"os/exec"
	"syscall"
)

// group is for systems with process groups.
func group(*exec.Cmd) {}

// signalGroup ends the command: other signals cannot be sent here.
func signalGroup(cmd *exec.Cmd, _ syscall.Signal) { _ = cmd.Process.Kill() }
