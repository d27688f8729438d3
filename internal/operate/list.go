package operate

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// Filter selects tasks for a listing. Queue, root, creation time and id are looked
// up; the rest is filtered while at most scanLimit tasks are looked at.
type Filter struct {
	Namespace                     int32 // 0 = that of whoever asks
	States                        []task.State
	Queue                         string
	Name                          string
	Function                      string
	Root                          string // id of the first function of a tree: the calls below it
	Labels                        map[string]string
	TargetHost                    string
	CreatedAfter, CreatedBefore   time.Time
	FinishedAfter, FinishedBefore time.Time
	Limit                         int    // 1 to 500; default 50
	Cursor                        string // of the page before
}

// Page is a part of a listing, newest first. Next is empty at the end. Partial
// tells that the page is not full because scanLimit was reached: go on at Next.
type Page struct {
	Items   []Task
	Next    string
	Partial bool
}

const (
	scanLimit = 10_000
	maxPage   = 500
)

// ErrBadCursor says that a cursor is not from a listing of ours.
var ErrBadCursor = errors.New("is not a cursor of this listing: pass next_cursor of the page before")

// ErrOtherJournal says that a cursor is of steps that are gone.
var ErrOtherJournal = errors.New("the function has begun a new journal since the page before: list its steps from the start")

// List returns a page of tasks. ErrBadCursor, ErrBusy, store.ErrNotFound for the
// root; an unknown queue has no tasks.
func (ts *Tasks) List(ctx context.Context, f Filter) (Page, error) {
	q, err := ts.query(ctx, &f)
	if err != nil || q.Lanes != nil && len(q.Lanes) == 0 {
		return Page{}, err
	}
	if f.filtersRows() || len(f.States) > 0 { // it may look at many rows for few
		done, err := ts.heavy.begin(ctx)
		if err != nil {
			return Page{}, err
		}
		defer done()
	}
	var page Page
	for looked := 0; ; {
		rows, next, err := ts.cfg.Store.List(ctx, q)
		if err == nil {
			err = ts.knowLanes(ctx, rows)
		}
		if err != nil {
			return Page{}, err
		}
		looked += max(len(rows), q.Limit)
		for _, row := range rows {
			t := view(row, ts.cfg.Lanes)
			if ts.cfg.Lanes.ByID(row.Lane).Namespace != f.Namespace || !f.matches(&t) {
				continue
			}
			page.Items = append(page.Items, t)
			if len(page.Items) == f.Limit {
				page.Next = cursorOf(row.ID)
				return page, nil
			}
		}
		if next.IsZero() {
			return page, nil
		}
		q.Before = next
		if looked >= scanLimit || len(rows) < q.Limit {
			page.Next, page.Partial = cursorOf(next), true
			return page, nil
		}
	}
}

func (ts *Tasks) query(ctx context.Context, f *Filter) (store.Query, error) {
	if f.Limit <= 0 {
		f.Limit = 50
	}
	f.Limit = min(f.Limit, maxPage)
	f.Namespace = cmp.Or(f.Namespace, space(ctx))
	q := store.Query{States: f.States, Limit: f.Limit, Scan: scanLimit}
	if f.filtersRows() {
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
	if f.Cursor != "" {
		b, err := base64.RawURLEncoding.DecodeString(f.Cursor)
		if err != nil || len(b) != len(q.Before) {
			return q, ErrBadCursor
		}
		q.Before = task.ID(b)
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

// lanesOf lists the lanes of a queue, as far as they are known; never nil.
func lanesOf(lanes func(match func(store.Lane) bool) []store.Lane, namespace int32, queue string) []int32 {
	ids := []int32{}
	for _, l := range lanes(func(l store.Lane) bool { return l.Namespace == namespace && l.Queue == queue }) {
		ids = append(ids, l.ID)
	}
	return ids
}

func cursorOf(id task.ID) string { return base64.RawURLEncoding.EncodeToString(id[:]) }

func (f *Filter) filtersRows() bool {
	return f.Name != "" || f.Function != "" || f.TargetHost != "" || len(f.Labels) > 0 || !f.FinishedAfter.IsZero() || !f.FinishedBefore.IsZero()
}

func (f *Filter) matches(t *Task) bool {
	switch {
	case f.Name != "" && f.Name != t.Spec.Name,
		f.Function != "" && f.Function != t.Spec.Function,
		f.TargetHost != "" && !strings.EqualFold(f.TargetHost, hostOf(t.Spec.URL)),
		!f.FinishedAfter.IsZero() && t.FinishedAt < f.FinishedAfter.UnixMicro(),
		!f.FinishedBefore.IsZero() && (t.FinishedAt == 0 || t.FinishedAt >= f.FinishedBefore.UnixMicro()):
		return false
	}
	for k, v := range f.Labels {
		if had, ok := t.Spec.Labels[k]; !ok || had != v {
			return false
		}
	}
	return true
}

// hostOf returns host or host:port, as it stands in the URL.
func hostOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	return u.Host
}
