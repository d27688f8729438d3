package accept

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/store"
	"github.com/sendoff-dev/sendoff/task"
)

// after is a task with an id that depends on others.
func after(id string, others ...string) Submission {
	return push(func(s *Submission) { s.Spec.ClientID, s.Spec.DependsOn = id, others })
}

// prepared are submissions as the store gets them, by their client ids.
func (r *rig) prepared(t *testing.T, subs []Submission) (tasks []store.NewTask, names []string, err error) {
	_, tasks, of, err := r.prepareAll(t.Context(), r.cfg.Lane, subs, true)
	require.NoError(t, err)
	_, err = r.depend(t.Context(), subs, tasks, of)
	for _, i := range of {
		names = append(names, subs[i].Spec.ClientID)
	}
	return tasks, names, err
}

func TestWhatDependsOnOthersOfItsRequestComesAfterThem(t *testing.T) {
	r := newRig()
	tasks, names, err := r.prepared(t, []Submission{after("ship", "pack", "pay"), after("pack", "pay"), after("other"), after("pay")})
	require.NoError(t, err)
	require.Equal(t, []string{"other", "pay", "pack", "ship"}, names)
	require.Empty(t, tasks[0].Deps)
	require.Equal(t, []task.ID{tasks[1].ID}, tasks[2].Deps)
	require.Equal(t, []task.ID{tasks[2].ID, tasks[1].ID}, tasks[3].Deps)

	var chain []Submission
	for n := range task.MaxBatch {
		chain = append(chain, after(fmt.Sprint("c", n), fmt.Sprint("c", n+1)))
	}
	chain[len(chain)-1].Spec.DependsOn = nil
	_, names, err = r.prepared(t, chain)
	require.NoError(t, err)
	require.Equal(t, "c999", names[0])
	require.Equal(t, "c0", names[999])
}

func TestACircleIsRefused(t *testing.T) {
	_, _, err := newRig().prepared(t, []Submission{after("a"), after("b", "c"), after("c", "d"), after("d", "b"), after("e", "d")})
	require.ErrorContains(t, err, "tasks[1].depends_on: leads in a circle")
}

func TestADependencyIsFoundByAnyOfItsIds(t *testing.T) {
	known := task.ID{7}
	asked := 0
	r := newRig(func(c *Config) {
		c.Find = func(_ context.Context, id string) (task.ID, error) {
			asked++
			if id == "order-1" || id == "3564072954789201" {
				return known, nil
			}
			return task.ID{}, store.ErrNotFound
		}
	})
	stored, err := r.Accept(t.Context(), []Submission{push(func(*Submission) {})}, true)
	require.NoError(t, err)
	tasks, _, err := r.prepared(t, []Submission{after("a", "order-1", "3564072954789201", stored[0].ID.String()), after("b", "order-1")})
	require.NoError(t, err)
	require.Equal(t, []task.ID{known, known, stored[0].ID}, tasks[0].Deps)
	require.Equal(t, []task.ID{known}, tasks[1].Deps)
	require.Equal(t, 2, asked, "each name once, and our own ids not at all")

	gone := NewID()
	tasks, _, err = r.prepared(t, []Submission{after("c", gone.String(), "nobody")})
	require.NoError(t, err, "the store knows whether this is a request that was made before")
	require.Equal(t, gone, tasks[0].Deps[0])
	require.NotZero(t, tasks[0].Deps[1])
}

func TestALookUpHasABound(t *testing.T) {
	subs := make([]Submission, 11)
	for i := range subs {
		for n := range MaxDependencies {
			subs[i].Spec.DependsOn = append(subs[i].Spec.DependsOn, fmt.Sprint(i, " ", n))
		}
		subs[i].Spec.URL = "http://app.example/"
	}
	_, _, err := newRig().prepared(t, subs)
	require.ErrorContains(t, err, "names 11000 tasks")
	_, _, err = newRig().prepared(t, slices.Clone(subs[:10]))
	require.NoError(t, err)
}
