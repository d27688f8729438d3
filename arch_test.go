package sendoff_test

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/sendoff-dev/sendoff"

// rule bans imports. Paths are below the module: "internal/exec" is a package,
// "internal/exec/..." a package and all below it, "." the root package, "!std"
// all that is not the standard library. Test files are free.
type rule struct {
	who    []string
	except []string // of who
	never  []string
	but    []string // of never
	linked bool     // also through other packages
	why    string
}

var floors = []string{"store/sqlite/...", "store/postgres/..."}

var rooms = []string{
	"internal/accept/...", "internal/claim/...", "internal/exec/...", "internal/settle/...",
	"internal/schedule/...", "internal/node/...", "internal/operate/...", "internal/catalog/...", "internal/quota/...", "internal/access/...", "internal/signing/...",
}

var executors = []string{"internal/exec/push/...", "internal/exec/function/...", "internal/exec/process/..."}

var doors = []string{"internal/server/api", "internal/server/dispatchapi", "internal/server/dispatchr", "internal/server/guard", "internal/server/console"}

// commands is where the rooms of the binary are.
const commands = "cmd/sendoff/internal/"

// The architecture, as imports that must not be.
func rules() []rule {
	rs := []rule{
		{
			who: []string{"task/...", "status"}, never: []string{"!std"},
			why: "the nouns and the rules are the innermost part: anyone can read and test them with Go alone",
		},
		{
			who: []string{"jobgraph/..."}, never: []string{"!std"}, but: []string{"task/...", "jobgraph/..."},
			why: "job graphs run in any program, without a server and its dependencies",
		},
		{
			who: []string{"internal/graphpng"}, never: []string{"internal/...", "store/...", "engine/...", ".", "jobgraph"},
			why: "it draws any graph that jobgraph/draw draws: it knows neither jobs nor tasks",
		},
		{
			who: []string{"internal/graphpy"}, never: []string{"internal/...", "store/...", "engine/...", "cmd/...", "."},
			why: "Python classes are run by jobgraph, where their process is: without a server, whoever shows it",
		},
		{
			who: []string{"..."}, never: floors, linked: false,
			except: []string{"cmd/...", "engine/...", "store/...", "examples/...", "chaos/...", "internal/testkit/..."},
			why:    "which database it is, is decided where programs are wired; everything else sees the roles in store",
		},
		{
			who: []string{"engine"}, never: floors, linked: true,
			why: "who embeds the engine over one database must not link the driver of the other",
		},
		{
			who: floors, never: []string{"internal/...", "engine/...", "cmd/..."}, but: []string{"internal/telemetry/..."},
			why: "a floor carries the rooms and does not know them",
		},
		{
			who: []string{"internal/server/..."}, never: slices.Concat(rooms, floors),
			but: []string{"internal/accept", "internal/operate"},
			why: "a door sees the engine through the small interface that it declares, in the words of accept and operate",
		},
		{
			who: doors, never: doors,
			why: "doors never import each other: what two of them say is internal/server/problem, what two of them take is internal/server/body",
		},
		{
			who: []string{"internal/server/problem", "internal/server/body"}, never: []string{"internal/...", "store/...", "."}, but: []string{"task/..."},
			why: "what all doors stand on knows none of them",
		},
		{
			who: []string{"internal/server/route"}, never: []string{"internal/...", "."}, but: []string{"internal/auth", "internal/server/problem"},
			why: "what all doors stand on knows none of them",
		},
		{
			who: []string{"internal/auth"}, never: []string{"!std"},
			why: "who asks, and what that allows, is read by rooms and doors alike, and needs neither keys nor requests",
		},
		{
			who: []string{"internal/server/..."}, except: []string{"internal/server/route"}, never: []string{"internal/access"},
			why: "a door asks who may do something by what the context says, and never looks at keys",
		},
		{
			who: rooms, never: []string{"internal/server/...", "engine/...", "cmd/...", "."},
			why: "a room knows neither who calls it nor who wires it",
		},
		{
			who: []string{".", "graphrun"}, never: []string{"store/...", "engine/...", "internal/server/..."}, linked: true,
			why: "the SDK is linked into users' programs: no server, no database",
		},
		{
			who: []string{"push"}, never: []string{"!std"}, but: []string{"internal/httpsig", "task", "github.com/dunglas/httpsfv"}, linked: true,
			why: "an app that is pushed to links what checks a signature, and neither the client, Connect, protobuf nor functions",
		},
		{
			who: []string{"internal/dispatcherd"}, never: []string{"store/...", "engine/...", "internal/server/...", "github.com/jackc/..."}, linked: false,
			why: "what comes over dispatcherd's brokers needs no database, and its driver only where it is listened to",
		},
		{
			who: []string{"dispatcherd", "internal/record"}, never: slices.Concat(floors, []string{"internal/dispatcherd/pgnotify", "github.com/jackc/..."}), linked: true,
			why: "who adds a broker of his own links the databases and drivers that he passes in, and no others",
		},
		{
			who: []string{"internal/kit"}, never: []string{"internal/...", ".", "store/...", "engine/..."},
			why: "the SDK and its test kit both import it, so it can know the types of neither",
		},
		{
			who: []string{"..."}, except: []string{".", "sendofftest"}, never: []string{"internal/kit"},
			why: "what the SDK shows to its test kit it shows to nobody else",
		},
		{
			who: []string{"internal/journal"}, never: []string{"internal/...", "store/...", ".", "engine/..."},
			why: "apps and server agree on the format of journals: it belongs to neither",
		},
		{
			who: []string{commands + "term"}, never: []string{"cmd/...", "engine/...", "store/...", "internal/..."},
			why: "what people read is written about what a client knows of a task",
		},
		{
			who: []string{commands + "calltree"}, never: []string{"cmd/...", "store/..."}, but: []string{commands + "term", commands + "screen"},
			why: "the tree shows any calls: it knows neither the server nor the command that it is shown for",
		},
		{
			who: []string{commands + "host"}, never: []string{"cmd/..."}, but: []string{commands + "term", commands + "otlp"},
			why: "a server does not know what it is started for",
		},
		{
			who: []string{commands + "otlp"}, never: []string{"cmd/...", "store/...", "internal/..."},
			why: "it knows spans, and nothing of what they are about",
		},
		{
			who: []string{"..."}, except: []string{"cmd/..."}, never: []string{"go.opentelemetry.io/..."}, linked: true,
			why: "whoever embeds a package chooses himself whether his program links OpenTelemetry, and which",
		},
		{
			who: []string{commands + "ctl"}, never: []string{"cmd/...", "engine/...", "store/...", "."},
			why: "it asks a service of dispatcherd, and knows no other server",
		},
		{
			who: []string{commands + "dev", commands + "tour"}, never: slices.Concat(floors, []string{"cmd/..."}),
			but: []string{commands + "term", commands + "screen", commands + "calltree", commands + "host"},
			why: "sendoff run and sendoff demo are apart, and leave it to host which database there is",
		},
		{
			who: []string{commands + "graph"}, never: slices.Concat(floors, []string{"cmd/...", "engine/..."}),
			but: []string{commands + "term", commands + "screen"},
			why: "job graphs run without a server",
		},
		{
			who: []string{commands + "access"}, never: slices.Concat(floors, []string{"cmd/...", "engine/..."}), but: []string{commands + "term", commands + "host"},
			why: "it asks a server, or has host open its database",
		},
		{
			who: []string{commands + "schedules"}, never: slices.Concat(floors, []string{"cmd/...", "engine/...", "internal/..."}), but: []string{commands + "term"},
			why: "it asks a server as any client does, and says by itself when an expression is due",
		},
		{
			who: []string{"..."}, except: []string{"cmd/sendoff"}, never: []string{"time/tzdata"},
			why: "whoever links a package decides himself whether his program carries time zones",
		},
		{
			who: []string{"internal/graphfile"}, never: []string{"cmd/...", "engine/...", "store/...", "internal/...", "."}, but: []string{"internal/spelling"},
			why: "a graph's file is read alike by the command and by the server, and knows neither",
		},
		{
			who: []string{"internal/inprocess", "internal/need", "internal/spelling"}, never: []string{"!std", "."},
			why: "they are used by everybody and about nothing of ours: how a request comes to a handler of the same process, whether a field is set, how far words are apart",
		},
		{
			who:    []string{"..."},
			except: []string{"chaos/...", "internal/testkit/...", "store/storetest/..."},
			never:  []string{"github.com/stretchr/testify/...", "internal/testkit/...", "store/storetest/...", "chaos/..."}, linked: true,
			why: "test code does not ship",
		},
	}
	for _, room := range rooms {
		rs = append(rs, rule{
			who: []string{room}, never: rooms, but: []string{room},
			why: "rooms never import each other: what one needs of another is given to it as a function",
		})
	}
	for _, executor := range executors {
		rs = append(rs, rule{
			who: []string{executor}, never: executors, but: []string{executor},
			why: "executors are exchangeable: what two of them need belongs to internal/exec",
		})
	}
	return rs
}

