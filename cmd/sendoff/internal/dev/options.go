package dev

import (
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
)

// Options are the arguments and flags of sendoff run.
type Options struct {
	Command []string `arg:"" optional:"" name:"cmd" help:"Command to start, after --; or the URL of an app that you start yourself."`

	Listen      string        `placeholder:"HOST:PORT" help:"Address of the server; default a free port, with a URL 127.0.0.1:4450."`
	Endpoint    string        `short:"e" placeholder:"HOST:PORT" help:"Address that the command is told to listen on; default that of uvicorn and the like, or a free port."`
	APIKey      string        `name:"api-key" placeholder:"KEY" help:"Key that the app must send; default a random one, with a URL \"test\"."`
	DB          string        `name:"db" placeholder:"FILE|URL" help:"Keep the calls there: SQLite file or postgres:// URL; default a temporary file."`
	KeysFile    string        `placeholder:"FILE" help:"Keys that sign requests; default beside --db or temporary, with a URL in your configuration directory."`
	AllowEgress []string      `placeholder:"CIDR|HOST" help:"Private networks and hosts that may be called, besides this machine."`
	Grace       time.Duration `default:"5s" help:"Time for calls under way when the command has ended."`

	Plain    bool `help:"Lines instead of the live view, also on a terminal."`
	JSON     bool `name:"json" help:"One JSON object a line: start, log, call, end."`
	Stay     bool `help:"On a terminal: leave the view open when the command has ended, until q."`
	PrintEnv bool `help:"With a URL: print the variables and exit."`
}

// Help is printed under the flags.
func (Options) Help() string {
	return `Develops an app with durable functions: a server in this process, your app beside it, and the tree of its calls.

  sendoff run -- python3 app.py       starts the command with the variables of the SDKs set, ends when it ends, with
                                      its exit code. Signals are passed on; a second Ctrl-C kills.
  sendoff run http://127.0.0.1:8000   serves an app that you start yourself. The four variables that it needs are the
                                      first lines on stdout, as export NAME="value"; all else goes to stderr. They are
                                      the same in each run, so they can be set in the app's terminal at any time with:
                                      eval "$(sendoff run --print-env http://127.0.0.1:8000)"

The command gets DISPATCH_API_URL, DISPATCH_API_KEY, DISPATCH_ENDPOINT_ADDR, DISPATCH_ENDPOINT_URL,
DISPATCH_VERIFICATION_KEY, SENDOFF_URL and SENDOFF_API_KEY; all other variables are its own.

With --db unfinished calls go on in the next run.

Keys of the live view: q quit, tab logs or tree, up and down select a call, enter details of it, left and right fold
what is below it, c cancel it, r retry it, f only what failed, esc back.`
}

func (c *Options) forURL() bool {
	return len(c.Command) > 0 && (strings.HasPrefix(c.Command[0], "http://") || strings.HasPrefix(c.Command[0], "https://"))
}

// check refuses what cannot work, with the fix.
func (c *Options) check() error {
	switch {
	case len(c.Command) == 0:
		return term.Usage("what is to be run? give a command, as in: sendoff run -- python3 app.py\nor the URL of an app that you start yourself, as in: sendoff run http://127.0.0.1:8000")
	case c.Grace < 0:
		return term.Usage("--grace %s: want a duration such as 5s", c.Grace)
	case c.Plain && c.JSON:
		return term.Usage("--plain and --json exclude each other")
	case strings.ContainsAny(c.APIKey, " \t"):
		return term.Usage("--api-key: must not contain blanks")
	}
	if !c.forURL() {
		if c.PrintEnv {
			return term.Usage("--print-env belongs to a URL: a command is given its variables")
		}
		return nil
	}
	return c.checkURL()
}

func (c *Options) checkURL() error {
	u, err := url.Parse(c.Command[0])
	switch {
	case err != nil || u.Hostname() == "":
		return term.Usage("%s: want a URL such as http://127.0.0.1:8000", c.Command[0])
	case len(c.Command) > 1:
		return term.Usage("a URL stands alone: %q is too much", c.Command[1])
	case c.Endpoint != "":
		return term.Usage("--endpoint belongs to a command: the app listens where the URL says")
	}
	_, port, _ := net.SplitHostPort(c.Listen)
	if c.PrintEnv && port == "0" {
		return term.Usage("--print-env needs to know the port: give one with --listen")
	}
	return nil
}
