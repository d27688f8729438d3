package vet

import (
	"go/ast"
	"go/types"
	"slices"
	"strings"
)

// kind is how a function of others stands to replays.
type kind uint8

const (
	harmless kind = iota
	value         // it gives another value each time
	effect        // it touches the world, or waits
	deadline      // it makes a context that ends by the machine's clock
)

// hazard is a function that durable code must not call.
type hazard struct {
	kind kind
	what string // as the user writes it
	why  string
	fix  string
}

const (
	whyClock  = "a replay reads another time"
	whyRandom = "a replay gets another value"
	whyEnv    = "a replay may run on another machine or in another release"
	whyEffect = "it is done again in each replay"
	fixStep   = "do it in a sendoff.Step"
)

// functions are the hazardous functions of packages, by path and name.
// A trailing * stands for any rest of a name.
var functions = []struct {
	path  string
	names string
	hazard
}{
	{"time", "Now", hazard{value, "", whyClock, "use sendoff.Now(ctx)"}},
	{"time", "Since Until", hazard{value, "", whyClock, "use sendoff.Now(ctx).Sub"}},
	{"time", "Sleep", hazard{effect, "", "it keeps the function in memory, and all others of its process waiting, and starts anew in each replay", "use sendoff.Sleep(ctx, d)"}},
	{"time", "After Tick NewTimer NewTicker AfterFunc", hazard{effect, "", "the timer is not on record and starts anew in each replay", "use sendoff.After(ctx, d) or sendoff.Sleep(ctx, d)"}},
	{"math/rand", "!New NewSource NewZipf *", hazard{value, "", whyRandom, "use sendoff.Rand(ctx)"}},
	{"math/rand/v2", "!New NewPCG NewChaCha8 NewZipf *", hazard{value, "", whyRandom, "use sendoff.Rand(ctx)"}},
	{"crypto/rand", "*", hazard{value, "", whyRandom, "use sendoff.NewID(ctx) for an id, or a sendoff.Step that does not return the secret"}},
	{"github.com/google/uuid", "New NewString NewRandom NewUUID NewV6 NewV7 NewDCE*", hazard{value, "", whyRandom, "use sendoff.NewID(ctx)"}},
	{"github.com/gofrs/uuid", "NewV1 NewV4 NewV6 NewV7", hazard{value, "", whyRandom, "use sendoff.NewID(ctx)"}},
	{"github.com/oklog/ulid", "Make", hazard{value, "", whyRandom, "use sendoff.NewID(ctx)"}},
	{"github.com/rs/xid", "New", hazard{value, "", whyRandom, "use sendoff.NewID(ctx)"}},
	{"os", "Getenv LookupEnv Environ ExpandEnv Hostname Getpid Getppid Getwd UserHomeDir TempDir Executable", hazard{value, "", whyEnv, "read it at start and pass it on, or in a sendoff.Step"}},
	{"runtime", "NumCPU NumGoroutine GOMAXPROCS", hazard{value, "", whyEnv, "read it in a sendoff.Step"}},
	{"os", "Open* Create* Read* Write* Remove* Rename Mkdir* Stat Lstat Symlink Link Chdir Chmod Chown Truncate Setenv Unsetenv StartProcess", hazard{effect, "", whyEffect, fixStep}},
	{"io/ioutil", "Read* Write* Temp*", hazard{effect, "", whyEffect, fixStep}},
	{"path/filepath", "Walk WalkDir Glob EvalSymlinks Abs", hazard{effect, "", whyEffect, fixStep}},
	{"net", "Dial* Listen* Lookup*", hazard{effect, "", whyEffect, fixStep}},
	{"net/smtp", "SendMail Dial", hazard{effect, "", whyEffect, fixStep}},
	{"net/http", "Get Head Post PostForm ListenAndServe*", hazard{effect, "", whyEffect, fixStep}},
	{"database/sql", "Open", hazard{effect, "", whyEffect, fixStep}},
	{"github.com/jackc/pgx", "Connect*", hazard{effect, "", whyEffect, fixStep}},
	{"context", "WithTimeout* WithDeadline*", hazard{deadline, "", "it ends at another point in a replay", "use sendoff.WithTimeout(ctx, d)"}},
}

// methods are the hazardous methods, by the path of their package, their type and
// their names.
var methods = []struct {
	path, recv, names string
}{
	{"net", "Dialer", "Dial*"},
	{"net", "Resolver", "Lookup*"},
	{"net/http", "Client", "Do Get Head Post PostForm"},
	{"net/http", "Transport", "RoundTrip"},
	{"net/http", "RoundTripper", "RoundTrip"},
	{"net/http", "Server", "Serve* ListenAndServe* Shutdown"},
	{"database/sql", "DB", "Query* Exec* Ping* Begin* Prepare* Conn"},
	{"database/sql", "Conn", "Query* Exec* Ping* Begin* Prepare*"},
	{"database/sql", "Tx", "Query* Exec* Prepare* Commit Rollback"},
	{"database/sql", "Stmt", "Query* Exec*"},
	{"os/exec", "Cmd", "Run Start Output CombinedOutput Wait"},
	{"github.com/jackc/pgx", "Conn", "Query* Exec Begin* Ping SendBatch CopyFrom"},
	{"github.com/jackc/pgx", "Pool", "Query* Exec Begin* Ping SendBatch CopyFrom Acquire"},
	{"github.com/jackc/pgx", "Tx", "Query* Exec Begin Commit Rollback SendBatch CopyFrom"},
	{"github.com/jmoiron/sqlx", "DB", "Get* Select* Named* Query* MustExec* Begin* Exec*"},
	{"google.golang.org/grpc", "ClientConn", "Invoke NewStream"},
}

// hazardOf tells whether a function must not be called in durable code.
func hazardOf(fn *types.Func) (hazard, bool) {
	if fn == nil || fn.Pkg() == nil {
		return hazard{}, false
	}
	path, name, recv := fn.Pkg().Path(), fn.Name(), receiver(fn)
	if recv != "" {
		return methodHazard(path, recv, name)
	}
	for _, f := range functions {
		if within(path, f.path) && named(name, f.names) {
			h := f.hazard
			h.what = fn.Pkg().Name() + "." + name
			return h, true
		}
	}
	return hazard{}, false
}

func methodHazard(path, recv, name string) (hazard, bool) {
	if path == sdk && isRemote(recv, name) {
		return hazard{effect, "sendoff." + recv + "." + name, "it asks the server again in each replay", "call other functions with Await or Start, or " + fixStep}, true
	}
	for _, m := range methods {
		if within(path, m.path) && m.recv == recv && named(name, m.names) {
			short := path[strings.LastIndexByte(path, '/')+1:]
			return hazard{effect, short + "." + recv + "." + name, whyEffect, fixStep}, true
		}
	}
	return hazard{}, false
}

// within tells whether path is want. For other people's modules it may be
// another major version or a package below.
func within(path, want string) bool {
	return path == want || strings.Contains(want, ".") && strings.HasPrefix(path, want+"/")
}

// named tells whether a name is in a list; "!" starts the list of those that
// are not, up to "*".
func named(name, list string) bool {
	list, not := strings.CutPrefix(list, "!")
	words := strings.Fields(list)
	if not {
		return ast.IsExported(name) && !slices.Contains(words, name)
	}
	return slices.ContainsFunc(words, func(w string) bool {
		head, open := strings.CutSuffix(w, "*")
		return name == head || open && strings.HasPrefix(name, head)
	})
}
