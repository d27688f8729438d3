//go:build linux

package chaos_test

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/google/uuid"
	_ "modernc.org/sqlite"
)

// The stand-in is the smallest server that keeps the promises the harness
// checks: durable acknowledgement, idempotency keys, fenced settling, recovery.
// Its purpose is to break them, one at a time: STANDIN_BUG plants a mistake, and
// the harness has to find it.
const (
	bugAckEarly    = "ack-early"    // acknowledges before the commit
	bugForgetKey   = "forget-key"   // ignores Idempotency-Key
	bugSettleEarly = "settle-early" // succeeded before it is delivered
	bugTwice       = "twice"        // delivers some tasks a second time
	bugFail        = "fail"         // gives up after one attempt
	bugOldToken    = "old-token"    // a rescued task keeps its token
	bugHalfBatch   = "half-batch"   // commits a batch task by task
	bugTwoOpen     = "two-open"     // ignores unique keys
	bugWrongTask   = "wrong-task"   // takes some submissions for repeated ones
)

type standin struct {
	db    *sql.DB
	bug   string
	wake  chan struct{}
	count atomic.Int64
	wg    sync.WaitGroup
}

func beStandin(args []string) error {
	flags := flag.NewFlagSet("standin", flag.ContinueOnError)
	file, listen := flags.String("db", "", ""), flags.String("listen", "", "")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	s := &standin{bug: os.Getenv("STANDIN_BUG"), wake: make(chan struct{}, 1)}
	if err := s.open(*file); err != nil {
		return err
	}
	defer s.db.Close()
	l, err := net.Listen("tcp", *listen)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	server := &http.Server{Handler: s.routes()}
	defer context.AfterFunc(ctx, func() { server.Close() })()
	s.wg.Go(func() { s.dispatch(ctx) })
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	s.wg.Wait()
	return nil
}

func (s *standin) open(file string) (err error) {
	sync := "FULL"
	if os.Getenv("SENDOFF_CHAOS") == "1" {
		sync = cmp.Or(os.Getenv("SENDOFF_UNSAFE_SYNCHRONOUS"), sync)
	}
	dsn := fmt.Sprintf("%s?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(%s)&_txlock=immediate", file, sync)
	if s.db, err = sql.Open("sqlite", dsn); err != nil {
		return err
	}
	s.db.SetMaxOpenConns(1)
	if _, err = s.db.Exec(`create table if not exists answer (key text primary key, task text);
		create table if not exists task (seq integer primary key, id text unique,
		name text, url text, state text, token integer default 0, due integer, uniq text)`); err != nil {
		return err
	}
	rescue := `update task set state = 'ready' where state = 'running'`
	if s.bug == bugOldToken {
		rescue = `update task set state = 'ready', token = token - 1 where state = 'running'`
	}
	_, err = s.db.Exec(rescue)
	return err
}

func (s *standin) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/tasks", s.submit)
	mux.HandleFunc("POST /v1/tasks/batch", s.submitBatch)
	mux.HandleFunc("GET /v1/tasks", s.list)
	ok := func(http.ResponseWriter, *http.Request) {}
	mux.HandleFunc("GET /livez", ok)
	mux.HandleFunc("GET /readyz", ok)
	return mux
}

type standinTask struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	State string `json:"state"`
	seq   int64
	token int64
	url   string
}

// offer is a task as it is submitted.
type offer struct {
	URL, Name, Delay string
	Unique           struct{ Key string }
}

func (s *standin) submit(w http.ResponseWriter, r *http.Request) {
	var in offer
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	key := r.Header.Get("Idempotency-Key")
	id := uuid.Must(uuid.NewV7()).String()
	if s.bug == bugForgetKey {
		key = id
	}
	if s.bug == bugWrongTask && s.count.Add(1)%50 == 0 {
		key = "k000000"
	}
	store := func() error {
		return s.inTx(func(db rower) (err error) {
			id, err = s.insert(db, id, key, &in)
			return err
		})
	}
	if s.bug == bugAckEarly {
		time.AfterFunc(30*time.Millisecond, func() { store() })
	} else if err := store(); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	s.answer(w, map[string]string{"id": id, "state": "ready", "name": in.Name})
}

