package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/alecthomas/kong"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
	"github.com/sendoff-dev/sendoff/task"
)

type enqueueCmd struct {
	remote

	Target  string `arg:"" optional:"" name:"url" help:"URL to push the task to."`
	Handler string `placeholder:"NAME" help:"Go handler to call instead, in a program that embeds the engine."`

	Process  string `placeholder:"NAME" help:"What a worker process runs instead: app.mail.send, or a command that the server knows."`
	Workers  string `placeholder:"NAME" help:"Of a process: the workers that carry it out; default those without a name."`
	Function string `placeholder:"NAME" help:"Durable function to call instead, of the app at --endpoint."`
	Endpoint string `placeholder:"URL" help:"App that serves the function; default DISPATCH_ENDPOINT_URL."`

	Payload     string   `short:"p" placeholder:"JSON|@FILE|-" help:"What to send: JSON as it stands, the content of a file, or stdin."`
	ContentType string   `placeholder:"TYPE" help:"Of the payload; default application/json."`
	Header      []string `short:"H" sep:"none" placeholder:"K:V" help:"Header of the push."`
	Method      string   `short:"X" placeholder:"METHOD" help:"Default POST."`

	Queue    string            `short:"q" placeholder:"NAME" help:"Default \"default\"."`
	Name     string            `placeholder:"NAME" help:"For people and filters."`
	Label    map[string]string `mapsep:"none" placeholder:"K=V" help:"For filters."`
	Group    string            `placeholder:"NAME" help:"Whose work it is."`
	Priority *int              `placeholder:"0-9" help:"0 is the first to run; default 5."`

	Delay       time.Duration  `placeholder:"90s" help:"Start after this time."`
	RunAt       instant        `placeholder:"TIME" help:"Start at this time (RFC 3339)."`
	ExpiresAt   instant        `placeholder:"TIME" help:"Do not start from this time on (RFC 3339)."`
	MaxAttempts *int           `placeholder:"N" help:"1 to 10000; default 25."`
	MinBackoff  *time.Duration `placeholder:"1s" help:"Wait after the first failure, 1ms or more; it doubles from there."`
	Once        bool           `help:"Never begin it again once it has begun: it ends failed when what runs it is lost."`
	Timeout     *time.Duration `placeholder:"60s" help:"Of one attempt, 1s to 24h."`

	RetentionSucceeded *time.Duration `placeholder:"24h" help:"How long it stays visible when it has succeeded; 0: it goes at once, with the next sweep. Default as its queue says."`
	RetentionFailed    *time.Duration `placeholder:"336h" help:"When it has failed."`
	RetentionCanceled  *time.Duration `placeholder:"24h" help:"When it was canceled."`

	enqueueWaits

	OnSuccess  string `placeholder:"URL" help:"Pushed to when it has succeeded."`
	OnFailure  string `placeholder:"URL" help:"Pushed to when it has failed or was canceled."`
	OnComplete string `placeholder:"URL" help:"Pushed to when it has ended."`

	ID             string  `name:"id" placeholder:"ID" help:"Id of your choice; a taken one is an error."`
	UniqueKey      string  `placeholder:"KEY" help:"While a task with this key is open in the queue, return that one instead."`
	IdempotencyKey string  `placeholder:"KEY" help:"Names this submission: repeated within 24 h it makes no second task."`
	Wait           waiting `help:"Wait until the task has ended: forever, or as long as --wait=30s says. Exit code 3 when it did not succeed."`
}

// instant is a time as RFC 3339 writes it.
type instant struct{ time.Time }

// UnmarshalText implements encoding.TextUnmarshaler.
func (i *instant) UnmarshalText(b []byte) (err error) {
	i.Time, err = task.ParseTime(string(b))
	return err
}

// waiting is a flag with or without a value.
type waiting struct {
	set    bool
	atMost time.Duration // 0 = forever
}

// IsBool lets the flag stand alone.
func (waiting) IsBool() bool { return true }

