package postgres

// rank is what a statement may have to wait for, in the order in which every
// transaction asks for it; see DESIGN.md.
type rank int

const (
	rankNone    rank = iota // it waits for nobody
	rankKeys                // advisory locks of keys
	rankWaits               // wait rows
	rankEntries             // entries in ready, timer or claim
	rankTasks               // tasks
	rankNeeds               // needs of those that depend on what has ended, and then these
)

// part is a number of statements of a turn.
type part struct {
	name  string
	locks rank
	free  string // why it waits for nobody although it locks what comes earlier in the order; "" = it does not
	stmts []*stmt
}

// first are the parts of the first round trip, in order; f is nil when there are no
// endings with effects.
func (t *turn) first(f *family) []part {
	var waits, look, closed, plain, full, linked []*stmt
	if len(t.closed) > 0 {
		closed = append(closed, query(closeSQL).idList(t.closed))
	}
	if len(t.plain) > 0 {
		plain = append(plain, settlePlain(settlePlainSQL, t.plain, t.now))
	}
	if len(t.gated) > 0 {
		plain = append(plain, settlePlain(settleInsideSQL, t.gated, t.now))
	}
	if len(t.leading) > 0 {
		plain = append(plain, settlePlain(settleLeadingSQL, t.leading, t.now))
	}
	if len(t.full) > 0 {
		full = append(full, settleFull(t.full, t.now, 0, (*ending).written))
	}
	if len(t.followed) > 0 {
		full = append(full, settleFull(t.followed, t.now, 0, (*ending).written))
	}
	if f != nil && len(t.linked) > 0 {
		lock, found := f.round(t.linked)
		waits, look = lock, append(look, found)
		linked = append(linked, settleLinked(t.linked, t.now, (*ending).written))
	}
	return []part{
		{name: "wait rows of endings with effects, and of whom they are told", locks: rankWaits, stmts: waits},
		{name: "claims that are over", locks: rankEntries, stmts: closed},
		{name: "plain ends", locks: rankTasks, stmts: plain},
		{name: "full ends", locks: rankTasks, stmts: full},
		{name: "ends with effects", locks: rankTasks, stmts: linked},
		{name: "what stands there", stmts: look},
	}
}

const closeSQL = `delete from sendoff.claim where id = any($1)`

// second are the parts that come when it is known what stands there.
func (s *Store) second(t *turn, f *family, followers []*stmt) []part {
	var parts []part
	if f != nil {
		parts = f.parts()
	}
	if len(followers) > 0 {
		parts = append(parts, part{name: "followers", locks: rankNeeds, stmts: followers, free: "their needs are locked"})
	}
	return append(parts, part{name: "claims", locks: rankTasks, stmts: s.claimStmts(t), free: "it passes over entries that somebody has"})
}

func statements(parts []part) (stmts []*stmt) {
	for _, p := range parts {
		stmts = append(stmts, p.stmts...)
	}
	return stmts
}
