// Package auth is who asks, and what that allows: scopes, and the principal that is
// carried by the context of a request. It knows neither keys, which are in a database,
// nor requests; rooms and doors read it alike.
package auth

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Scope is a set of what a key may do, or of what a route needs.
type Scope uint8

// What a key may do. Admin may do all of it; the others do not include each other.
const (
	Read     Scope = 1 << iota // see tasks, queues and the rest, without what they carry
	Payloads                   // see what tasks carry and bring back
	Enqueue                    // submit tasks, and tell functions something
	Operate                    // steer what is there
	Admin                      // everything, and keys
)

// What a route may need besides, or in place of that.
const (
	Whole  Scope = 1 << (5 + iota) // it is of the whole server: a key of the default namespace is needed
	AnyKey                         // whatever a key may do
	Public                         // no key
)

// names are those of scopes, in the order in which they are written.
var names = []string{"read", "payloads", "enqueue", "operate", "admin"}

// Scopes are the names of all scopes that a key can have.
func Scopes() []string { return slices.Clone(names) }

// Names are those of a set, each alone.
func (s Scope) Names() (list []string) {
	for i, name := range names {
		if s&(1<<i) != 0 {
			list = append(list, name)
		}
	}
	return list
}

// String lists the names of a set.
func (s Scope) String() string { return strings.Join(s.Names(), ", ") }

// Keyed is what is left of a set that keys have.
func (s Scope) Keyed() Scope { return s & (Read | Payloads | Enqueue | Operate | Admin) }

// ParseScope reads a set of names.
func ParseScope(list []string) (set Scope, err error) {
	for _, name := range list {
		i := slices.Index(names, name)
		if i < 0 {
			return 0, fmt.Errorf("%q is no scope: want one of %s", name, strings.Join(names, ", "))
		}
		set |= 1 << i
	}
	return set, nil
}

// DefaultNamespace is the name of the namespace that is always there.
const DefaultNamespace = "default"

// Principal is whoever asks.
type Principal struct {
	KeyID       string // of a stored key; "" = none
	Name        string // of the key, for people
	NamespaceID int32  // where what is named belongs; 0 = the default one
	Namespace   string // its name
	Scopes      Scope
	Address     string // where the request came from, without the port
	Program     bool   // the program itself asks, perhaps on behalf of the others
}

// Anybody is whoever asks where no keys are used.
func Anybody() Principal {
	return Principal{Name: "anybody", Namespace: DefaultNamespace, Scopes: Admin}
}

// Lacks is what of a need the principal does not have; 0 = nothing.
func (p *Principal) Lacks(need Scope) Scope {
	need = need.Keyed()
	if p.Scopes&Admin != 0 {
		return 0
	}
	return need &^ p.Scopes
}

// Elsewhere tells whether the principal belongs to another namespace than the default one.
func (p *Principal) Elsewhere() bool { return p.Namespace != DefaultNamespace }

type contextKey struct{}

// With returns a context in which p asks.
func With(ctx context.Context, p *Principal) context.Context {
	return context.WithValue(ctx, contextKey{}, p)
}

// From is whoever asks; nil = the program itself, which may do everything.
func From(ctx context.Context) *Principal {
	p, _ := ctx.Value(contextKey{}).(*Principal)
	return p
}

// Namespace is that in which names are looked up; 0 = the default one.
func Namespace(ctx context.Context) int32 {
	if p := From(ctx); p != nil {
		return p.NamespaceID
	}
	return 0
}

// May tells whether whoever asks has all scopes of a set.
func May(ctx context.Context, need Scope) bool {
	p := From(ctx)
	return p == nil || p.Lacks(need) == 0
}
