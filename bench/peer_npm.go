package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
)

// What runs on Node is a process of its own. Its modules are installed by npm ci.
const (
	npmPeer    = "npm/peer.mjs"
	npmModules = "npm/node_modules"
)

func needsNPM(who string) bool { return who == "graphile" || who == "pgboss" }

// lookForNPM tells what is missing for peers that run on Node.
func lookForNPM() error {
	if _, err := exec.LookPath("node"); err != nil {
		return err
	}
	if _, err := os.Stat(npmModules); err != nil {
		return fmt.Errorf("%w: npm ci --prefix npm installs them", err)
	}
	return nil
}

// npmCases are peers that let one job of a key run at a time.
func npmCases(group string, keys func(n int) int) []benchCase {
	if !onPostgres(group) {
		return nil
	}
	var cases []benchCase
	for _, who := range []string{"graphile", "pgboss"} {
		cases = append(cases, benchCase{Group: group, Who: who, N: 5_000, Short: 2_000, do: func(ctx context.Context, r *run) error { return r.npmBurn(ctx, keys(r.N)) }})
	}
	return cases
}

// npmBurn has a peer work off a backlog whose jobs have so many keys.
func (r *run) npmBurn(ctx context.Context, keys int) error {
	h, err := r.start(exec.Command("node", npmPeer, r.who, r.database, strconv.Itoa(r.N), strconv.Itoa(keys)))
	if err != nil {
		return err
	}
	if err := h.expect("ready"); err != nil {
		return err
	}
	if err := r.watchWAL(ctx); err != nil {
		return err
	}
	if err := h.ask("fill"); err != nil {
		return err
	}
	if err := r.begin(ctx); err != nil {
		return err
	}
	if err := h.ask("work"); err != nil {
		return err
	}
	if err := r.end(ctx, r.N); err != nil {
		return err
	}
	s := &r.sample // the peer is what is measured, not a helper
	s.Self, s.Helpers = s.Self+s.Helpers, 0
	s.Values["cpu_us"] = s.Self + s.Server
	return nil
}

// ask has a helper do what a line says.
func (h *helper) ask(what string) error {
	if _, err := io.WriteString(h.in, what+"\n"); err != nil {
		return err
	}
	return h.expect("done")
}

func (h *helper) expect(want string) error {
	line, err := h.line()
	if err == nil && line != want {
		err = errors.New("the helper says " + line)
	}
	return err
}
