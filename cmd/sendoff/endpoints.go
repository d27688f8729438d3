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
	if e.State == sendoff.EndpointPaused {
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
	Endpoints []string `arg:"" name:"url" help:"URLs of endpoints, as listed; or any below them."`
}

// Run resets endpoints.
func (c *endpointsResetCmd) Run(ctx context.Context, t *term.Terminal) error {
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
