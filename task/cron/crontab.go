package cron

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"time"
)

// Entry is a line of a crontab that says when a command is run.
type Entry struct {
	Line    int // from 1
	Expr    *Expr
	User    string            // "" unless the file has users
	Command string            // up to the first % that is not escaped
	Input   string            // what comes after it, for stdin: each further % is the end of a line
	Env     map[string]string // the variables set above the line
}

// Crontab reads a file of cron: with users in the sixth field, as /etc/crontab and
// /etc/cron.d have them, or without. CRON_TZ above an entry is its time zone, for
// others it is the given one, nil for UTC. Lines with faults are left out, and the
// error joins an [*Error] for each of them that names the line.
func Crontab(r io.Reader, users bool, zone *time.Location) ([]Entry, error) {
	var entries []Entry
	var bad []error
	env := map[string]string{}
	lines := bufio.NewScanner(r)
	n := 1
	for ; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		if name, value, ok := variable(line); ok {
			env = maps.Clone(env) // the entries above keep theirs
			env[name] = value
			continue
		}
		entry, err := entryOf(line, users, env, zone)
		if err != nil {
			bad = append(bad, fmt.Errorf("line %d: %w", n, err))
			continue
		}
		entry.Line = n
		entries = append(entries, entry)
	}
	if err := lines.Err(); err != nil {
		bad = append(bad, fmt.Errorf("line %d: %w", n, err))
	}
	return entries, errors.Join(bad...)
}

// variable reads NAME=value, with blanks around either and quotes around both.
func variable(line string) (name, value string, ok bool) {
	name, value, ok = strings.Cut(line, "=")
	name = unquote(strings.TrimSpace(name))
	if !ok || name == "" || strings.ContainsAny(name[:1], "*@0123456789") || strings.ContainsAny(name, " \t") {
		return "", "", false
	}
	return name, unquote(strings.TrimSpace(value)), true
}

func unquote(text string) string {
	if n := len(text); n >= 2 && (text[0] == '"' || text[0] == '\'') && text[n-1] == text[0] {
		return text[1 : n-1]
	}
	return text
}

// entryOf reads the fields, the user and the command of a line.
func entryOf(line string, users bool, env map[string]string, zone *time.Location) (Entry, error) {
	when, rest := words(line, 5)
	if line[0] == '@' {
		when, rest = words(line, 1)
	}
	e := Entry{Env: env}
	if users {
		e.User, rest = words(rest, 1)
	}
	if rest == "" {
		return e, fault("entry", line, "a command after the "+map[bool]string{true: "user", false: "fields"}[users])
	}
	if name, ok := env["CRON_TZ"]; ok {
		named, err := Zone(name)
		if err != nil {
			return e, err
		}
		zone = named
	}
	e.Command, e.Input = percent(rest)
	var err error
	e.Expr, err = Parse(when, zone)
	return e, err
}

// words splits the first n words from the rest of a text.
func words(text string, n int) (first, rest string) {
	rest = text
	for range n {
		end := strings.IndexAny(rest, " \t")
		if end < 0 {
			return text, ""
		}
		rest = strings.TrimLeft(rest[end:], " \t")
	}
	return strings.TrimRight(text[:len(text)-len(rest)], " \t"), rest
}

// percent splits a command from its input. \% is a %.
func percent(text string) (command, input string) {
	var parts [2]strings.Builder
	part := 0
	for i := 0; i < len(text); i++ {
		switch {
		case strings.HasPrefix(text[i:], `\%`):
			i++
			parts[part].WriteByte('%')
		case text[i] == '%' && part == 0:
			part = 1
		case text[i] == '%':
			parts[part].WriteByte('\n')
		default:
			parts[part].WriteByte(text[i])
		}
	}
	return parts[0].String(), parts[1].String()
}
