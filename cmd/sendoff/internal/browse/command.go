// Package browse is sendoff console: where the pages of a server are, and a browser for
// them.
package browse

import (
	"context"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
)

// Command is the grammar of sendoff console.
type Command struct {
	URL   string `name:"url" env:"SENDOFF_URL" placeholder:"URL" help:"The server; default http://127.0.0.1:4450."`
	Print bool   `help:"Print the address, and open no browser."`
	JSON  bool   `name:"json" help:"Print the address as JSON, and open no browser."`
	Page  string `arg:"" optional:"" help:"The page: a path such as queues/mail, or the id of a task."`
}

// Help is printed under the flags.
func (Command) Help() string {
	return `Prints where the console of the server is and, on a terminal, opens it in the browser of this desktop.
A server that is started with --console=off has none.`
}

// areas are pages, in place of which no task is meant.
var areas = map[string]bool{
	"tasks": true, "failures": true, "graphs": true, "queues": true, "schedules": true, "limits": true, "endpoints": true, "nodes": true, "actions": true,
	"audit": true, "keys": true, "settings": true, "help": true,
}

// Run prints the address, and opens it where somebody sits.
func (c *Command) Run(ctx context.Context, t *term.Terminal) error {
	address := c.address()
	if c.JSON {
		return t.JSON(map[string]string{"url": address})
	}
	t.Printf("%s\n", address)
	if open := opener(); t.Live && !c.Print && open != nil {
		_ = exec.CommandContext(ctx, open[0], append(open[1:], address)...).Run() //nolint:gosec // the address is printed: who has no browser opens it
	}
	return nil
}

// address is that of the page.
func (c *Command) address() string {
	base := strings.TrimRight(c.URL, "/")
	if base == "" {
		base = sendoff.DefaultURL
	}
	page := strings.TrimLeft(c.Page, "/")
	if page == "" || strings.ContainsAny(page, "/?") || areas[page] {
		return base + "/" + page
	}
	return (&term.Remote{URL: base}).Page(page)
}

// opener is the program that opens addresses on this desktop; nil = there is none.
func opener() []string {
	switch runtime.GOOS {
	case "darwin":
		return []string{"open"}
	case "windows":
		return []string{"rundll32", "url.dll,FileProtocolHandler"}
	}
	if os.Getenv("DISPLAY") == "" && os.Getenv("WAYLAND_DISPLAY") == "" {
		return nil
	}
	return []string{"xdg-open"}
}
