package main

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
)

type endpointsCmd struct {
	List  endpointsListCmd  `cmd:"" default:"withargs" help:"List the hosts that are pushed to and the apps of functions."`
	Reset endpointsResetCmd `cmd:"" help:"Forget what went wrong with endpoints, on all nodes: they get what there is again."`

	Pause  endpointsPauseCmd  `cmd:"" help:"Pause pushes to hosts, on all nodes: their tasks wait and spend no attempt."`
	Resume endpointsResumeCmd `cmd:"" help:"Resume pushes to hosts, on all nodes."`
	Probe  endpointsProbeCmd  `cmd:"" help:"Ask at once whether hosts are well that are left alone, on all nodes."`
}

type endpointsListCmd struct {
	remote
	Nodes bool `help:"Show each node by itself."`
}

// Run lists the hosts and apps that the servers have called.
func (c *endpointsListCmd) Run(ctx context.Context, t *term.Terminal) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	all, err := client.Endpoints.List(ctx)
	if err != nil {
		return err
	}
	slices.SortStableFunc(all, func(a, b sendoff.EndpointStats) int { return cmp.Compare(a.Endpoint, b.Endpoint) })
	if c.JSON {
		return t.JSON(term.ListOf(all))
	}
	var rows [][]string
	for i := range all {
		e := &all[i]
		if !c.Nodes {
			rows = append(rows, endpointRow(e.Endpoint, &e.EndpointStatus, strconv.Itoa(len(e.Nodes))))
			continue
		}
		for j := range e.Nodes {
			rows = append(rows, endpointRow(e.Endpoint, &e.Nodes[j].EndpointStatus, term.OneLine(e.Nodes[j].Name, 40)))
		}
	}
	where := "NODES"
	if c.Nodes {
		where = "NODE"
	}
	t.Table([]string{"ENDPOINT", "STATE", "IN FLIGHT", "WAITING", "LIMIT", "SUCCEEDED", "FAILED", "PUT OFF", "KIND", where, "SDK", "LAST ERROR"}, rows)
	return nil
}

func endpointRow(name string, e *sendoff.EndpointStatus, where string) []string {
	return []string{
		term.Clean(name), stateText(e), strconv.Itoa(e.InFlight), strconv.Itoa(e.Waiting), strconv.Itoa(e.Limit),
		strconv.FormatInt(e.Succeeded, 10), strconv.FormatInt(e.Failed, 10), strconv.FormatInt(e.PutOff, 10), e.Kind, where,
		cmp.Or(term.Clean(e.SDK), "-"), term.OneLine(e.LastError, 60),
	}
}

// stateText says how an endpoint is treated, why and since when.
func stateText(e *sendoff.EndpointStatus) string {
	text := string(e.State)
	if e.State == sendoff.EndpointPaused && e.Reason != "operator" {
		text = pausedText(time.Until(e.PausedUntil))
	}
	if e.State == sendoff.EndpointOpen || e.Reason == "" {
		return cmp.Or(text, "-")
	}
	text += " (" + term.Clean(e.Reason)
	if !e.Since.IsZero() {
		text += " for " + term.Short(time.Since(e.Since))
	}
	return text + ")"
}

// pausedText says for how much longer an endpoint is left alone.
func pausedText(left time.Duration) string {
	if left <= 0 {
		return "paused, tried again now"
	}
	return "paused for another " + term.Short(left)
}

type endpointsResetCmd struct {
	remote
	term.Why
	Endpoints []string `arg:"" name:"url" help:"URLs of endpoints, as listed; or any below them."`
}

// Run resets endpoints.
func (c *endpointsResetCmd) Run(ctx context.Context, t *term.Terminal) error {
	ctx = c.Because(ctx)
	client, err := c.client()
	if err != nil {
		return err
	}
	type reset struct {
		Endpoint string `json:"endpoint"`
	}
	var done []reset
	for _, url := range c.Endpoints {
		name, err := client.Endpoints.Reset(ctx, url)
		if err != nil {
			return err
		}
		done = append(done, reset{name})
		if !c.JSON {
			t.Printf("%s is open on all nodes\n", term.Clean(name))
		}
	}
	if c.JSON {
		return t.JSON(term.ListOf(done))
	}
	return nil
}

// hosts are those that a command is about.
type hosts struct {
	remote
	Hosts []string `arg:"" name:"host" help:"Hosts, with their port when they have one, such as app.example:8080; or any URL of them."`
}

type endpointsPauseCmd struct {
	hosts
	term.Why
}

// Run pauses pushes to hosts.
func (c *endpointsPauseCmd) Run(ctx context.Context, t *term.Terminal) error {
	ctx = c.Because(ctx)
	return steerHosts(ctx, t, &c.hosts, sendoff.Endpoints.Pause, func(h *sendoff.PausedHost) string { return "pushes to " + h.Host + " are paused" })
}

type endpointsResumeCmd struct {
	hosts
	term.Why
}

// Run resumes pushes to hosts.
func (c *endpointsResumeCmd) Run(ctx context.Context, t *term.Terminal) error {
	ctx = c.Because(ctx)
	return steerHosts(ctx, t, &c.hosts, sendoff.Endpoints.Resume, func(h *sendoff.PausedHost) string { return "pushes to " + h.Host + " go on" })
}

type endpointsProbeCmd struct {
	hosts
	term.Why
}

// Run has nodes ask whether hosts are well.
func (c *endpointsProbeCmd) Run(ctx context.Context, t *term.Terminal) error {
	ctx = c.Because(ctx)
	return steerHosts(ctx, t, &c.hosts, sendoff.Endpoints.Probe, func(p *sendoff.Probe) string {
		if p.Task == "" {
			return "the next task for " + p.Host + " goes at once; none that was put off was found"
		}
		return "task " + p.Task + " goes to " + p.Host + " now"
	})
}

// steerHosts does something to each of some hosts, and says in a line what came of it.
func steerHosts[T any](ctx context.Context, t *term.Terminal, c *hosts, do func(sendoff.Endpoints, context.Context, string) (T, error), line func(*T) string) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	var done []T
	for _, host := range c.Hosts {
		got, err := do(client.Endpoints, ctx, host)
		if err != nil {
			return err
		}
		done = append(done, got)
		if !c.JSON {
			t.Printf("%s\n", term.Clean(line(&got)))
		}
	}
	if c.JSON {
		return t.JSON(term.ListOf(done))
	}
	return nil
}
