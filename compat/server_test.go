//go:build linux

package compat_test

import (
	"encoding/json"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// apiKey opens the server. It is the one that the tests of dispatch-py use.
const apiKey = "916CC3D280BB46DDBDA984B3DD10059A"

// server is one node with its database.
type server struct {
	*process
	bin, addr string
	args      []string
}

// startServer starts a server over SQLite, with API keys and signatures.
func startServer(t *testing.T, args ...string) *server {
	t.Helper()
	return startServerOver(t, filepath.Join(t.TempDir(), "sendoff.db"), args...)
}

func startServerOver(t *testing.T, db string, args ...string) *server {
	t.Helper()
	s := &server{bin: sendoff(t), addr: freeAddr(t)}
	s.process = newProcess(t, "server")
	s.args = []string{
		"serve", "--db", db, "--listen", s.addr, "--api-keys", apiKey, "--keys-file", filepath.Join(t.TempDir(), "server.keys"),
	}
	s.args = append(s.args, args...)
	s.start()
	return s
}

// start starts it, again after kill, and returns when it is ready.
func (s *server) start() {
	s.t.Helper()
	s.process.start(exec.Command(s.bin, s.args...))
	waitFor(s.t, "the server is ready", func() bool {
		s.mustRun()
		res, err := client.Get(s.url() + "/readyz")
		if err != nil {
			return false
		}
		res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
}

func (s *server) url() string { return "http://" + s.addr }

// client sends the key with each request.
var client = &http.Client{Timeout: 40 * time.Second, Transport: withKey{http.DefaultTransport}}

type withKey struct{ http.RoundTripper }

func (k withKey) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+apiKey)
	return k.RoundTripper.RoundTrip(r)
}

// get asks the API. It asks again while the server is away.
func (s *server) get(path string, into any) {
	s.t.Helper()
	var text []byte
	waitFor(s.t, "the server answers "+path, func() bool {
		res, err := client.Get(s.url() + path)
		if err != nil {
			return false
		}
		defer res.Body.Close()
		text, err = io.ReadAll(res.Body)
		return err == nil && res.StatusCode == http.StatusOK
	})
	require.NoError(s.t, json.Unmarshal(text, into), string(text))
}

// call is a call of a function, as the API shows it.
type call struct {
	ID         string          `json:"id"`
	State      string          `json:"state"`
	Reason     string          `json:"reason"`
	Function   string          `json:"function"`
	ParentID   string          `json:"parent_id"`
	Attempts   int             `json:"attempts"`
	LastStatus int             `json:"last_status"`
	LastError  string          `json:"last_error"`
	Result     json.RawMessage `json:"result"`
	Error      struct {
		Type      string `json:"type"`
		Message   string `json:"message"`
		Traceback string `json:"traceback"`
	} `json:"error"`
}

// task returns a call as it is now.
func (s *server) task(id string) call {
	s.t.Helper()
	var c call
	s.get("/v1/tasks/"+id, &c)
	return c
}

// end returns a call when it has ended.
func (s *server) end(id string) call {
	s.t.Helper()
	var c call
	for until := time.Now().Add(60 * time.Second); ; {
		s.get("/v1/tasks/"+id+"?wait=5s", &c)
		switch c.State {
		case "succeeded", "failed", "canceled":
			return c
		}
		if time.Now().After(until) {
			s.t.Fatalf("%s %s has not ended: it is %s, its last error is %q", c.Function, id, c.State, c.LastError)
		}
	}
}

// result returns what a call returned, as JSON.
func (s *server) result(id string) string {
	s.t.Helper()
	c := s.end(id)
	require.Equal(s.t, "succeeded", c.State, "%s: %s: %s", c.Function, c.Error.Type, c.Error.Message)
	return string(c.Result)
}

// attempt is one run of a function.
type attempt struct {
	Outcome string            `json:"outcome"`
	Status  int               `json:"status"`
	Error   string            `json:"error"`
	Headers map[string]string `json:"headers"`
}

func (s *server) attempts(id string) []attempt {
	s.t.Helper()
	var page struct {
		Items []attempt `json:"items"`
	}
	s.get("/v1/tasks/"+id+"/attempts", &page)
	return page.Items
}

func outcomes(list []attempt) string {
	words := make([]string, len(list))
	for i := range list {
		words[i] = list[i].Outcome
	}
	return strings.Join(words, " ")
}

// tree returns a call and the calls below it.
func (s *server) tree(id string) []call {
	s.t.Helper()
	var page struct {
		Items []call `json:"items"`
	}
	s.get("/v1/tasks/"+id+"/tree", &page)
	return page.Items
}

// publicKey is what apps verify runs with, as the service of Dispatch tells it.
func (s *server) publicKey() string {
	s.t.Helper()
	res, err := client.Post(s.url()+"/dispatch.v1.SigningKeyService/ListSigningKeys", "application/json", strings.NewReader("{}"))
	require.NoError(s.t, err)
	defer res.Body.Close()
	var reply struct {
		Keys []struct {
			AsymmetricKey struct {
				PublicKey string `json:"publicKey"`
			} `json:"asymmetricKey"`
		} `json:"keys"`
	}
	require.NoError(s.t, json.NewDecoder(res.Body).Decode(&reply))
	require.Len(s.t, reply.Keys, 1)
	return reply.Keys[0].AsymmetricKey.PublicKey
}