func (s *standin) answer(w http.ResponseWriter, answer any) {
	w.WriteHeader(http.StatusCreated)
	json.NewEncoder(w).Encode(answer)
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// submitBatch stores all tasks or none.
func (s *standin) submitBatch(w http.ResponseWriter, r *http.Request) {
	var in struct{ Tasks []offer }
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	type item struct {
		Task map[string]string `json:"task"`
	}
	var items []item
	err := s.inTx(func(db rower) error {
		for n := range in.Tasks {
			if s.bug == bugHalfBatch {
				db = s.db
				time.Sleep(150 * time.Millisecond) // long enough to be killed in
			}
			id, err := s.insert(db, uuid.Must(uuid.NewV7()).String(), fmt.Sprintf("%s#%d", r.Header.Get("Idempotency-Key"), n), &in.Tasks[n])
			if err != nil {
				return err
			}
			items = append(items, item{map[string]string{"id": id}})
		}
		return nil
	})
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	s.answer(w, map[string]any{"items": items})
}

// rower is a database or a transaction.
type rower interface {
	QueryRow(query string, args ...any) *sql.Row
}

func (s *standin) inTx(do func(rower) error) error {
	if s.bug == bugHalfBatch {
		return do(s.db)
	}
	tx, err := s.db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := do(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// insert returns the id of the task, or of the one that has its key, and
// remembers the answer.
func (s *standin) insert(db rower, id, key string, in *offer) (string, error) {
	delay, _ := time.ParseDuration(in.Delay)
	unique := in.Unique.Key
	if s.bug == bugTwoOpen || unique == "" {
		unique = id
	}
	err := db.QueryRow(`select task from answer where key = ?1 union all
		select id from task where uniq = ?2 and state not in ('succeeded', 'failed') limit 1`, key, unique).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		err = db.QueryRow(`insert into task (id, name, url, state, due, uniq) values (?, ?, ?, 'ready', ?, ?) returning id`,
			id, in.Name, in.URL, time.Now().Add(delay).UnixMilli(), unique).Scan(&id)
	}
	if err == nil {
		err = db.QueryRow(`insert into answer (key, task) values (?1, ?2) on conflict do update set key = key returning task`, key, id).Scan(&id)
	}
	return id, err
}

func (s *standin) list(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	limit, _ := strconv.Atoi(q.Get("limit"))
	after, _ := strconv.ParseInt(q.Get("cursor"), 10, 64)
	state := cmp.Or(q.Get("state"), "%")
	page, err := s.query(`select seq, id, name, state, token, url from task where seq > ? and state like ? order by seq limit ?`, after, state, limit)
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	out := map[string]any{"items": page}
	if len(page) == limit {
		out["next_cursor"] = fmt.Sprint(page[limit-1].seq)
	}
	json.NewEncoder(w).Encode(out)
}

func (s *standin) query(text string, args ...any) ([]standinTask, error) {
	rows, err := s.db.Query(text, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var tasks []standinTask
	for rows.Next() {
		var t standinTask
		if err := rows.Scan(&t.seq, &t.ID, &t.Name, &t.State, &t.token, &t.url); err != nil {
			return nil, err
		}
		tasks = append(tasks, t)
	}
	return tasks, rows.Err()
}

func (s *standin) dispatch(ctx context.Context) {
	slots := make(chan struct{}, 32)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-s.wake:
		}
		state := "running"
		if s.bug == bugSettleEarly {
			state = "succeeded"
		}
		claimed, _ := s.query(`update task set state = ?, token = token + 1 where seq in
			(select seq from task where state = 'ready' and due <= ? limit ?) returning seq, id, name, state, token, url`,
			state, time.Now().UnixMilli(), cap(slots)-len(slots))
		for _, t := range claimed {
			slots <- struct{}{}
			s.wg.Go(func() {
				defer func() { <-slots }()
				s.deliver(t)
			})
		}
	}
}

func (s *standin) deliver(t standinTask) {
	ok := s.push(t)
	if s.bug == bugTwice && s.count.Add(1)%100 == 0 {
		t.token++
		s.push(t)
		t.token--
	}
	state, due := "succeeded", time.Now().Add(100*time.Millisecond).UnixMilli()
	if !ok {
		state = "ready"
		if s.bug == bugFail {
			state = "failed"
		}
	}
	s.db.Exec(`update task set state = ?, due = ? where seq = ? and token = ? and state = 'running'`, state, due, t.seq, t.token)
}

func (s *standin) push(t standinTask) bool {
	req, err := http.NewRequest(http.MethodPost, t.url, bytes.NewReader(nil))
	if err != nil {
		return false
	}
	req.Header.Set("Sendoff-Task-Id", t.ID)
	req.Header.Set("Sendoff-Attempt", fmt.Sprint(t.token))
	req.Header.Set("Sendoff-Token", fmt.Sprint(t.token))
	res, err := client.Do(req)
	if err != nil {
		return false
	}
	defer res.Body.Close()
	return res.StatusCode < 300
}
