package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/sendoff-dev/sendoff"
	"github.com/sendoff-dev/sendoff/engine"
)

// What a web request does: 256 callers submit a task over HTTP and wait for its end, in
// one request or in two. The callers are in the server's process; the app that is pushed
// to is not.
func waitCases() []benchCase {
	return floors("wait", func(group string) []benchCase {
		return []benchCase{
			{Group: group, Who: "sendoff-one", N: 20_000, Short: 5_000, do: submitAndWait},
			{Group: group, Who: "sendoff-two", N: 20_000, Short: 5_000, do: submitAndWait},
		}
	})
}

const askers = 256

func submitAndWait(ctx context.Context, r *run) error {
	app, err := r.help("sink")
	if err != nil {
		return err
	}
	address, err := app.line()
	if err != nil {
		return err
	}
	s, err := r.floor(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	e, err := engine.New(s, engine.Config{AllowLoopback: true, PushSlots: 2 * askers})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: e.Handler(engine.HandlerConfig{Local: true})}
	defer func() { _ = srv.Close() }()
	go func() { _ = srv.Serve(l) }()
	stop := running(ctx, e)
	client, err := sendoff.NewClient(sendoff.ClientConfig{URL: "http://" + l.Addr().String()})
	if err != nil {
		return err
	}
	ask := func() (*sendoff.Task, error) {
		t := sendoff.NewTask{URL: "http://" + address + "/hook", Payload: payload}
		if strings.HasSuffix(r.who, "-one") {
			return client.SubmitAndWait(ctx, t)
		}
		sent, err := client.Submit(ctx, t)
		if err != nil {
			return nil, err
		}
		return client.Wait(ctx, sent.ID)
	}
	if err := r.begin(ctx); err != nil {
		return err
	}
	err = fromMany(r.N, askers, 1, func(int) error {
		t, err := ask()
		if err == nil && !t.Final() {
			err = fmt.Errorf("task %s is %s", t.ID, t.State)
		}
		return err
	})
	if err != nil {
		return err
	}
	if err := r.end(ctx, r.N); err != nil {
		return err
	}
	if err := stop(); err != nil {
		return err
	}
	return app.got(r.N)
}