// pkg is what `go list -json` says of a package.
type pkg struct {
	ImportPath string
	Name       string
	Doc        string
	GoFiles    []string
	Imports    []string
	Deps       []string
}

func TestArchitecture(t *testing.T) {
	for _, broken := range violations(listPackages(t)) {
		t.Error(broken)
	}
}

// TestEveryPatternOfTheArchitectureMatches says that a rule has lost its package,
// by a move or a new name, and holds nothing any more.
func TestEveryPatternOfTheArchitectureMatches(t *testing.T) {
	pkgs := listPackages(t)
	require.Empty(t, unmatched(rules(), pkgs), "patterns of rules that no package matches")
}

// unmatched are the patterns that no package matches, nor one that is linked.
func unmatched(rs []rule, pkgs []pkg) []string {
	paths := map[string]bool{}
	for _, p := range pkgs {
		paths[p.ImportPath] = true
		for _, dep := range p.Deps {
			paths[dep] = true
		}
	}
	var dead []string
	for _, r := range rs {
		for _, pattern := range slices.Concat(r.who, r.except, r.never, r.but) {
			matches := func(path string) bool { return match(pattern, path) }
			if !slices.ContainsFunc(slices.Collect(maps.Keys(paths)), matches) {
				dead = append(dead, pattern)
			}
		}
	}
	slices.Sort(dead)
	return slices.Compact(dead)
}

