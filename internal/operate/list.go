package operate

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// Page is a part of a listing. Next is empty at the end. Partial tells that the page is
// not full because scanLimit was reached: go on at Next.
type Page struct {
	Items     []Task
	Next      string
	Partial   bool
	ScannedTo time.Time // when Partial is set: the creation, or what is sorted by, of the last task that was looked at
	Indexed   []string  // the parameters that were looked up; the rest was tested
	Count     *Count    // when it was asked for
}

// Count is how many tasks a filter selects. When it is not Exact, there are that many at
// least.
type Count struct {
	Value int
	Exact bool
}

const (
	scanLimit = 10_000
	maxPage   = 500
)

// ErrBadCursor says that a cursor is not from a listing of ours.
var ErrBadCursor = errors.New("is not a cursor of this listing: pass next_cursor of the page before")

// ErrOtherFilter says that a cursor is of another listing.
var ErrOtherFilter = fmt.Errorf("%w; this one is of another filter or sort", ErrBadCursor)

// ErrOtherJournal says that a cursor is of steps that are gone.
var ErrOtherJournal = errors.New("the function has begun a new journal since the page before: list its steps from the start")

// List returns a page of tasks. ErrBadCursor, ErrBusy, store.ErrNotFound for the
// root; an unknown queue has no tasks.
func (ts *Tasks) List(ctx context.Context, f Filter) (Page, error) {
	w, err := ts.walk(ctx, &f)
	if err != nil {
		return Page{}, err
	}
	if f.filtersRows() || len(f.States) > 0 || f.Count { // it may look at many rows for few
		done, err := ts.heavy.begin(ctx)
		if err != nil {
			return Page{}, err
		}
		defer done()
	}
	page := Page{Indexed: w.indexed}
	if f.Count {
		if page.Count, err = ts.count(ctx, f); err != nil {
			return Page{}, err
		}
	}
	err = w.each(ctx, func(t Task, at store.Mark) bool {
		if page.Items = append(page.Items, t); len(page.Items) < f.Limit {
			return true
		}
		page.Next = f.cursorOf(at)
		return false
	})
	if err == nil && page.Next == "" && !w.over {
		page.Next, page.Partial, page.ScannedTo = f.cursorOf(w.at), true, w.scannedTo()
	}
	return page, err
}

// count counts what a filter selects, from its beginning.
func (ts *Tasks) count(ctx context.Context, f Filter) (*Count, error) {
	f.Cursor, f.Limit = "", maxPage
	w, err := ts.walk(ctx, &f)
	if err != nil {
		return nil, err
	}
	n := 0
	err = w.each(ctx, func(Task, store.Mark) bool { n++; return n < scanLimit })
	return &Count{n, w.over}, err
}

// walk goes through tasks in the order of a listing.
type walk struct {
	ts      *Tasks
	f       *Filter
	q       store.Query
	by      store.Order
	at      store.Mark // of the last task that was looked at
	looked  int
	over    bool // there are no more
	none    bool
	parent  task.ID
	indexed []string
}

func (ts *Tasks) walk(ctx context.Context, f *Filter) (*walk, error) {
	w := &walk{ts: ts, f: f, by: orders[f.Sort].by}
	var err error
	if w.q, err = ts.query(ctx, f); err != nil {
		return nil, err
	}
	if err = w.related(ctx); err != nil {
		return nil, err
	}
	w.none = w.q.Lanes != nil && len(w.q.Lanes) == 0
	if w.by != store.ByCreation && w.q.Lanes == nil {
		w.q.Lanes = lanesOf(ts.cfg.Lanes.Lanes, f.Namespace, "")
	}
	if f.Cursor != "" {
		if w.at, err = f.markOf(f.Cursor); err != nil {
			return nil, err
		}
		if w.by == store.ByCreation {
			w.q.Before = w.at.ID
		}
	}
	for name, is := range map[string]bool{
		"queue": f.Queue != "", "state": len(f.States) == 1 && f.States[0] != task.Succeeded && f.States[0] != task.Canceled && (f.States[0] != task.Running || w.by == store.ByStart),
		"root_id": f.Root != "", "parent_id": f.Parent != "", "created_after": !f.CreatedAfter.IsZero(), "created_before": !f.CreatedBefore.IsZero(),
		"sort": w.by != store.ByCreation,
	} {
		if is {
			w.indexed = append(w.indexed, name)
		}
	}
	slices.Sort(w.indexed)
	return w, nil
}

// related looks up whose calls are listed.
func (w *walk) related(ctx context.Context) error {
	if w.f.Parent == "" {
		return nil
	}
	parent, err := w.ts.Get(ctx, w.f.Parent)
	if err != nil {
		return err
	}
	w.parent = parent.ID
	if w.q.Root.IsZero() {
		if w.q.Root = parent.Root; parent.Root.IsZero() {
			w.q.Root = parent.ID
		}
	}
	return nil
}

// each calls do for the tasks that are selected until it returns false, scanLimit is
// reached or there are no more.
func (w *walk) each(ctx context.Context, do func(Task, store.Mark) bool) error {
	for !w.over && w.looked < scanLimit {
		if w.none {
			w.over = true
			return nil
		}
		rows, marks, err := w.next(ctx)
		if err == nil {
			err = w.ts.knowLanes(ctx, rows)
		}
		if err != nil {
			return err
		}
		for i, row := range rows {
			t := view(row, w.ts.cfg.Lanes)
			if w.selects(&t) && !do(t, marks[i]) {
				w.over = w.over && i == len(rows)-1
				return nil
			}
		}
	}
	return nil
}

