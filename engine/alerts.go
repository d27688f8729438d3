package engine

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/sendoff-dev/sendoff/internal/accept"
	"github.com/sendoff-dev/sendoff/internal/alerts"
	"github.com/sendoff-dev/sendoff/internal/operate"
	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// Alerts says who is told that something is wrong: once when it begins, and once when it is
// over. What is told is a task of the queue AlertsQueue in the default namespace, so that it is
// on disk, signed, tried again and seen, as any push is. All engines over a database have the same.
//
//	queue_stuck     the oldest ready task of a queue that is not paused has waited for too long
//	schedule_late   a schedule is due, and nobody fires it
//	failures_new    tasks fail in a way that none has failed in before; over when none does for a while
type Alerts struct {
	URL    string        // that is told; "" = nobody is
	Waited time.Duration // of queue_stuck; default 5 min
	Late   time.Duration // of schedule_late; default 1 min
	Quiet  time.Duration // after which failures_new is over; default 30 min
	Every  time.Duration // how often is looked; default 10 s
}

// AlertsQueue is the queue of what is told of incidents. Nothing is told about itself.
const AlertsQueue = "sendoff-alerts"

// The alerts.
const (
	queueStuck   = "queue_stuck"
	scheduleLate = "schedule_late"
	failuresNew  = "failures_new"
)

const (
	newFor       = 10 * time.Minute    // a group of failures that is older when it is first seen is none to tell of
	alertsKept   = 30 * 24 * time.Hour // what was said last is looked up in what was said
	alertsLooked = 1000                // of it, the newest
	alertsMost   = 100                 // incidents that are told at a time
)

// check refuses an address that could not be told.
func (a *Alerts) check(allowed func(*url.URL) error) error {
	if a.URL == "" {
		return nil
	}
	u, err := url.Parse(a.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("alerts: %q: want a URL such as https://hooks.example/sendoff", a.URL)
	}
	if err := allowed(u); err != nil {
		return fmt.Errorf("alerts: %s: %w", u.Redacted(), err)
	}
	return nil
}

// alerter watches for this engine.
type alerter struct {
	e   *Engine
	cfg Alerts
}

func (e *Engine) watchAlerts(ctx context.Context) error {
	a := alerter{e, e.cfg.Alerts}
	if a.cfg.URL == "" {
		return nil
	}
	a.cfg.Waited, a.cfg.Late, a.cfg.Quiet = cmp.Or(a.cfg.Waited, 5*time.Minute), cmp.Or(a.cfg.Late, time.Minute), cmp.Or(a.cfg.Quiet, 30*time.Minute)
	return alerts.New(alerts.Config{Look: a.look, Said: a.said, Say: a.say, Every: a.cfg.Every, Log: e.cfg.Log}).Run(ctx)
}

// look finds what is wrong now.
func (a alerter) look(ctx context.Context, fires func(alerts.Subject) bool) ([]alerts.Incident, error) {
	names, err := a.namespaces(ctx)
	if err != nil {
		return nil, err
	}
	var found []alerts.Incident
	for _, look := range []func(context.Context, map[int32]string, func(alerts.Subject) bool) ([]alerts.Incident, error){a.stuck, a.late, a.failing} {
		some, err := look(ctx, names, fires)
		if err != nil {
			return nil, err
		}
		found = append(found, some[:min(len(some), alertsMost)]...)
	}
	return found, nil
}

func (a alerter) namespaces(ctx context.Context) (map[int32]string, error) {
	all, err := a.e.store.Namespaces(ctx)
	names := map[int32]string{store.DefaultNamespace: store.DefaultNamespaceName}
	for _, n := range all {
		names[n.ID] = n.Name
	}
	return names, err
}

