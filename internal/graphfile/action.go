package graphfile

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Action is what one of the calls of a job does: exactly one of Command, Request and
// Task is there.
type Action struct {
	Command *Command
	Request *Request
	Task    *Task
	Timeout time.Duration // 0 = none of its own
}

// Command is a program and its arguments, or a script of the shell.
type Command struct {
	Argv  []Text
	Shell string // for sh -c, as it is; "" = Argv
	Env   []Pair
	Dir   Text // from the directory of the file on; empty = that
}

// program is what is started, as far as that is known.
func (c *Command) program(v values) string {
	if c.Shell != "" {
		return "sh"
	}
	name, err := c.Argv[0].String(v)
	if err != nil {
		return c.Argv[0].Raw // not known before it is called
	}
	return name
}

// Request is an HTTP request and which answers to it are good.
type Request struct {
	Method     string // "" = GET for a check, POST for others
	URL        Text
	Headers    []Pair
	Body       *Text // with JSON nil too: the Document of the call, where the method has a body
	JSON       *Tree
	Status     []StatusRange
	CannotTell []StatusRange // of a check
	Skip       []StatusRange // of a check
	Blind      bool          // a check that gets no answer cannot tell
}

// StatusRange is a status, or all of a class.
type StatusRange struct{ From, To int }

// Task is a call that is a task of its own: exactly one of Process, Function and Handler
// is there.
type Task struct {
	Process string // Python code that a warm worker runs
	Args    *Tree  // of a process, a list; nil = none
	Kwargs  *Tree  // of a process, a mapping; nil = none

	Function string // a durable function
	Endpoint Text   // where Function is served
	Handler  string // a Go handler in a program that embeds the engine
	Input    *Tree  // of a function or a handler; nil = the Document of the call
}

// action reads a call: a list is a command.
func (r *reader) action(n *yaml.Node, what string) *Action {
	a := &Action{}
	if n.Kind == yaml.SequenceNode {
		a.Command = &Command{Argv: r.argv(n, what)}
		return a
	}
	if n.Kind != yaml.MappingNode {
		r.wrong(n, "%s: want a command such as [cp, a, b], or a mapping with command, shell, http, process, function or handler, have %s", what, kindOf(n))
		return a
	}
	var kinds []string
	kind := func(name string, read field) field {
		return func(n *yaml.Node) {
			kinds = append(kinds, name)
			read(n)
		}
	}
	c, k := &Command{}, &Task{}
	r.mapping(n, what, map[string]field{
		"command":  kind("command", func(n *yaml.Node) { c.Argv, a.Command = r.argv(n, what+": command"), c }),
		"shell":    kind("shell", func(n *yaml.Node) { c.Shell, a.Command = r.shell(n, what+": shell"), c }),
		"http":     kind("http", func(n *yaml.Node) { a.Request = r.request(n, what+": http") }),
		"process":  kind("process", func(n *yaml.Node) { k.Process, a.Task = r.named(n, what+": process"), k }),
		"function": kind("function", func(n *yaml.Node) { k.Function, a.Task = r.named(n, what+": function"), k }),
		"handler":  kind("handler", func(n *yaml.Node) { k.Handler, a.Task = r.named(n, what+": handler"), k }),
		"env":      func(n *yaml.Node) { c.Env = r.pairs(n, what+": env") },
		"dir":      func(n *yaml.Node) { c.Dir = r.text(n, what+": dir") },
		"args":     func(n *yaml.Node) { k.Args = r.tree(n, what+": args", yaml.SequenceNode) },
		"kwargs":   func(n *yaml.Node) { k.Kwargs = r.tree(n, what+": kwargs", yaml.MappingNode) },
		"endpoint": func(n *yaml.Node) { k.Endpoint = r.endpoint(n, what+": endpoint") },
		"input":    func(n *yaml.Node) { k.Input = r.tree(n, what+": input", 0) },
		"timeout":  func(n *yaml.Node) { a.Timeout = r.span(n, what+": timeout", 1) },
	})
	r.oneKind(n, what, kinds, c, k)
	return a
}

// oneKind checks that a call is one thing, and has nothing of another.
func (r *reader) oneKind(n *yaml.Node, what string, kinds []string, c *Command, k *Task) {
	if len(kinds) != 1 {
		r.wrong(n, "%s: want exactly one of command, shell, http, process, function and handler, have %d", what, len(kinds))
		return
	}
	if isCommand := kinds[0] == "command" || kinds[0] == "shell"; !isCommand && (c.Env != nil || c.Dir.Raw != "") {
		r.wrong(n, "%s: env and dir are of commands: leave them out", what)
	}
	if kinds[0] != "process" && (k.Args != nil || k.Kwargs != nil) {
		r.wrong(n, "%s: args and kwargs are of process: put arguments into command, or into input of a function or handler", what)
	}
	if k.Input != nil && kinds[0] != "function" && kinds[0] != "handler" {
		r.wrong(n, "%s: input is of function and handler: leave it out", what)
	}
	if (kinds[0] == "function") != (k.Endpoint.Raw != "") {
		r.wrong(n, "%s: function and endpoint go together: say where the function is served, as in endpoint: http://127.0.0.1:9000", what)
	}
}

// named reads what a task is called by.
func (r *reader) named(n *yaml.Node, what string) string {
	name := r.plain(n, what)
	if name == "" {
		r.wrong(n, "%s: it is empty: want a name", what)
	}
	return name
}

var endpointURL = regexp.MustCompile(`^(https?://|embedded://|bridge://|\$\{)`)