func listPackages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-e", "-json=ImportPath,Name,Doc,GoFiles,Imports,Deps", "./...")
	var problems strings.Builder
	cmd.Stderr = &problems
	out, err := cmd.Output()
	require.NoError(t, err, problems.String())
	var pkgs []pkg
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs
		} else if err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
}

func violations(pkgs []pkg) []string {
	var broken []string
	for _, p := range pkgs {
		broken = append(broken, p.naming()...)
		for _, r := range rules() {
			broken = append(broken, r.violations(p)...)
		}
	}
	return broken
}

func (p pkg) naming() []string {
	var broken []string
	if slices.Contains([]string{"util", "utils", "common", "base", "types", "models", "helpers", "misc"}, path.Base(p.ImportPath)) {
		broken = append(broken, p.ImportPath+": this name says nothing about what is inside")
	}
	if len(p.GoFiles) > 0 && p.Doc == "" && !match("gen/...", p.ImportPath) {
		broken = append(broken, p.ImportPath+": no package comment: what is it for, what must it not know?")
	}
	return broken
}

func (r rule) violations(p pkg) []string {
	if !matchAny(r.who, p.ImportPath) || matchAny(r.except, p.ImportPath) {
		return nil
	}
	imports, how := p.Imports, " imports "
	if r.linked {
		imports, how = p.Deps, " links "
	}
	var broken []string
	for _, i := range imports {
		if i != p.ImportPath && matchAny(r.never, i) && !matchAny(r.but, i) {
			broken = append(broken, short(p.ImportPath)+how+short(i)+": "+r.why)
		}
	}
	return broken
}

func matchAny(patterns []string, importPath string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool { return match(pattern, importPath) })
}

func match(pattern, importPath string) bool {
	p := short(importPath)
	switch below, deep := strings.CutSuffix(pattern, "/..."); {
	case pattern == "!std":
		first, _, _ := strings.Cut(importPath, "/")
		return strings.Contains(first, ".")
	case pattern == "...":
		return true
	case deep:
		return p == below || strings.HasPrefix(p, below+"/")
	}
	return p == pattern
}

// short is a path below the module, or the whole path of other packages.
func short(importPath string) string {
	if importPath == module {
		return "."
	}
	return strings.TrimPrefix(importPath, module+"/")
}