// stuck are the queues whose oldest ready task has waited for too long. Who has paused one
// knows why.
func (a alerter) stuck(ctx context.Context, names map[int32]string, _ func(alerts.Subject) bool) ([]alerts.Incident, error) {
	lanes, err := a.e.queues.Depths(ctx)
	if err != nil {
		return nil, err
	}
	type waiting struct{ oldest, ready, running int64 }
	queues := map[alerts.Subject]*waiting{}
	for i := range lanes {
		l := a.e.catalog.ByID(lanes[i].Lane)
		if l.Queue == "" || l.Paused || l.Queue == AlertsQueue || a.e.catalog.PausedSince(l.Namespace) != 0 {
			continue // or is so new that this node does not know it
		}
		s := alerts.Subject{Alert: queueStuck, Namespace: names[l.Namespace], Name: l.Queue}
		w := queues[s]
		if w == nil {
			w = &waiting{}
			queues[s] = w
		}
		w.ready, w.running = w.ready+lanes[i].Ready, w.running+lanes[i].Running
		if at := lanes[i].OldestReady; at != 0 && (w.oldest == 0 || at < w.oldest) {
			w.oldest = at
		}
	}
	var found []alerts.Incident
	for s, w := range queues {
		waited := time.Duration(a.e.store.Now()-w.oldest) * time.Microsecond
		if w.oldest == 0 || waited < a.cfg.Waited {
			continue
		}
		found = append(found, alerts.Incident{Subject: s, Since: timeOf(w.oldest), Text: fmt.Sprintf(
			"Queue %s: the oldest ready task has waited for %s. %d are ready, %d run.", s.Name, waited.Round(time.Second), w.ready, w.running)})
	}
	return found, nil
}

// late are the schedules that are due, and were for too long.
func (a alerter) late(ctx context.Context, names map[int32]string, _ func(alerts.Subject) bool) ([]alerts.Incident, error) {
	due, _, err := a.e.store.DueSchedules(ctx, alertsMost)
	if err != nil {
		return nil, err
	}
	var found []alerts.Incident
	for i := range due {
		d := &due[i]
		by := time.Duration(a.e.store.Now()-d.NextAt) * time.Microsecond
		if by < a.cfg.Late || a.e.catalog.PausedSince(d.Namespace) != 0 {
			continue
		}
		found = append(found, alerts.Incident{
			Subject: alerts.Subject{Alert: scheduleLate, Namespace: names[d.Namespace], Name: d.Name}, Since: timeOf(d.NextAt),
			Text: fmt.Sprintf("Schedule %s is late by %s: is there a node with the role schedule?", d.Name, by.Round(time.Second)),
		})
	}
	return found, nil
}

// failing are the groups of failures that are new, or were when it was said, and go on.
func (a alerter) failing(ctx context.Context, names map[int32]string, fires func(alerts.Subject) bool) ([]alerts.Incident, error) {
	var found []alerts.Incident
	now := a.e.store.Now()
	for id, name := range names {
		groups, err := a.e.store.ListFailures(ctx, id, store.FailureMark{}, alertsMost)
		if err != nil {
			return nil, err
		}
		for i := range groups {
			g := &groups[i]
			s := alerts.Subject{Alert: failuresNew, Namespace: name, Name: operate.FailureID(g.Print)}
			isNew := g.FirstAt > now-newFor.Microseconds()
			if g.Queue == AlertsQueue || g.MutedUntil > now || g.LastAt < now-a.cfg.Quiet.Microseconds() || !isNew && !fires(s) {
				continue
			}
			found = append(found, alerts.Incident{Subject: s, Since: timeOf(g.FirstAt), Text: fmt.Sprintf(
				"Queue %s: tasks for %s fail with %s: %s (%d so far, the last one is %s)", g.Queue, g.Target, g.Code, g.Text, g.Count, g.Sample)})
		}
	}
	return found, nil
}

// The labels of what was said.
const (
	labelAlert     = "alert"
	labelNamespace = "namespace"
	labelSubject   = "subject"
	labelState     = "state"
	labelSince     = "since" // microseconds
)

