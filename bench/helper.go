package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// helpers are what this program can be besides the one that measures.
var helpers map[string]func(args []string) error

func init() {
	helpers = map[string]func([]string) error{"case": runCase, "sink": sink, "client": client, "app": app}
}

// helper is a process on the other side of HTTP.
type helper struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

func (r *run) help(args ...string) (*helper, error) { return r.start(exec.Command(self(), args...)) }

func (r *run) start(cmd *exec.Cmd) (*helper, error) {
	h := &helper{cmd: cmd}
	h.cmd.Stderr, h.cmd.SysProcAttr = os.Stderr, &syscall.SysProcAttr{}
	dieWithParent(h.cmd.SysProcAttr, syscall.SIGKILL)
	out, err := h.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if h.in, err = h.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	h.out = bufio.NewScanner(out)
	if err := h.cmd.Start(); err != nil {
		return nil, err
	}
	r.helpers = append(r.helpers, h)
	return h, nil
}

func (h *helper) line() (string, error) {
	if !h.out.Scan() {
		return "", errors.Join(errors.New("the helper has ended"), h.out.Err())
	}
	return h.out.Text(), nil
}

func (h *helper) end() {
	_ = h.in.Close()
	_ = h.cmd.Process.Kill()
	_ = h.cmd.Wait()
}

// sink is an app that answers every push with an empty 200 at once. It prints
// its address, and how many it got for each line it reads.
func sink([]string) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	var got atomic.Int64
	go func() {
		_ = http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			_, _ = io.Copy(io.Discard, req.Body)
			got.Add(1)
		}))
	}()
	fmt.Println(l.Addr())
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		fmt.Println(got.Load())
	}
	return nil
}

// client posts the body n times to a URL over so many connections, when it reads
// a line, and prints the first failure or nothing.
func client(args []string) error {
	url, body := args[0], args[1]
	connections, _ := strconv.Atoi(args[2])
	n, _ := strconv.Atoi(args[3])
	c := &http.Client{
		Transport: &http.Transport{MaxIdleConnsPerHost: connections, MaxConnsPerHost: connections, DisableCompression: true},
		Timeout:   30 * time.Second,
	}
	post := func(int) error {
		res, err := c.Post(url, "application/json", strings.NewReader(body))
		if err != nil {
			return err
		}
		answer, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err == nil && res.StatusCode/100 != 2 {
			err = fmt.Errorf("%s: %s", res.Status, answer)
		}
		return err
	}
	in := bufio.NewScanner(os.Stdin)
	fmt.Println("ready")
	in.Scan()
	if err := fromMany(n, connections, 1, post); err != nil {
		fmt.Println(strings.ReplaceAll(err.Error(), "\n", "; "))
		return err
	}
	fmt.Println()
	in.Scan()
	return nil
}

// answering measures n requests of a client to a server of this process.
func (r *run) answering(ctx context.Context, h http.Handler, path, body string) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: h}
	go func() { _ = srv.Serve(l) }()
	defer func() { _ = srv.Close() }()
	c, err := r.help("client", "http://"+l.Addr().String()+path, body, strconv.Itoa(submitters), strconv.Itoa(r.N))
	if err != nil {
		return err
	}
	if _, err := c.line(); err != nil {
		return err
	}
	if err := r.begin(ctx); err != nil {
		return err
	}
	if _, err := io.WriteString(c.in, "\n"); err != nil {
		return err
	}
	failure, err := c.line()
	if err != nil || failure != "" {
		return fmt.Errorf("client: %s %w", failure, err)
	}
	return r.end(ctx, r.N)
}
