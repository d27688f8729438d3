package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
)

type queuesSetCmd struct {
	remote
	term.Why
	Name string `arg:"" name:"queue" help:"Name of the queue."`

	Concurrency int    `placeholder:"N" help:"Attempts under way at a time, over all nodes."`
	Rate        string `placeholder:"100/s" help:"Of attempts that start, over all nodes: in a second (s), minute (m) or hour (h)."`
	Burst       int    `placeholder:"N" help:"Attempts that may start at once; belongs to a rate."`

	Timeout     time.Duration `placeholder:"60s" help:"Of an attempt of a task that names none."`
	MaxAttempts int           `placeholder:"N" help:"Of a task that names none."`
	MaxAge      time.Duration `placeholder:"168h" help:"From the first attempt of a task; later retries are not made."`
	MinBackoff  time.Duration `placeholder:"1s" help:"Wait after the first failure."`
	MaxBackoff  time.Duration `placeholder:"1h" help:"Longest wait."`
	Target      string        `placeholder:"URL" help:"Where tasks without a target are pushed to, and the endpoint of functions without one."`

	Discipline string         `placeholder:"fifo|fair" help:"How tasks of the same priority take turns: first in, first out, or the groups that tasks name (fair)."`
	Weight     map[string]int `placeholder:"GROUP=N" help:"Of a group of a fair queue: how many of its tasks start for one of a group of 1. Repeatable."`

	WebhookSecret []string `placeholder:"SECRET|@FILE" help:"Secret that signs its pushes after Standard Webhooks, whsec_... or whsk_..., in place of that of the server; two while you change it. What is shown of one keeps it. Prefer @FILE: others can read arguments."`

	RetentionSucceeded *time.Duration `placeholder:"24h" help:"How long succeeded tasks stay visible; 0: they go at once, with the next sweep."`
	RetentionFailed    *time.Duration `placeholder:"336h" help:"Failed ones."`
	RetentionCanceled  *time.Duration `placeholder:"24h" help:"Canceled ones."`

	Default []string `placeholder:"SETTING" help:"Put a setting back to its default, such as timeout, retry or retry.max_attempts."`
}

// Run changes settings, and shows what holds now.
func (c *queuesSetCmd) Run(ctx context.Context, t *term.Terminal) error {
	ctx = c.Because(ctx)
	settings, err := c.settings()
	if err != nil {
		return err
	}
	if settings.IsZero() && len(c.Default) == 0 {
		return term.Usage("nothing to set: give --concurrency, --timeout or another setting, or --default")
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	q, err := client.Queues.Update(ctx, c.Name, settings, c.Default...)
	if sendoff.IsNotFound(err) {
		q, err = client.Queues.Set(ctx, c.Name, settings)
	}
	if err != nil {
		return err
	}
	if c.JSON {
		return t.JSON(q)
	}
	printSettings(t, q)
	return nil
}

func (c *queuesSetCmd) settings() (s sendoff.QueueSettings, err error) {
	s = sendoff.QueueSettings{Concurrency: c.Concurrency, Rate: c.Rate, Burst: c.Burst, Timeout: c.Timeout, Target: c.Target}
	s.Discipline, s.Weights = sendoff.Discipline(c.Discipline), c.Weight
	if s.WebhookSecrets, err = fromFiles(c.WebhookSecret); err != nil {
		return s, err
	}
	if r := (sendoff.RetryPolicy{MaxAttempts: c.MaxAttempts, MaxAge: c.MaxAge, MinBackoff: c.MinBackoff, MaxBackoff: c.MaxBackoff}); r != (sendoff.RetryPolicy{}) {
		s.Retry = &r
	}
	if r := (sendoff.Retention{Succeeded: keptFor(c.RetentionSucceeded), Failed: keptFor(c.RetentionFailed), Canceled: keptFor(c.RetentionCanceled)}); r != (sendoff.Retention{}) {
		s.Retention = &r
	}
	return s, nil
}

// fromFiles puts what files hold in the place of their names, which begin with @.
func fromFiles(given []string) (out []string, err error) {
	for _, text := range given {
		name, is := strings.CutPrefix(text, "@")
		if !is {
			out = append(out, text)
			continue
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		out = append(out, strings.Fields(string(b))...)
	}
	return out, nil
}

// printSettings shows what holds for a queue, and marks what was set.
func printSettings(t *term.Terminal, q *sendoff.Queue) {
	was, is := settingRows(&q.Settings), settingRows(&q.Effective)
	rows := make([][]string, 0, len(is))
	for i, row := range is {
		from := "default"
		if was[i][1] != "" {
			from = "set"
		}
		if row[1] == "" {
			row[1] = "-"
		}
		rows = append(rows, append(row, from))
	}
	t.Printf("queue %s\n", q.Name)
	t.Table([]string{"SETTING", "VALUE", "FROM"}, rows)
}

func settingRows(s *sendoff.QueueSettings) [][]string {
	var r sendoff.RetryPolicy
	var keep sendoff.Retention
	if s.Retry != nil {
		r = *s.Retry
	}
	if s.Retention != nil {
		keep = *s.Retention
	}
	return [][]string{
		{"concurrency", count(s.Concurrency)},
		{"rate", s.Rate},
		{"burst", count(s.Burst)},
		{"discipline", string(s.Discipline)},
		{"weights", weights(s.Weights)},
		{"webhook_secrets", strings.Join(s.WebhookSecrets, " ")},
		{"timeout", span(s.Timeout)},
		{"retry.max_attempts", count(r.MaxAttempts)},
		{"retry.max_age", span(r.MaxAge)},
		{"retry.min_backoff", span(r.MinBackoff)},
		{"retry.max_backoff", span(r.MaxBackoff)},
		{"target", s.Target},
		{"retention.succeeded", span(keep.Succeeded)},
		{"retention.failed", span(keep.Failed)},
		{"retention.canceled", span(keep.Canceled)},
	}
}

func weights(of map[string]int) string {
	list := make([]string, 0, len(of))
	for _, group := range slices.Sorted(maps.Keys(of)) {
		list = append(list, fmt.Sprintf("%s=%d", term.Clean(group), of[group]))
	}
	return strings.Join(list, " ")
}

// keptFor is a retention that was given: 0 is one as well.
func keptFor(d *time.Duration) time.Duration {
	switch {
	case d == nil:
		return 0
	case *d == 0:
		return sendoff.NotKept
	}
	return *d
}

func span(d time.Duration) string {
	switch d {
	case 0:
		return ""
	case sendoff.NotKept: // of retentions alone
		return "0s"
	}
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func count(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}