// Decode implements kong.MapperValue.
func (w *waiting) Decode(ctx *kong.DecodeContext) error {
	w.set = true
	if ctx.Scan.Peek().Type != kong.FlagValueToken {
		return nil
	}
	var text string
	if err := ctx.Scan.PopValueInto("duration", &text); err != nil {
		return err
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return fmt.Errorf("--wait=%s: want a duration such as 30s", text)
	}
	w.atMost = d
	return nil
}

// Run submits the task and waits for its end if that is wished.
func (c *enqueueCmd) Run(ctx context.Context, t *term.Terminal) error {
	spec, err := c.task(os.Stdin)
	if err != nil {
		return err
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	task, err := client.Submit(ctx, spec)
	if err != nil {
		return err
	}
	if !c.Wait.set {
		return c.show(t, task)
	}
	if task, err = c.await(ctx, t, client, task); err != nil {
		return err
	}
	if err := c.show(t, task); err != nil {
		return err
	}
	if task.State != sendoff.StateSucceeded {
		return &term.Exit{Code: term.ExitFailed}
	}
	return nil
}

func (c *enqueueCmd) task(stdin io.Reader) (sendoff.NewTask, error) {
	var none sendoff.NewTask
	targets := 0
	for _, t := range []string{c.Target, c.Handler, c.Process, c.Function} {
		targets += min(len(t), 1)
	}
	switch {
	case targets == 0:
		return none, term.Usage("what is the task? give a URL, or --handler NAME, --process NAME, --function NAME\nsee: sendoff enqueue --help")
	case targets > 1:
		return none, term.Usage("give one of a URL, --process, --handler and --function")
	case c.Function == "" && c.Endpoint != "":
		return none, term.Usage("--endpoint %s: belongs to --function NAME", c.Endpoint)
	case c.Function != "" && c.endpoint() == "":
		return none, term.Usage("--function %s: which app serves it? give its URL with --endpoint", c.Function)
	case c.Delay < 0:
		return none, term.Usage("--delay %s: want a positive duration such as 90s", c.Delay)
	case isZero(c.MaxAttempts), isZero(c.MinBackoff), isZero(c.Timeout):
		return none, term.Usage("--max-attempts, --min-backoff and --timeout are more than 0: leave one out for its default")
	}
	headers := map[string]string{}
	for _, h := range c.Header {
		name, value, ok := strings.Cut(h, ":")
		if !ok {
			return none, term.Usage("--header %q: want NAME: VALUE", h)
		}
		if _, twice := headers[strings.TrimSpace(name)]; twice {
			return none, term.Usage("--header %s: is given twice", strings.TrimSpace(name))
		}
		headers[strings.TrimSpace(name)] = strings.TrimSpace(value)
	}
	spec := sendoff.NewTask{
		URL: c.Target, Handler: c.Handler, Process: c.Process, Workers: c.Workers, Once: c.Once, ID: c.ID, Queue: c.Queue, Name: c.Name, Method: c.Method, Headers: headers, ContentType: c.ContentType,
		Delay: c.Delay, RunAt: c.RunAt.Time, ExpiresAt: c.ExpiresAt.Time, Priority: c.Priority, Group: c.Group, Timeout: valueOf(c.Timeout), Labels: c.Label,
		IdempotencyKey: c.IdempotencyKey,
	}
	if c.Function != "" {
		spec.Function, spec.Endpoint = c.Function, c.endpoint()
	}
	if c.MaxAttempts != nil || c.MinBackoff != nil {
		spec.Retry = &sendoff.RetryPolicy{MaxAttempts: valueOf(c.MaxAttempts), MinBackoff: valueOf(c.MinBackoff)}
	}
	if r := (sendoff.Retention{Succeeded: keptFor(c.RetentionSucceeded), Failed: keptFor(c.RetentionFailed), Canceled: keptFor(c.RetentionCanceled)}); r != (sendoff.Retention{}) {
		spec.Retention = &r
	}
	if c.UniqueKey != "" {
		spec.Unique = &sendoff.Unique{Key: c.UniqueKey}
	}
	if err := c.enqueueWaits.fill(&spec); err != nil {
		return none, err
	}
	spec.OnSuccess, spec.OnFailure, spec.OnComplete = pushTo(c.OnSuccess), pushTo(c.OnFailure), pushTo(c.OnComplete)
	return spec, c.fill(&spec, stdin)
}

// pushTo is a task that is pushed to a URL; "" = none.
func pushTo(url string) *sendoff.NewTask {
	if url == "" {
		return nil
	}
	return &sendoff.NewTask{URL: url}
}

// endpoint is the app that serves a function. The variable belongs to functions
// only, so it is no flag's: it is there under sendoff run, whatever the task is.
func (c *enqueueCmd) endpoint() string {
	return cmp.Or(c.Endpoint, os.Getenv("DISPATCH_ENDPOINT_URL"))
}

// isZero tells whether a zero was given, which the API takes for nothing.
func isZero[T comparable](given *T) bool { return given != nil && *given == *new(T) }

func valueOf[T any](given *T) (v T) {
	if given != nil {
		v = *given
	}
	return v
}

// fill sets the payload. Without a content type it has to be JSON, so that a
// shell's lost quotes are noticed here and not by the app.
func (c *enqueueCmd) fill(task *sendoff.NewTask, stdin io.Reader) error {
	payload := []byte(c.Payload)
	var err error
	if name, ok := strings.CutPrefix(c.Payload, "@"); ok {
		payload, err = os.ReadFile(name)
	} else if c.Payload == "-" {
		payload, err = io.ReadAll(stdin)
	}
	switch {
	case err != nil:
		return fmt.Errorf("--payload: %w", err)
	case len(payload) == 0:
		return nil
	case utf8.Valid(payload) && json.Valid(payload):
		task.Payload = json.RawMessage(payload)
	case c.ContentType == "":
		return term.Usage("--payload is not JSON: quote it, as in --payload '{\"hello\":\"world\"}', or say what it is with --content-type")
	default:
		task.Body = payload
	}
	return nil
}

func (c *enqueueCmd) await(ctx context.Context, t *term.Terminal, client *sendoff.Client, task *sendoff.Task) (*sendoff.Task, error) {
	if t.Live && !c.JSON {
		t.Printf("%s  waiting for its end...\n", task.ID)
	}
	if c.Wait.atMost > 0 {
		limited, cancel := context.WithTimeout(ctx, c.Wait.atMost)
		defer cancel()
		ctx = limited
	}
	last, err := client.Wait(ctx, task.ID)
	if errors.Is(err, context.DeadlineExceeded) {
		state := task.State
		if last != nil {
			state = last.State
		}
		return nil, fmt.Errorf("task %s is still %s after %s; it goes on: sendoff tasks get %s", task.ID, state, c.Wait.atMost, task.ID)
	}
	return last, err
}

func (c *enqueueCmd) show(t *term.Terminal, task *sendoff.Task) error {
	if c.JSON {
		return t.JSON(task)
	}
	note := ""
	switch {
	case task.Dropped:
		note = "  (nothing was stored: this one is there, with the same duplicate key)"
	case task.Existing:
		note = "  (it was there already: its unique key is held)"
	case task.Replayed:
		note = "  (accepted by an earlier submission with this key)"
	}
	t.Printf("%s  %s%s\n", task.ID, t.Paint(string(task.State), term.State(task)), note)
	switch {
	case task.Final() && task.LastError != "" && task.State != sendoff.StateSucceeded:
		t.Printf("  %s\n", term.Clean(task.LastError))
	case len(task.Result) > 0:
		t.Printf("  %s\n", term.Clean(string(task.Result)))
	}
	if t.Live {
		t.Printf("  %s\n", t.Paint("canceled", c.Page(task.ID)))
	}
	return nil
}
