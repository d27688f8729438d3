//go:build !unix

package graphfile

import "os/exec"

// newGroup is for systems with process groups.
func newGroup(*exec.Cmd) {}

func endGroup(cmd *exec.Cmd) { killGroup(cmd) }

func killGroup(cmd *exec.Cmd) { _ = cmd.Process.Kill() }