func (r *reader) endpoint(n *yaml.Node, what string) Text {
	t := r.text(n, what)
	if !endpointURL.MatchString(t.Raw) {
		r.wrong(n, "%s: %q: want the URL of the app that serves the function, such as http://127.0.0.1:9000", what, t.Raw)
	}
	return t
}

func (r *reader) argv(n *yaml.Node, what string) []Text {
	argv := r.texts(n, what)
	if n.Kind == yaml.SequenceNode && (len(argv) == 0 || argv[0].Raw == "") {
		r.wrong(n, "%s: it names no program: want a list such as [cp, a, b]", what)
	}
	return argv
}

var placeInShell = regexp.MustCompile(`\$\{(inputs|matrix|local|shared|results)\.([^}]*)\}`)

// shell reads a script. Nothing is filled in: what a value is made of would be read as code.
func (r *reader) shell(n *yaml.Node, what string) string {
	script := r.plain(n, what)
	if script == "" {
		r.wrong(n, "%s: it is empty: want a script", what)
	}
	if m := placeInShell.FindStringSubmatch(script); m != nil {
		r.wrong(n, "%s: %s is not filled in here, a shell would read the value as code: add env: {VALUE: %q} and write \"$VALUE\"", what, m[0], m[0])
	}
	return script
}

func (r *reader) request(n *yaml.Node, what string) *Request {
	q := &Request{Status: []StatusRange{{200, 299}}}
	if n.Kind == yaml.ScalarNode {
		q.URL = r.text(n, what)
	} else {
		r.mapping(n, what, map[string]field{
			"method":      func(n *yaml.Node) { q.Method = r.method(n, what+": method") },
			"url":         func(n *yaml.Node) { q.URL = r.text(n, what+": url") },
			"headers":     func(n *yaml.Node) { q.Headers = r.pairs(n, what+": headers") },
			"body":        func(n *yaml.Node) { q.Body = new(r.text(n, what+": body")) },
			"json":        func(n *yaml.Node) { q.JSON = r.tree(n, what+": json", 0) },
			"status":      func(n *yaml.Node) { q.Status, _ = r.statuses(n, what+": status", false) },
			"cannot_tell": func(n *yaml.Node) { q.CannotTell, q.Blind = r.statuses(n, what+": cannot_tell", true) },
			"skip":        func(n *yaml.Node) { q.Skip, _ = r.statuses(n, what+": skip", false) },
		})
	}
	if q.Body != nil && q.JSON != nil {
		r.wrong(n, "%s: it has a body and json: want one of the two", what)
	}
	if u := q.URL.Raw; !strings.HasPrefix(u, "http://") && !strings.HasPrefix(u, "https://") && !strings.HasPrefix(u, "${") {
		r.wrong(n, "%s: url %q: want one that begins with http:// or https://", what, u)
	}
	return q
}

var token = regexp.MustCompile(`^[A-Za-z][A-Za-z-]*$`)

func (r *reader) method(n *yaml.Node, what string) string {
	m := r.plain(n, what)
	if !token.MatchString(m) {
		r.wrong(n, "%s: %q: want a method such as GET or POST", what, m)
	}
	return strings.ToUpper(m)
}

// statuses reads one or a list of them; the word unreachable stands for no answer at all.
func (r *reader) statuses(n *yaml.Node, what string, words bool) (out []StatusRange, unreachable bool) {
	items := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		items = n.Content
	}
	for _, item := range items {
		item = whole(item)
		if words && item.Value == "unreachable" {
			unreachable = true
			continue
		}
		s, err := parseStatus(item.Value)
		if err != nil || item.Kind != yaml.ScalarNode {
			r.wrong(item, "%s: want a status such as 204, a class such as 2xx, or a list of them, have %s", what, shown(item))
		}
		out = append(out, s)
	}
	return out, unreachable
}

func parseStatus(text string) (StatusRange, error) {
	var n int
	if class, ok := strings.CutSuffix(text, "xx"); ok && len(class) == 1 && class[0] >= '1' && class[0] <= '5' {
		n = int(class[0]-'0') * 100
		return StatusRange{n, n + 99}, nil
	}
	if _, err := fmt.Sscanf(text, "%d", &n); err != nil || fmt.Sprint(n) != text || n < 100 || n > 599 {
		return StatusRange{}, fmt.Errorf("no status: %q", text)
	}
	return StatusRange{n, n}, nil
}

// String is the range as it is written in files.
func (s StatusRange) String() string {
	if s.From == s.To {
		return fmt.Sprint(s.From)
	}
	return fmt.Sprintf("%dxx", s.From/100)
}

func within(ranges []StatusRange, status int) bool {
	return slices.ContainsFunc(ranges, func(s StatusRange) bool { return s.From <= status && status <= s.To })
}

// texts are all of a call that have places.
func (a *Action) texts() []*Text {
	var out []*Text
	add := func(ts []Text) {
		for i := range ts {
			out = append(out, &ts[i])
		}
	}
	values := func(ps []Pair) {
		for i := range ps {
			out = append(out, &ps[i].Value)
		}
	}
	if c := a.Command; c != nil {
		add(c.Argv)
		values(c.Env)
		out = append(out, &c.Dir)
	}
	if q := a.Request; q != nil {
		out = append(out, &q.URL)
		values(q.Headers)
		if q.Body != nil {
			out = append(out, q.Body)
		}
		out = append(out, q.JSON.texts()...)
	}
	if k := a.Task; k != nil {
		out = append(out, &k.Endpoint)
		out = append(out, slices.Concat(k.Args.texts(), k.Kwargs.texts(), k.Input.texts())...)
	}
	return out
}
