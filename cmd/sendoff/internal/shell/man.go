package shell

import (
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
)

// Man is the grammar of sendoff man.
type Man struct{}

// Help is printed under the flags.
func (Man) Help() string { return `sendoff man > sendoff.1; man ./sendoff.1` }

// Run prints the manual page.
func (Man) Run(t *term.Terminal, k *kong.Context) error {
	p := &page{w: t.Stdout}
	p.write(k.Model)
	return p.err
}

// page is a manual page in the language of man(7).
type page struct {
	w   io.Writer
	err error
}

func (p *page) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}

// plain escapes what roff would take for its own. A line must not begin with a dot or a quote.
func plain(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		return `\&` + text
	}
	return text
}

// text is prose, and lines that begin with a blank as they are.
func (p *page) text(s string) {
	asIs := false
	for line := range strings.SplitSeq(strings.Trim(s, "\n"), "\n") {
		if indented := strings.HasPrefix(line, " "); indented != asIs {
			asIs = indented
			p.line("%s", map[bool]string{true: ".nf", false: ".fi"}[asIs])
		}
		if line == "" {
			p.line(".PP")
			continue
		}
		p.line("%s", plain(line))
	}
	if asIs {
		p.line(".fi")
	}
}

func (p *page) write(app *kong.Application) {
	about, rest, _ := strings.Cut(app.Help, "\n")
	p.line(`.TH %s 1`, strings.ToUpper(app.Name))
	p.line(".SH NAME\n%s \\- %s", app.Name, plain(strings.TrimSuffix(about, ".")))
	p.line(".SH SYNOPSIS\n.B %s\n.I command\n[flags]", app.Name)
	p.line(".SH DESCRIPTION")
	p.text(rest)
	p.line(".SH COMMANDS")
	p.commands(app.Node)
}

func (p *page) commands(node *kong.Node) {
	for _, child := range node.Children {
		if child.Hidden || child.Type != kong.CommandNode {
			continue
		}
		if len(child.Children) > 0 {
			p.commands(child)
			continue
		}
		p.line(".SS %s", plain(child.FullPath()+arguments(child)))
		p.text(child.Help)
		if child.Detail != "" {
			p.line(".PP")
			p.text(child.Detail)
		}
		p.flags(child)
	}
}

func arguments(node *kong.Node) (text string) {
	for _, arg := range node.Positional {
		text += " " + arg.Summary()
	}
	return text
}

func (p *page) flags(node *kong.Node) {
	for _, group := range node.AllFlags(true) {
		for _, flag := range group {
			if flag.Name == "help" {
				continue
			}
			p.line(".TP\n.B %s", plain(flag.String()))
			p.text(flag.Help)
			if len(flag.Envs) > 0 {
				p.line("(%s)", plain(strings.Join(flag.Envs, ", ")))
			}
		}
	}
}
