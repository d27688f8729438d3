package main

import (
	"strconv"
	"strings"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
	"github.com/sendoff-dev/sendoff/task"
)

// enqueueWaits are the flags for what a task waits for.
type enqueueWaits struct {
	Limit        []string `sep:"none" placeholder:"KEY=5|KEY=100/s:20" help:"So many tasks with this key run at a time, or start in a second, minute or hour, with a burst; both as KEY=5,100/s. Repeatable."`
	OrderKey     string   `placeholder:"KEY" help:"Tasks with this key run one at a time, in order."`
	OnDuplicate  string   `placeholder:"RULE" help:"While others with its duplicate key have not ended: parallel, serial, discard, queue_one or replace."`
	DuplicateKey string   `placeholder:"KEY" help:"Of --on-duplicate; default the target with the payload."`
	DependsOn    []string `sep:"none" placeholder:"ID" help:"Task that has to end first. Repeatable."`
	When         string   `placeholder:"RULE" help:"How those have to end: all_ok, the default, always or any_failed."`
}

func (c *enqueueWaits) fill(spec *sendoff.NewTask) error {
	for _, text := range c.Limit {
		l, err := limitOf(text)
		if err != nil {
			return err
		}
		spec.Limits = append(spec.Limits, l)
	}
	spec.OrderKey, spec.OnDuplicate, spec.DuplicateKey, spec.DependsOn, spec.When = c.OrderKey, c.OnDuplicate, c.DuplicateKey, c.DependsOn, c.When
	return nil
}

// limitOf reads a limit such as "customer:42=5", "api.acme.com=100/s:20" or "k=5,10/m".
func limitOf(text string) (l sendoff.Limit, err error) {
	at := strings.LastIndexByte(text, '=')
	if at <= 0 {
		return l, term.Usage("--limit %q: want KEY=5, KEY=100/s, KEY=100/s:20 for a burst, or KEY=5,100/s", text)
	}
	l.Key = text[:at]
	for part := range strings.SplitSeq(text[at+1:], ",") {
		n, err := strconv.Atoi(part)
		if err == nil && n > 0 && l.Concurrency == 0 {
			l.Concurrency = n
			continue
		}
		rate, burst, hasBurst := strings.Cut(part, ":")
		if _, err := task.ParseRate(rate); err != nil || l.Rate != "" {
			return l, term.Usage("--limit %q: %q is neither how many run at a time, such as 5, nor a rate, such as 100/s, 10/m or 5/h", text, part)
		}
		l.Rate = rate
		if hasBurst {
			if l.Burst, err = strconv.Atoi(burst); err != nil || l.Burst < 1 {
				return l, term.Usage("--limit %q: %q is no burst: want 1 or more, as in 100/s:20", text, burst)
			}
		}
	}
	return l, nil
}
