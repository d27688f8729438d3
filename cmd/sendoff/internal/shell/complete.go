// Package shell is how sendoff is at home in a shell: what can stand next on a command line,
// and the manual page. Both are read from the grammar.
package shell

import (
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/term"
)

// Completion is the grammar of sendoff completion.
type Completion struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"${enum}."`
}

// Help is printed under the flags.
func (Completion) Help() string {
	return `bash   sendoff completion bash > ~/.local/share/bash-completion/completions/sendoff
zsh    sendoff completion zsh > "${fpath[1]}/_sendoff"
fish   sendoff completion fish > ~/.config/fish/completions/sendoff.fish`
}

// asked is the hidden command by which the scripts ask what can stand next.
const asked = "__complete"

var scripts = map[string]string{
	"bash": `_sendoff() {
	local IFS=$'\n'
	COMPREPLY=($(sendoff ` + asked + ` "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _sendoff sendoff
`,
	"zsh": `#compdef sendoff
_sendoff() {
	local -a found
	found=("${(@f)$(sendoff ` + asked + ` "${(@)words[2,CURRENT]}" 2>/dev/null)}")
	if [[ -n "${found[1]}" ]]; then compadd -Q -- "${found[@]}"; else _files; fi
}
compdef _sendoff sendoff
`,
	"fish": `complete -c sendoff -f -a '(sendoff ` + asked + ` (commandline -opc)[2..] (commandline -ct) 2>/dev/null)'
complete -c sendoff -F -n 'test -z "$(sendoff ` + asked + ` (commandline -opc)[2..] (commandline -ct) 2>/dev/null)"'
`,
}

// Run prints the script for a shell.
func (c *Completion) Run(t *term.Terminal) error {
	t.Printf("%s", scripts[c.Shell])
	return nil
}

// Complete is the grammar of what the scripts ask.
type Complete struct {
	Words []string `arg:"" optional:"" passthrough:""`
}

// Run prints what can stand in place of the last word, a line each.
func (c *Complete) Run(t *term.Terminal, k *kong.Context) error {
	for _, word := range Next(k.Model.Node, c.Words) {
		t.Printf("%s\n", word)
	}
	return nil
}

// Next is what can stand in place of the last of the words behind the name of the program,
// sorted: commands, flags, and values of which there are few. Nothing = perhaps a file.
func Next(node *kong.Node, words []string) []string {
	words = joined(words)
	last := words[len(words)-1]
	waiting, places := (*kong.Flag)(nil), 0 // a flag that wants its value; words that are none of the grammar's
	for _, word := range words[:len(words)-1] {
		switch child := childOf(node, word); {
		case waiting != nil:
			waiting = nil
		case strings.HasPrefix(word, "-"):
			waiting = wanting(node, word)
		case child != nil:
			node, places = child, 0
		default:
			places++
		}
	}
	return slices.Sorted(slices.Values(starting(last, candidates(node, waiting, last, places))))
}

// joined takes out the equal signs that bash makes words of, and has a last word be there.
func joined(words []string) []string {
	if len(words) == 0 || words[len(words)-1] == "=" {
		words = append(slices.Clone(words), "")
	}
	return slices.DeleteFunc(slices.Clone(words), func(word string) bool { return word == "=" })
}

func candidates(node *kong.Node, waiting *kong.Flag, last string, places int) (list []string) {
	if waiting != nil {
		return enumOf(waiting.Value)
	}
	if name, _, has := strings.Cut(last, "="); has && strings.HasPrefix(name, "--") {
		if flag := flagOf(node, name); flag != nil {
			for _, value := range enumOf(flag.Value) {
				list = append(list, name+"="+value)
			}
		}
		return list
	}
	if strings.HasPrefix(last, "-") {
		for _, group := range node.AllFlags(true) {
			for _, flag := range group {
				list = append(list, "--"+flag.Name)
			}
		}
		return list
	}
	for _, child := range node.Children {
		if !child.Hidden && child.Type == kong.CommandNode {
			list = append(list, child.Name)
		}
	}
	if places < len(node.Positional) {
		list = append(list, enumOf(node.Positional[places])...)
	}
	return list
}

func starting(with string, list []string) []string {
	return slices.DeleteFunc(list, func(word string) bool { return !strings.HasPrefix(word, with) })
}

func enumOf(v *kong.Value) []string {
	if v.Enum == "" {
		return nil
	}
	return v.EnumSlice()
}

func childOf(node *kong.Node, name string) *kong.Node {
	for _, child := range node.Children {
		if child.Type == kong.CommandNode && (child.Name == name || slices.Contains(child.Aliases, name)) {
			return child
		}
	}
	return nil
}

func flagOf(node *kong.Node, name string) *kong.Flag {
	for _, group := range node.AllFlags(false) {
		for _, flag := range group {
			if name == "--"+flag.Name || flag.Short != 0 && name == "-"+string(flag.Short) {
				return flag
			}
		}
	}
	return nil
}

// wanting is the flag that a word names when its value is the next one.
func wanting(node *kong.Node, word string) *kong.Flag {
	flag := flagOf(node, word)
	if flag == nil || flag.IsBool() || flag.IsCounter() {
		return nil
	}
	return flag
}
