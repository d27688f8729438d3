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

type endpointsCmd struct{ remote }

// Run lists the apps whose functions the server has run.
func (c *endpointsCmd) Run(ctx context.Context, t *term.Terminal) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	all, err := client.Endpoints.List(ctx)
	if err != nil {
		return err
	}
	slices.SortFunc(all, func(a, b sendoff.EndpointStats) int { return cmp.Compare(a.Endpoint, b.Endpoint) })
	if c.JSON {
		return t.JSON(listOf(all))
	}
	rows := make([][]string, len(all))
	for i, e := range all {
		state := "open"
		if !e.PausedUntil.IsZero() {
			state = pausedText(time.Until(e.PausedUntil))
		}
		rows[i] = []string{
			term.Clean(e.Endpoint), state, strconv.Itoa(e.InFlight), strconv.Itoa(e.Waiting), strconv.Itoa(e.Limit),
			strconv.FormatInt(e.Succeeded, 10), strconv.FormatInt(e.Failed, 10), cmp.Or(term.Clean(e.SDK), "-"), term.OneLine(e.LastError, 60),
		}
	}
	t.Table([]string{"ENDPOINT", "STATE", "IN FLIGHT", "WAITING", "LIMIT", "SUCCEEDED", "FAILED", "SDK", "LAST ERROR"}, rows)
	return nil
}

// pausedText says for how much longer an endpoint is left alone.
func pausedText(left time.Duration) string {
	if left <= 0 {
		return "paused, tried again now"
	}
	return "paused for another " + term.Short(left)
}