func (w *walk) selects(t *Task) bool {
	return w.ts.cfg.Lanes.ByID(t.Lane).Namespace == w.f.Namespace && (w.parent.IsZero() || t.Parent == w.parent) &&
		(w.q.Root.IsZero() || t.Root == w.q.Root) && w.f.matches(t)
}

// next reads the next rows, each with its place in the order.
func (w *walk) next(ctx context.Context) ([]store.Row, []store.Mark, error) {
	if w.by != store.ByCreation {
		return w.nextBy(ctx)
	}
	rows, next, err := w.ts.cfg.Store.List(ctx, w.q)
	marks := make([]store.Mark, len(rows))
	for i := range rows {
		marks[i].ID = rows[i].ID
	}
	w.over = next.IsZero()
	if w.looked += max(len(rows), w.q.Limit); len(rows) < w.q.Limit {
		w.looked = scanLimit // the store has looked at as many
	}
	w.at.ID, w.q.Before = next, next
	return rows, marks, err
}

func (w *walk) nextBy(ctx context.Context) ([]store.Row, []store.Mark, error) {
	marks, err := w.ts.cfg.Store.ListBy(ctx, w.by, w.q.Lanes, w.at, w.q.Limit)
	if err != nil {
		return nil, nil, err
	}
	w.looked += w.q.Limit
	w.over = len(marks) < w.q.Limit
	if len(marks) > 0 {
		w.at = marks[len(marks)-1]
	}
	ids := make([]task.ID, len(marks))
	at := make(map[task.ID]store.Mark, len(marks))
	for i, m := range marks {
		ids[i], at[m.ID] = m.ID, m
	}
	rows, err := w.ts.cfg.Store.Rows(ctx, ids)
	slices.SortFunc(rows, func(a, b store.Row) int { return w.by.Compare(at[a.ID], at[b.ID]) })
	for i := range rows {
		marks[i] = at[rows[i].ID]
	}
	return rows, marks[:len(rows)], err
}

func (w *walk) scannedTo() time.Time {
	if w.by == store.ByCreation {
		return w.at.ID.Time()
	}
	return w.by.Time(w.at)
}

func (ts *Tasks) query(ctx context.Context, f *Filter) (store.Query, error) {
	if f.Limit <= 0 {
		f.Limit = 50
	}
	f.Limit = min(f.Limit, maxPage)
	f.Namespace = cmp.Or(f.Namespace, space(ctx))
	q := store.Query{States: f.States, Limit: f.Limit, Scan: scanLimit}
	if f.filtersRows() || f.Count {
		q.Limit = maxPage
	}
	if f.Root != "" {
		root, err := ts.Resolve(ctx, f.Root)
		if err != nil {
			return q, err
		}
		q.Root = root
	}
	if f.Queue != "" {
		if q.Lanes = lanesOf(ts.cfg.Lanes.Lanes, f.Namespace, f.Queue); len(q.Lanes) == 0 { // another node may know it
			if err := ts.cfg.Lanes.Refresh(ctx); err != nil {
				return q, err
			}
			q.Lanes = lanesOf(ts.cfg.Lanes.Lanes, f.Namespace, f.Queue)
		}
	}
	if !f.CreatedAfter.IsZero() {
		q.From = task.FloorID(f.CreatedAfter)
	}
	if !f.CreatedBefore.IsZero() {
		q.Before = task.FloorID(f.CreatedBefore)
	}
	return q, nil
}

// knowLanes reads the lanes anew when another node has just made one of those of
// the rows: its namespace says who may see them.
func (ts *Tasks) knowLanes(ctx context.Context, rows []store.Row) error {
	if slices.ContainsFunc(rows, func(r store.Row) bool { return ts.cfg.Lanes.ByID(r.Lane).ID == 0 }) {
		return ts.cfg.Lanes.Refresh(ctx)
	}
	return nil
}

// lanesOf lists the lanes of a queue, or of all when it is "", as far as they are known; never nil.
func lanesOf(lanes func(match func(store.Lane) bool) []store.Lane, namespace int32, queue string) []int32 {
	ids := []int32{}
	for _, l := range lanes(func(l store.Lane) bool { return l.Namespace == namespace && (queue == "" || l.Queue == queue) }) {
		ids = append(ids, l.ID)
	}
	return ids
}

// cursorOf is where a listing goes on. It holds for this filter alone.
func (f *Filter) cursorOf(m store.Mark) string {
	b := binary.BigEndian.AppendUint64(f.print(), uint64(m.At))
	return base64.RawURLEncoding.EncodeToString(append(b, m.ID[:]...))
}

func (f *Filter) markOf(cursor string) (m store.Mark, err error) {
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(b) != 4+8+len(m.ID) {
		return m, ErrBadCursor
	}
	if !bytes.Equal(b[:4], f.print()) {
		return m, ErrOtherFilter
	}
	m.At, m.ID = int64(binary.BigEndian.Uint64(b[4:])), task.ID(b[12:])
	return m, nil
}

// print tells filters apart.
func (f *Filter) print() []byte {
	same := *f
	same.Limit, same.Cursor, same.Count = 0, "", false
	for _, at := range []*time.Time{&same.CreatedAfter, &same.CreatedBefore, &same.StartedAfter, &same.StartedBefore, &same.FinishedAfter, &same.FinishedBefore} {
		*at = at.Round(0).UTC()
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%v", same))
	return sum[:4]
}
