package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/sendoff-dev/sendoff/dispatcherd"
)

// broker brings what is published on subjects of NATS. Each service that listens gets each
// message, as with dispatcherd; those of a group share them.
type broker struct {
	url      string
	group    string // "" = none
	subjects []string
	recycled atomic.Int64
}

// open makes a broker of the settings url, subjects and group.
func open(settings map[string]any) (dispatcherd.Broker, error) {
	b := &broker{}
	b.url, _ = settings["url"].(string)
	b.group, _ = settings["group"].(string)
	list, _ := settings["subjects"].([]any)
	for _, s := range list {
		b.subjects = append(b.subjects, fmt.Sprint(s))
	}
	if len(b.subjects) == 0 {
		return nil, errors.New("subjects: is missing: want a list of them")
	}
	return b, nil
}

// Recycled implements dispatcherd.Recycler.
func (b *broker) Recycled() int { return int(b.recycled.Load()) }

// Run implements dispatcherd.Broker. The client of NATS connects anew by itself, also when
// there was no server at first.
func (b *broker) Run(ctx context.Context, receive func(dispatcherd.Message)) error {
	conn, err := nats.Connect(cmp.Or(b.url, nats.DefaultURL), nats.Name("sendoff"),
		nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.ReconnectWait(250*time.Millisecond),
		nats.ReconnectHandler(func(*nats.Conn) { b.recycled.Add(1) }))
	if err != nil {
		return err
	}
	defer conn.Close()
	for _, subject := range b.subjects {
		_, err := conn.QueueSubscribe(subject, b.group, func(m *nats.Msg) {
			receive(dispatcherd.Message{Channel: subject, Payload: m.Data, Reply: func(to string, text []byte) {
				reply(conn, cmp.Or(m.Reply, to), text)
			}})
		})
		if err != nil {
			return fmt.Errorf("subscribe to %q: %w", subject, err)
		}
	}
	<-ctx.Done()
	return nil
}

// reply answers a question: on the subject that a request of NATS waits at, or on the one
// that its message names. An answer that cannot be sent is lost, as its question may be.
func reply(conn *nats.Conn, to string, text []byte) {
	for _, piece := range dispatcherd.Split(text, int(conn.MaxPayload())) {
		_ = conn.Publish(to, piece)
	}
}
