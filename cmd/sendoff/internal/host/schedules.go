package host

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"go.yaml.in/yaml/v3"

	"github.com/sendoff-dev/sendoff/engine"
)

// declare has the engine know the schedules of the configuration file: a map from their
// names to what PUT /v1/schedules/{name} takes. A file without such a section declares none,
// and what an earlier one has declared is gone unless it was edited; without a file
// everything stays.
func (s *Settings) declare(ctx context.Context, e *engine.Engine) error {
	if s.Config == "" {
		return nil
	}
	text, err := os.ReadFile(s.Config)
	if err != nil {
		return fmt.Errorf("--config: %w", err)
	}
	var file struct {
		Schedules map[string]any `yaml:"schedules"`
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		return fmt.Errorf("%s: %w", s.Config, err)
	}
	declared := map[string]json.RawMessage{}
	for name, value := range file.Schedules {
		if declared[name], err = json.Marshal(value); err != nil {
			return fmt.Errorf("%s: schedules: %s: %w", s.Config, name, err)
		}
	}
	if err := e.Schedules().Declare(ctx, declared); err != nil {
		return fmt.Errorf("%s: %w", s.Config, err)
	}
	return nil
}
