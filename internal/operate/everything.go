package operate

import (
	"context"
	"fmt"

	"github.com/sendoff-dev/sendoff/store"
)

// Everything tells whether everything is paused in a namespace.
type Everything struct {
	Paused bool
	Since  int64 // in microseconds; 0 = it is not
}

// PauseAll pauses or resumes all queues of the namespace of whoever asks, from its return on
// and on all nodes: those as well that are made later. What a queue is by itself stays.
// Attempts under way go on. store.ErrOldNode while a node is alive that would not heed it.
func (qs *Queues) PauseAll(ctx context.Context, paused bool) (Everything, error) {
	if qs.cfg.Least != nil && paused {
		if least := qs.cfg.Least(); least < store.VersionPause {
			return Everything{}, fmt.Errorf("a pause of everything needs nodes of version %d, and there is one of version %d: %w", store.VersionPause, least, store.ErrOldNode)
		}
	}
	woken, err := qs.cfg.Store.PauseNamespace(ctx, space(ctx), paused)
	if err != nil {
		return Everything{}, err
	}
	err = qs.cfg.Catalog.Refresh(ctx)
	qs.cfg.Changed()
	if len(woken) > 0 {
		qs.cfg.Wake(woken)
	}
	return qs.Everything(ctx), err
}

// Everything tells whether everything is paused in the namespace of whoever asks, as of the
// last look, a second ago at most.
func (qs *Queues) Everything(ctx context.Context) Everything {
	since := qs.cfg.Catalog.PausedSince(space(ctx))
	return Everything{Paused: since != 0, Since: since}
}
