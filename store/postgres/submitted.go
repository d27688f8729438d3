package postgres

import (
	"context"
	"fmt"

	"github.com/sendoff-dev/sendoff/task"
)

// Submitted is a message that was handed in by sendoff.submit.
type Submitted struct {
	ID      task.ID // that its task gets
	Channel string
	Message string // JSON
}

const (
	submittedSQL = `
select id, channel, message from sendoff.submission where channel = any($1) order by id limit $2`
	forgetSubmittedSQL = `delete from sendoff.submission where id = any($1)`
)

// Submitted lists messages of some channels that were handed in, the oldest first. Others
// may see the same ones at the same time: a task that is stored twice under their ids is
// one task, so they are stored first and then forgotten.
func (s *Store) Submitted(ctx context.Context, channels []string, limit int) (all []Submitted, err error) {
	err = s.read(ctx, query(submittedSQL).texts(len(channels), func(i int) string { return channels[i] }).i8(int64(limit)).
		rows(func(r *wireRow) { all = append(all, Submitted{ID: r.id(), Channel: r.text(), Message: r.text()}) }))
	if err != nil {
		return nil, fmt.Errorf("read what was submitted: %w", err)
	}
	return all, nil
}

// ForgetSubmitted deletes messages of which tasks were made.
func (s *Store) ForgetSubmitted(ctx context.Context, ids []task.ID) error {
	if err := s.write(ctx, query(forgetSubmittedSQL).idList(ids)); err != nil {
		return fmt.Errorf("forget what was submitted: %w", err)
	}
	return nil
}
