package postgres_test

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sendoff-dev/sendoff/internal/testkit"
	"github.com/sendoff-dev/sendoff/store/postgres"
)

// locks finds what a statement locks, by the number of the lock in DESIGN.md.
var locks = []*regexp.Regexp{
	2: regexp.MustCompile(`(?s)(insert into|update|delete from) sendoff\.wait\b|from sendoff\.wait\b[^()]*for update`),
	3: regexp.MustCompile(`(?s)delete from sendoff\.(ready|timer|claim)\b|from sendoff\.(ready|timer|claim)\b[^()]*for update`),
	4: regexp.MustCompile(`(?s)(update|delete from) sendoff\.task\b|from sendoff\.task\b[^()]*for (update|share)`),
	5: regexp.MustCompile(`(?s)update sendoff\.need\b|from sendoff\.need\b[^()]*for update`),
}

// TestATurnLocksInOrder: transactions that lock in different orders deadlock under load
// only, and are repeated then, which hides it.
func TestATurnLocksInOrder(t *testing.T) {
	t.Parallel()
	f := newFixture(t, testkit.Postgres(t), postgres.Options{})
	first, second := f.s.Parts(f.lane)
	require.Len(t, first, 6)
	require.Len(t, second, 9)
	highest := 0
	for _, p := range append(first, second...) {
		require.NotEmpty(t, p.SQL, "%s: the turn of this test has each part", p.Name)
		lowest, most := 0, 0
		for _, sql := range p.SQL {
			for rank, pattern := range locks {
				if pattern == nil || !pattern.MatchString(sql) {
					continue
				}
				if most = max(most, rank); lowest == 0 || rank < lowest {
					lowest = rank
				}
			}
		}
		require.Equal(t, most, p.Locks, "%s locks something else than it says:\n%s", p.Name, p.SQL)
		if lowest != 0 && lowest < highest {
			require.NotEmpty(t, p.Free, "%s comes after what is later in the order, and does not say why it waits for nobody", p.Name)
		}
		highest = max(highest, most)
	}
}
