package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/stretchr/testify/require"
)

// TestImagesAreTheSameEachTime, down to the last byte, and hold every program.
func TestImagesAreTheSameEachTime(t *testing.T) {
	program := filepath.Join(t.TempDir(), "sendoff")
	require.NoError(t, os.WriteFile(program, []byte("not run here"), 0o755))
	made := func() map[string][]byte {
		r := release{version: "v1.2.3", revision: "abc", at: time.Unix(1_700_000_000, 0).UTC(), into: t.TempDir()}
		require.NoError(t, r.write([]string{"amd64=" + program, "arm64=" + program}))
		files := map[string][]byte{}
		for _, name := range []string{"sendoff_1.2.3_amd64.image.tar", "sendoff_1.2.3_arm64.image.tar", "sendoff_1.2.3.oci.tar"} {
			text, err := os.ReadFile(filepath.Join(r.into, name))
			require.NoError(t, err)
			files[name] = text
		}
		return files
	}
	first, again := made(), made()
	for name := range first {
		require.True(t, bytes.Equal(first[name], again[name]), name)
	}
	dir := t.TempDir()
	unpack(t, bytes.NewReader(first["sendoff_1.2.3.oci.tar"]), dir)
	all, err := layout.ImageIndexFromPath(dir)
	require.NoError(t, err)
	top, err := all.IndexManifest()
	require.NoError(t, err)
	require.Len(t, top.Manifests, 1)
	require.Equal(t, "1.2.3", top.Manifests[0].Annotations["org.opencontainers.image.ref.name"])
	inner, err := all.ImageIndex(top.Manifests[0].Digest)
	require.NoError(t, err)
	images, err := inner.IndexManifest()
	require.NoError(t, err)
	require.Len(t, images.Manifests, 2)
	for i, arch := range []string{"amd64", "arm64"} {
		require.Equal(t, "linux/"+arch, images.Manifests[i].Platform.String())
	}
}

// TestWrongProgramsAreRefused, saying what is wanted.
func TestWrongProgramsAreRefused(t *testing.T) {
	r := release{into: t.TempDir()}
	require.ErrorContains(t, r.write(nil), "ARCH=PROGRAM")
	require.ErrorContains(t, r.write([]string{"sendoff"}), "ARCH=PROGRAM")
	require.ErrorIs(t, r.write([]string{"amd64=" + filepath.Join(r.into, "none")}), os.ErrNotExist)
}

// TestTheImageRuns as its user, in a root that holds nothing else: it carries a task out, is
// found healthy by the image's own check, and stops cleanly.
func TestTheImageRuns(t *testing.T) {
	c := unpacked(t)
	refused := c.command(t, c.cmd...)
	said, err := refused.CombinedOutput()
	skipForbidden(t, err)
	require.Error(t, err)
	require.Contains(t, string(said), "no API keys are set", "whoever starts it without keys hears of it")

	c.env = append(c.env, "SENDOFF_LISTEN=0.0.0.0:0", "SENDOFF_API_KEYS=key", "SENDOFF_API_KEY=key", "SENDOFF_ALLOW_EGRESS=127.0.0.0/8")
	server := c.command(t, c.cmd...)
	log := &lines{}
	server.Stderr = log
	require.NoError(t, server.Start())
	over := make(chan error, 1)
	go func() { over <- server.Wait() }()
	t.Cleanup(func() { _ = server.Process.Kill() })
	c.env = append(c.env, "SENDOFF_URL=http://127.0.0.1:"+log.port(t, over))

	require.Eventually(t, func() bool { return c.command(t, c.health...).Run() == nil }, 30*time.Second, 50*time.Millisecond, log)
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "done") }))
	t.Cleanup(app.Close)
	out, err := c.command(t, "enqueue", app.URL, "--wait", "--json").CombinedOutput()
	require.NoError(t, err, string(out))
	var done struct{ State string }
	require.NoError(t, json.Unmarshal(out, &done), string(out))
	require.Equal(t, "succeeded", done.State)
	info, err := os.Stat(filepath.Join(c.root, data, "sendoff.db"))
	require.NoError(t, err, "the database is in the volume")
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	require.NoError(t, server.Process.Signal(syscall.SIGTERM))
	require.NoError(t, <-over, log)
	require.Error(t, c.command(t, c.health...).Run(), "a server that is not there is not healthy")
}

