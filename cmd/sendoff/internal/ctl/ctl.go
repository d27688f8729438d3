// Package ctl asks services of dispatcherd, as its dispatcherctl does: over the broker that
// a configuration names for that.
package ctl

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"go.yaml.in/yaml/v3"

	"github.com/sendoff-dev/sendoff/internal/dispatcherd"
)

// Ask sends a control command and returns the answers that came: as many as are wanted,
// or those of a second.
func Ask(ctx context.Context, cfg *dispatcherd.Config, command string, data map[string]any, want int) ([][]byte, error) {
	replyTo := "reply_to_" + strings.ReplaceAll(uuid.NewString(), "-", "_")
	request := map[string]any{"control": command, "reply_to": replyTo}
	if len(data) > 0 {
		request["control_data"] = data
	}
	text, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var join dispatcherd.Joiner
	if cfg.UsesSocket() {
		err = askSocket(limited, cfg.SocketPath, text, want, &join)
	} else {
		err = askNotify(limited, cfg.Notify, replyTo, text, want, &join)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = nil
	}
	return join.Whole, err
}

// patience is how long answers are waited for.
const patience = time.Second

func askSocket(ctx context.Context, path string, text []byte, want int, join *dispatcherd.Joiner) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
	if err != nil {
		return fmt.Errorf("is the service running? %w", err)
	}
	defer conn.Close()
	for _, line := range dispatcherd.Split(text, 1023) {
		if _, err := conn.Write(append(line, '\n')); err != nil {
			return err
		}
	}
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	lines := bufio.NewScanner(conn)
	lines.Buffer(nil, 16<<20)
	for len(join.Whole) < want && lines.Scan() {
		join.Take(lines.Bytes())
	}
	return nil
}

func askNotify(ctx context.Context, cfg *dispatcherd.NotifyConfig, replyTo string, text []byte, want int, join *dispatcherd.Joiner) error {
	conn, err := pgx.Connect(ctx, cfg.DSN)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if _, err := conn.Exec(ctx, "listen "+pgx.Identifier{replyTo}.Sanitize()); err != nil {
		return err
	}
	for _, piece := range dispatcherd.Split(text, 7999) {
		if _, err := conn.Exec(ctx, "select pg_notify($1, $2)", cfg.Default, string(piece)); err != nil {
			return err
		}
	}
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for len(join.Whole) < want {
		n, err := conn.WaitForNotification(limited)
		if err != nil {
			return err
		}
		join.Take([]byte(n.Payload))
	}
	return nil
}

// YAML writes answers as dispatcherctl does.
func YAML(replies [][]byte) (string, error) {
	list := []any{}
	for _, r := range replies {
		var v any
		if err := yaml.Unmarshal(r, &v); err != nil { // JSON is YAML, and keeps what JSON's decoder would round
			return "", fmt.Errorf("an answer cannot be read: %w", err)
		}
		list = append(list, v)
	}
	var b strings.Builder
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	e.CompactSeqIndent()
	err := e.Encode(list)
	return b.String(), err
}
