package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/sendoff-dev/sendoff/internal/spelling"
)

// settingsFile is a file of settings as it is read: values by the names of flags.
type settingsFile struct {
	path  string
	known []string // names of flags
	value map[string]string
}

// readFile reads a YAML file of flag names, with - or _, and values. The part of a
// name before a - may be a map with the rest: push: {slots: 1} is push-slots: 1.
func readFile(path string, known []string) (map[string]string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("--config: %w", err)
	}
	var raw map[string]any
	d := yaml.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(&raw); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if err := d.Decode(new(any)); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: has a second document: want one, without ---", path)
	}
	if _, theirs := raw["brokers"]; theirs {
		return nil, fmt.Errorf("%s: is a configuration of dispatcherd: serve it with sendoff dispatcherd --config %s", path, path)
	}
	delete(raw, "schedules") // which host reads
	f := &settingsFile{path: path, known: slices.Sorted(slices.Values(known)), value: map[string]string{}}
	return f.value, f.section("", "", raw)
}

// section takes the settings of a map. prefix is that of the flags' names, at
// where the map stands in the file.
func (f *settingsFile) section(prefix, at string, raw map[string]any) error {
	for _, key := range slices.Sorted(maps.Keys(raw)) {
		name, here := prefix+strings.ReplaceAll(key, "_", "-"), at+key
		below := func(flag string) bool { return strings.HasPrefix(flag, name+"-") }
		if m, ok := raw[key].(map[string]any); ok && slices.ContainsFunc(f.known, below) {
			if err := f.section(name+"-", here+".", m); err != nil {
				return err
			}
			continue
		}
		if !slices.Contains(f.known, name) {
			return f.unknown(name, here)
		}
		text, err := settingText(raw[key])
		if err != nil {
			return fmt.Errorf("%s: %s: %w", f.path, here, err)
		}
		if _, twice := f.value[name]; twice {
			return fmt.Errorf("%s: %s is given twice: once with -, and once with _ or in a section", f.path, name)
		}
		f.value[name] = text
	}
	return nil
}

func (f *settingsFile) unknown(name, here string) error {
	written := func(flag string) string { return strings.ReplaceAll(flag, "-", "_") }
	all := written(strings.Join(f.known, ", "))
	near := slices.MinFunc(f.known, func(a, b string) int { return spelling.Distance(name, a) - spelling.Distance(name, b) })
	return fmt.Errorf("%s: unknown setting %q: want one of %s\ndid you mean %s?", f.path, here, all, written(near))
}

func settingText(v any) (string, error) {
	switch v := v.(type) {
	case []any:
		parts := make([]string, len(v))
		for i, item := range v {
			text, err := settingText(item)
			if err != nil {
				return "", err
			}
			parts[i] = text
		}
		return strings.Join(parts, ","), nil
	case map[string]any, map[any]any:
		return "", errors.New("want a value or a list of values")
	case nil:
		return "", errors.New("has no value")
	default:
		return fmt.Sprint(v), nil
	}
}