// container is an image whose files were unpacked, and what a runtime reads of its settings.
type container struct {
	root   string
	env    []string
	cmd    []string
	health []string // of the program, as cmd
}

func unpacked(t *testing.T) *container {
	t.Helper()
	dir := t.TempDir()
	built := filepath.Join(dir, "sendoff")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags=-s -w", "-o", built, "./cmd/sendoff")
	build.Dir, build.Env = "../..", append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))
	r := release{version: "v1.2.3", at: time.Unix(1_700_000_000, 0).UTC(), into: dir}
	require.NoError(t, r.write([]string{runtime.GOARCH + "=" + built}))
	img, err := tarball.ImageFromPath(filepath.Join(dir, "sendoff_1.2.3_"+runtime.GOARCH+".image.tar"), nil)
	require.NoError(t, err)
	settings, err := img.ConfigFile()
	require.NoError(t, err)
	require.Equal(t, "65532:65532", settings.Config.User)
	require.Equal(t, []string{program}, settings.Config.Entrypoint)
	require.Contains(t, settings.Config.Volumes, "/data")
	require.Contains(t, settings.Config.ExposedPorts, "4450/tcp")
	require.Equal(t, []string{"CMD", program}, settings.Config.Healthcheck.Test[:2])
	c := &container{root: filepath.Join(dir, "root"), env: settings.Config.Env, cmd: settings.Config.Cmd, health: settings.Config.Healthcheck.Test[2:]}
	files := mutate.Extract(img)
	defer files.Close()
	require.NoError(t, os.Mkdir(c.root, 0o755))
	unpack(t, files, c.root)
	for d := dir; d != filepath.Dir(os.TempDir()) && os.Getuid() == 0; d = filepath.Dir(d) {
		require.NoError(t, os.Chmod(d, 0o755)) // its user comes through
		if d == filepath.Clean(os.TempDir()) {
			break
		}
	}
	return c
}

// command runs the program in the root of the image and as its user: root changes both itself,
// others in a namespace of their own, where they are that user.
func (c *container) command(t *testing.T, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Env, cmd.Dir = c.env, data
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: c.root, Credential: &syscall.Credential{Uid: user, Gid: user, NoSetGroups: os.Getuid() != 0}}
	if os.Getuid() != 0 {
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: user, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: user, HostID: os.Getgid(), Size: 1}}
	}
	return cmd
}

// skipForbidden leaves the test out where a root and a user of one's own are not to be had.
func skipForbidden(t *testing.T, err error) {
	t.Helper()
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EINVAL) {
		t.Skipf("this machine lets nobody run in a root of his own: %v", err)
	}
}

// unpack makes the files of an archive, with their owners where it may.
func unpack(t *testing.T, archive io.Reader, dir string) {
	t.Helper()
	for r := tar.NewReader(archive); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		require.NoError(t, err)
		path := filepath.Join(dir, filepath.Clean("/"+h.Name))
		mode := h.FileInfo().Mode()
		if h.Typeflag == tar.TypeDir {
			require.NoError(t, os.MkdirAll(path, 0o755))
		} else {
			require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
			text, err := io.ReadAll(r)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(path, text, 0o600))
		}
		if os.Getuid() == 0 {
			require.NoError(t, os.Chown(path, h.Uid, h.Gid))
		}
		require.NoError(t, os.Chmod(path, mode))
	}
}

// lines are a log that is written while it is read.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

var serving = regexp.MustCompile(`"msg":"serving","address":"([^"]+)"`)

// port waits for where the server listens.
func (l *lines) port(t *testing.T, over <-chan error) string {
	t.Helper()
	for {
		if m := serving.FindStringSubmatch(l.String()); m != nil {
			_, port, err := net.SplitHostPort(strings.TrimPrefix(m[1], "http://"))
			require.NoError(t, err)
			return port
		}
		select {
		case err := <-over:
			require.Fail(t, "the server has ended", "%v: %s", err, l)
		case <-t.Context().Done():
			require.Fail(t, "the server does not begin", l)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