// said finds what was said last of each subject: the newest task of its.
func (a alerter) said(ctx context.Context) (map[alerts.Subject]alerts.Said, error) {
	said := map[alerts.Subject]alerts.Said{}
	var lanes []int32
	for _, l := range a.e.catalog.Lanes(func(l store.Lane) bool { return l.Namespace == store.DefaultNamespace && l.Queue == AlertsQueue }) {
		lanes = append(lanes, l.ID)
	}
	if len(lanes) == 0 {
		return said, nil
	}
	rows, _, err := a.e.store.List(ctx, store.Query{Lanes: lanes, Limit: alertsLooked})
	if err != nil {
		return nil, err
	}
	for i := range rows {
		spec, err := task.DecodeSpec(rows[i].Spec)
		if err != nil || spec.Labels[labelAlert] == "" {
			continue // somebody else's
		}
		s := alerts.Subject{Alert: spec.Labels[labelAlert], Namespace: spec.Labels[labelNamespace], Name: spec.Labels[labelSubject]}
		if _, newer := said[s]; newer {
			continue
		}
		since, _ := strconv.ParseInt(spec.Labels[labelSince], 10, 64)
		said[s] = alerts.Said{ID: rows[i].ID, Over: spec.Labels[labelState] == "resolved", Since: timeOf(since)}
	}
	return said, nil
}

// Alert is the payload of what is told. Text is there for receivers that show it as it is,
// such as incoming webhooks of chats.
type alert struct {
	Text      string    `json:"text"`
	Alert     string    `json:"alert"`
	State     string    `json:"state"`    // firing, resolved
	Incident  string    `json:"incident"` // the same for both
	Namespace string    `json:"namespace"`
	Subject   string    `json:"subject"` // the queue, the schedule, the id of the group of failures
	Since     time.Time `json:"since"`
	At        time.Time `json:"at"`
	Node      string    `json:"node"`
}

// say makes the task that tells of an incident. Of several nodes that say the same one does.
func (a alerter) say(ctx context.Context, i alerts.Incident, over bool, last alerts.Said) error {
	p := alert{
		Alert: i.Alert, State: "firing", Namespace: i.Namespace, Subject: i.Name, Since: i.Since.UTC(), At: timeOf(a.e.store.Now()).UTC(), Node: a.e.cfg.Name,
		Text: i.Text,
	}
	id := accept.NewID()
	p.Incident = id.String()
	if over {
		p.State, p.Incident = "resolved", last.ID.String()
		p.Text = fmt.Sprintf("Over: %s of %s, since %s.", i.Alert, i.Name, p.Since.Format(time.RFC3339))
	}
	payload, err := json.Marshal(p)
	if err != nil {
		return err
	}
	results, err := a.e.acceptor.AcceptOwn(ctx, []accept.Submission{{
		ID: id, Namespace: store.DefaultNamespace, Queue: AlertsQueue, Payload: payload,
		Own: store.HashOf([]byte("alert"), []byte(i.Alert), []byte(i.Namespace), []byte(i.Name), []byte(p.State), last.ID[:]),
		Spec: task.Spec{
			URL: a.cfg.URL, Name: i.Alert + " " + p.State, ContentType: "application/json",
			Retention: task.Retention{Succeeded: alertsKept, Failed: alertsKept, Canceled: alertsKept},
			Labels: map[string]string{
				labelAlert: i.Alert, labelNamespace: i.Namespace, labelSubject: i.Name, labelState: p.State, labelSince: strconv.FormatInt(i.Since.UnixMicro(), 10),
			},
		},
	}})
	if err != nil {
		return err
	}
	if bad, invalid := errors.AsType[task.Invalid](results[0].Err); invalid {
		return bad
	}
	if results[0].Status == store.Created {
		a.e.cfg.Log.Warn("alert", "state", p.State, "alert", i.Alert, "namespace", i.Namespace, "subject", i.Name, "task_id", id)
	}
	return nil
}
