package doctor

import (
	"context"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/sendoff-dev/sendoff/store"
)

// schema compares the tables with what this program knows.
func (p *patient) schema(ctx context.Context, known fs.FS, query, fix string) (finding, error) {
	have, err := p.number(ctx, query)
	if err != nil {
		return finding{}, err
	}
	names, err := fs.Glob(known, "*.sql")
	if err != nil || len(names) == 0 {
		return finding{}, fmt.Errorf("list the migrations: %w", err)
	}
	digits, _, _ := strings.Cut(names[len(names)-1], "_")
	want, err := strconv.ParseInt(digits, 10, 64)
	switch {
	case err != nil:
		return finding{}, err
	case have < want:
		return finding{status: Fail, detail: fmt.Sprintf("the tables are at version %d, and this program is at %d", have, want), fix: fix}, nil
	case have > want:
		return finding{status: Fail, detail: fmt.Sprintf("the tables are at version %d, and this program knows %d", have, want), fix: "use a newer sendoff"}, nil
	}
	return fine("version %d", have), nil
}

// expect compares a setting with what it has to be.
func (p *patient) expect(ctx context.Context, query, name, want string, otherwise store.CheckStatus, fix string) (finding, error) {
	got, err := p.ask(ctx, query)
	switch {
	case err != nil:
		return finding{}, err
	case !strings.EqualFold(got, want):
		return finding{status: otherwise, detail: fmt.Sprintf("%s is %s, and not %s", name, got, want), fix: fix}, nil
	}
	return fine("%s is %s", name, got), nil
}