// TestArchitectureFindsViolations is the control: planted imports are found.
func TestArchitectureFindsViolations(t *testing.T) {
	for name, tt := range map[string]struct {
		who, imports string
		fine         bool
	}{
		"task and a library":            {who: "task", imports: "github.com/google/uuid"},
		"task and the store":            {who: "task", imports: module + "/store"},
		"task and std":                  {who: "task", imports: "encoding/json", fine: true},
		"jobgraph and task":             {who: "jobgraph", imports: module + "/task", fine: true},
		"jobgraph and yaml":             {who: "jobgraph", imports: "go.yaml.in/yaml/v3"},
		"room and room":                 {who: "internal/settle", imports: module + "/internal/accept"},
		"room and its parts":            {who: "internal/exec/push", imports: module + "/internal/exec", fine: true},
		"executor and executor":         {who: "internal/exec/push", imports: module + "/internal/exec/process"},
		"room and store":                {who: "internal/claim", imports: module + "/store", fine: true},
		"room and floor":                {who: "internal/claim", imports: module + "/store/sqlite"},
		"room and door":                 {who: "internal/claim", imports: module + "/internal/server/api"},
		"door and room":                 {who: "internal/server/api", imports: module + "/internal/settle"},
		"door and the words of a room":  {who: "internal/server/api", imports: module + "/internal/operate", fine: true},
		"door and door":                 {who: "internal/server/guard", imports: module + "/internal/server/api"},
		"door and problem":              {who: "internal/server/guard", imports: module + "/internal/server/problem", fine: true},
		"problem and door":              {who: "internal/server/problem", imports: module + "/internal/server/api"},
		"door and floor":                {who: "internal/server/api", imports: module + "/store/postgres"},
		"command and floor":             {who: "cmd/sendoff", imports: module + "/store/postgres", fine: true},
		"terminal and engine":           {who: commands + "term", imports: module + "/engine"},
		"tree and server":               {who: commands + "calltree", imports: module + "/" + commands + "host"},
		"server and tree":               {who: commands + "host", imports: module + "/" + commands + "calltree"},
		"server and floor":              {who: commands + "host", imports: module + "/store/sqlite", fine: true},
		"engine and OpenTelemetry":      {who: "engine", imports: "go.opentelemetry.io/otel/trace"},
		"run and demo":                  {who: commands + "dev", imports: module + "/" + commands + "tour"},
		"run and tree":                  {who: commands + "dev", imports: module + "/" + commands + "calltree", fine: true},
		"demo and floor":                {who: commands + "tour", imports: module + "/store/sqlite"},
		"engine and floor":              {who: "engine", imports: module + "/store/postgres"},
		"engine helper and floor":       {who: "engine/sqlitengine", imports: module + "/store/sqlite", fine: true},
		"SDK and store":                 {who: ".", imports: module + "/store"},
		"push and signatures":           {who: "push", imports: module + "/internal/httpsig", fine: true},
		"push and SDK":                  {who: "push", imports: module},
		"push and Connect":              {who: "push", imports: "connectrpc.com/connect"},
		"SDK and task":                  {who: ".", imports: module + "/task", fine: true},
		"test kit and what is lent":     {who: "sendofftest", imports: module + "/internal/kit", fine: true},
		"door and what is lent":         {who: "internal/server/api", imports: module + "/internal/kit"},
		"floor and room":                {who: "store/sqlite", imports: module + "/internal/claim"},
		"production and testify":        {who: "cmd/sendoff", imports: "github.com/stretchr/testify/require"},
		"conformance suite and testify": {who: "store/storetest", imports: "github.com/stretchr/testify/require", fine: true},
		"nameless package":              {who: "internal/util", imports: "fmt"},
	} {
		t.Run(name, func(t *testing.T) {
			p := pkg{
				ImportPath: path.Join(module, tt.who), Doc: "Package x is y.", GoFiles: []string{"x.go"},
				Imports: []string{tt.imports}, Deps: []string{tt.imports},
			}
			require.Equal(t, tt.fine, len(violations([]pkg{p})) == 0)
		})
	}
	undocumented := pkg{ImportPath: module + "/internal/claim", GoFiles: []string{"x.go"}}
	require.Len(t, violations([]pkg{undocumented}), 1)
}

func TestArchitectureFindsDeadPatterns(t *testing.T) {
	there := []pkg{{ImportPath: module + "/task", Deps: []string{"example.com/library"}}}
	require.Equal(t, []string{"gone", "gone/..."}, unmatched([]rule{
		{who: []string{"task", "gone/..."}, except: []string{"gone"}, never: []string{"!std"}, but: []string{"example.com/..."}},
	}, there))
}

// TestARoleOfTheStoreHasTheSameFileEverywhere says that what a store promises, what
// both floors do for it, and what the oracle takes it for, stand in files of one name.
func TestARoleOfTheStoreHasTheSameFileEverywhere(t *testing.T) {
	roles := rolesOf(t, "store", "Store")
	require.Contains(t, roles, "Claimer")
	for role, file := range roles {
		for _, where := range []string{"store/sqlite/" + file, "store/postgres/" + file, "store/storetest/oracle_" + file} {
			text, err := os.ReadFile(where)
			require.NoError(t, err, "%s is in store/%s, and what is done for it in files of that name", role, file)
			require.Regexp(t, `(?m)^func \(\w+ \*(Store|Oracle)\) `, string(text), "%s has nothing that %s promises", where, role)
		}
	}
}

// rolesOf are the interfaces that an interface of a package is made of, with the
// files that declare them.
func rolesOf(t *testing.T, dir, face string) map[string]string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	require.NoError(t, err)
	file, embedded := map[string]string{}, []string(nil)
	for _, path := range paths {
		parsed, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		ast.Inspect(parsed, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			it, ok := spec.Type.(*ast.InterfaceType)
			if !ok {
				return true
			}
			file[spec.Name.Name] = filepath.Base(path)
			for _, f := range it.Methods.List {
				if id, ok := f.Type.(*ast.Ident); ok && spec.Name.Name == face {
					embedded = append(embedded, id.Name)
				}
			}
			return false
		})
	}
	roles := map[string]string{}
	for _, name := range embedded {
		roles[name] = file[name]
	}
	return roles
}
