// Package pure uses much of the standard library in durable code, all of it
// deterministic.
package pure

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"text/template"

	"github.com/sendoff-dev/sendoff"
)

var (
	letter = template.Must(template.New("letter").Parse(`Dear {{.Name}}`))
	known  sync.Map
	once   sync.Once
	word   = regexp.MustCompile(`\w+`)
)

type person struct {
	Name string
	Tags map[string]string
}

var greet = sendoff.Func("greet", func(ctx context.Context, p person) (string, error) {
	var b strings.Builder
	if err := letter.Execute(&b, p); err != nil {
		return "", fmt.Errorf("letter: %w", err)
	}
	known.Store(p.Name, true)
	known.Range(func(_, _ any) bool { return true })
	once.Do(func() { slog.Info("first") })
	text, err := json.Marshal(p)
	if err != nil || !reflect.DeepEqual(p, person{}) && !word.Match(text) {
		return "", err
	}
	names := strings.Fields(b.String())
	slices.SortFunc(names, cmp.Compare[string])
	sendoff.Logger(ctx).InfoContext(ctx, "greeting", "name", p.Name, "run", sendoff.Info(ctx).ID)
	var failed *sendoff.CallError
	if err := sendoff.Sleep(ctx, 1); errors.As(err, &failed) {
		return failed.Message, nil
	}
	slog.InfoContext(ctx, "greeted")
	return fmt.Sprint(names, sendoff.Rand(ctx).IntN(3)), nil
})
