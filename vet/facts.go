package vet

import "go/types"

// funcFact is what other packages must know of a function.
type funcFact struct {
	Module  string
	Reaches bool   // a durable operation
	Only    bool   // it works in a durable function only
	Params  []role // of functions that are passed on to the SDK
	Effect  string // what it does that durable code must not, "" = nothing
	Value   string // what it reads that durable code must not
	Found   string // what is wrong with it if it runs in a durable function
	Code    string // the rule for Found
}

// AFact implements analysis.Fact.
func (*funcFact) AFact() {}

func (f *funcFact) empty() bool {
	return !f.Reaches && len(f.Params) == 0 && f.Effect == "" && f.Value == "" && f.Found == ""
}

// fact returns what is known of a function of another package.
func (c *inspection) fact(fn *types.Func) *funcFact {
	f := &funcFact{}
	if fn == nil || fn.Pkg() == nil || fn.Pkg() == c.pass.Pkg {
		return f
	}
	c.pass.ImportObjectFact(fn, f)
	return f
}

// solve finds out which units reach durable operations, and which run in durable
// functions.
func (c *inspection) solve() {
	for changed := true; changed; {
		changed = false
		for _, u := range c.units {
			changed = u.set(&u.reaches, len(u.ops) > 0) || changed
			if u.loose {
				changed = u.parent.set(&u.parent.reaches, u.reaches) || changed
			}
			for _, s := range u.sites {
				changed = u.set(&u.reaches, c.reaches(s.fn)) || changed
				changed = u.set(&u.only, c.only(s.fn)) || changed
			}
		}
	}
	for changed := true; changed; {
		changed = false
		for _, u := range c.units {
			within := u.loose && u.parent.proven
			changed = u.set(&u.proven, u.only || u.role == root || u.role == branch || within) || changed
			for _, s := range u.sites {
				if called := c.decls[s.fn]; u.proven && called != nil {
					changed = called.set(&called.proven, true) || changed
				}
			}
		}
	}
}

// set raises a flag of the unit and tells whether that was news.
func (u *unit) set(flag *bool, to bool) bool {
	if *flag || !to || u.role == step && u.fn == nil {
		return false
	}
	*flag = true
	return true
}

func (c *inspection) reaches(fn *types.Func) bool {
	if u := c.decls[fn]; u != nil {
		return u.reaches
	}
	return c.fact(fn).Reaches
}

func (c *inspection) only(fn *types.Func) bool {
	if u := c.decls[fn]; u != nil {
		return u.only
	}
	return c.fact(fn).Only
}

// durable tells whether a site is a durable operation, or leads to one.
func (c *inspection) durable(s site) bool { return s.op.durable || c.reaches(s.fn) }

// checked tells whether the rules about durable code hold for a unit.
func (u *unit) checked() bool { return u.role == branch || u.proven && u.reaches }

// exportFacts tells other packages about the functions of this one.
func (c *inspection) exportFacts() {
	for fn, u := range c.decls {
		if fn == nil || !fn.Exported() {
			continue
		}
		f := &funcFact{Module: c.module(), Reaches: u.reaches, Only: u.only, Params: c.passedOn(fn)}
		if !u.checked() {
			h := c.trail(fn)
			f.Effect, f.Value = h.effect, h.value
			if found := c.findings(u); u.reaches && len(found) > 0 {
				f.Found, f.Code = found[0].what, found[0].code
			}
		}
		if !f.empty() {
			c.pass.ExportObjectFact(fn, f)
		}
	}
}

// passedOn tells what becomes of the parameters of a function; nil when the SDK
// gets none of them.
func (c *inspection) passedOn(fn *types.Func) []role {
	var out []role
	for i := range fn.Signature().Params().Len() {
		if r := c.params[fn.Signature().Params().At(i)]; r != plain {
			out = append(out, make([]role, i+1-len(out))...)
			out[i] = r
		}
	}
	return out
}

func (c *inspection) module() string {
	if c.pass.Module == nil {
		return ""
	}
	return c.pass.Module.Path
}

// trail is what a function does that durable code must not.
type trail struct{ effect, value string }

// trail follows the calls of a function of this module that is not checked
// itself.
func (c *inspection) trail(fn *types.Func) trail {
	if fn == nil {
		return trail{}
	}
	if t, ok := c.trails[fn]; ok {
		return t
	}
	c.trails[fn] = trail{} // for recursive functions
	t := c.follow(fn).of(fn)
	c.trails[fn] = t
	return t
}

func (c *inspection) follow(fn *types.Func) (t trail) {
	u := c.decls[fn]
	if u == nil {
		if f := c.fact(fn); f.Module == c.module() {
			return trail{f.Effect, f.Value}
		}
		return trail{}
	}
	if u.checked() {
		return trail{}
	}
	for _, s := range u.sites {
		if s.fn == nil || c.allow.has(s.node.Pos(), codeOutside) {
			continue
		}
		switch h, bad := hazardOf(s.fn); {
		case bad && h.kind == effect:
			t.add(trail{effect: h.what})
		case bad && h.kind == value:
			t.add(trail{value: h.what})
		case !bad:
			t.add(c.trail(s.fn))
		}
	}
	return t
}

func (t *trail) add(more trail) {
	if t.effect == "" {
		t.effect = more.effect
	}
	if t.value == "" {
		t.value = more.value
	}
}

// of forgets what the function reads when it returns nothing but errors.
func (t trail) of(fn *types.Func) trail {
	for v := range fn.Signature().Results().Variables() {
		if v.Type() != types.Universe.Lookup("error").Type() {
			return t
		}
	}
	t.value = ""
	return t
}
