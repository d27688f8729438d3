package packaging_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/sendoff-dev/sendoff/internal/testkit"
)

// manifest is what the tests read of an object of Kubernetes.
type manifest struct {
	Kind string
	Spec struct {
		Ports []struct {
			TargetPort string `yaml:"targetPort"`
		}
		Template struct {
			Metadata struct{ Annotations map[string]string }
			Spec     podSpec
		}
	}
}

type podSpec struct {
	TerminationGracePeriodSeconds int `yaml:"terminationGracePeriodSeconds"`
	SecurityContext               struct {
		RunAsNonRoot   bool                  `yaml:"runAsNonRoot"`
		RunAsUser      int                   `yaml:"runAsUser"`
		FsGroup        int                   `yaml:"fsGroup"`
		SeccompProfile struct{ Type string } `yaml:"seccompProfile"`
	} `yaml:"securityContext"`
	InitContainers []containerSpec `yaml:"initContainers"`
	Containers     []containerSpec
}

type containerSpec struct {
	Args []string
	Env  []struct {
		Name, Value string
		ValueFrom   struct {
			SecretKeyRef struct{ Key string } `yaml:"secretKeyRef"`
		} `yaml:"valueFrom"`
	}
	Ports []struct {
		Name          string
		ContainerPort int `yaml:"containerPort"`
	}
	StartupProbe   probe `yaml:"startupProbe"`
	LivenessProbe  probe `yaml:"livenessProbe"`
	ReadinessProbe probe `yaml:"readinessProbe"`

	Lifecycle struct {
		PreStop struct{ Sleep struct{ Seconds int } } `yaml:"preStop"`
	}
	SecurityContext struct {
		AllowPrivilegeEscalation *bool `yaml:"allowPrivilegeEscalation"`
		ReadOnlyRootFilesystem   bool  `yaml:"readOnlyRootFilesystem"`
		Capabilities             struct{ Drop []string }
	} `yaml:"securityContext"`
}

type probe struct {
	HTTPGet struct{ Path, Port string } `yaml:"httpGet"`
}

// TestManifestsAreValid for the oldest and the newest Kubernetes that they are for.
func TestManifestsAreValid(t *testing.T) {
	validate := validator(t)
	for _, version := range []string{"1.30", "1.37"} {
		for _, file := range manifests(t) {
			out, err := exec.CommandContext(t.Context(), validate, "--strict", "-k", version, file).CombinedOutput() //nolint:gosec // of the machine
			require.NoError(t, err, string(out))
		}
	}
	wrong := filepath.Join(t.TempDir(), "wrong.yaml")
	text, err := os.ReadFile("kubernetes/sqlite.yaml")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(wrong, bytes.Replace(text, []byte("failureThreshold"), []byte("failureTreshold"), 1), 0o600))
	require.Error(t, exec.CommandContext(t.Context(), validate, "--strict", wrong).Run(), "a name that is wrong is found") //nolint:gosec // of the machine
}

// TestManifestsFitTheProgram: it is started as they say, has the flags and variables that they
// name, listens and answers where they look, and stops in the time that they give it.
func TestManifestsFitTheProgram(t *testing.T) {
	program := build(t)
	for _, file := range manifests(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			objects := read(t, file)
			service, pods := objects["Service"], objects["Deployment"]
			if pods == nil {
				pods = objects["StatefulSet"]
			} else {
				require.NotNil(t, objects["PodDisruptionBudget"])
			}
			spec, annotations := pods.Spec.Template.Spec, pods.Spec.Template.Metadata.Annotations
			c := &spec.Containers[0]
			require.Len(t, spec.Containers, 1)
			require.Equal(t, "http", c.Ports[0].Name)
			port := strconv.Itoa(c.Ports[0].ContainerPort)
			require.Equal(t, "http", service.Spec.Ports[0].TargetPort)
			require.Equal(t, port, annotations["prometheus.io/port"])
			require.Contains(t, c.Args, "0.0.0.0:"+port)
			for _, restricted := range slices.Concat(spec.InitContainers, spec.Containers) {
				restricted.isRestricted(t, &spec)
			}

			p := &pod{program: program, dir: t.TempDir(), db: testkit.EmptyPostgres}
			for i := range spec.InitContainers {
				out, err := p.command(t, &spec.InitContainers[i]).CombinedOutput()
				require.NoError(t, err, string(out))
			}
			effective, err := p.command(t, c, "config", "--json").Output()
			require.NoError(t, err, string(effective))
			grace := settingOf(t, effective, "grace")
			given := time.Duration(spec.TerminationGracePeriodSeconds-c.Lifecycle.PreStop.Sleep.Seconds) * time.Second
			require.GreaterOrEqual(t, given, grace+10*time.Second, "what is under way has --grace, and then it is handed back")

			server := p.start(t, c)
			for _, at := range []probe{c.StartupProbe, c.LivenessProbe, c.ReadinessProbe} {
				require.Equal(t, "http", at.HTTPGet.Port)
				require.NotEmpty(t, at.HTTPGet.Path)
				require.Eventually(t, func() bool { return server.status(at.HTTPGet.Path, "") == http.StatusOK }, 20*time.Second, 20*time.Millisecond, at.HTTPGet.Path)
			}
			require.Equal(t, http.StatusOK, server.status(annotations["prometheus.io/path"], "secret"))
			require.Equal(t, http.StatusUnauthorized, server.status(annotations["prometheus.io/path"], ""), "metrics want a key")
			require.NoError(t, server.cmd.Process.Signal(syscall.SIGTERM))
			require.NoError(t, <-server.over, server)
			require.NotContains(t, server.String(), "no settings", "a variable that the program does not know")
		})
	}
}

func manifests(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("kubernetes/*.yaml")
	require.NoError(t, err)
	require.Len(t, files, 2)
	return files
}

func read(t *testing.T, file string) map[string]*manifest {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	found := map[string]*manifest{}
	for d := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var m manifest
		if err := d.Decode(&m); errors.Is(err, io.EOF) {
			return found
		} else {
			require.NoError(t, err)
		}
		found[m.Kind] = &m
	}
}

// isRestricted asks for what the Pod Security Standard "restricted" does, and for the user of
// the image.
func (c *containerSpec) isRestricted(t *testing.T, of *podSpec) {
	t.Helper()
	require.True(t, of.SecurityContext.RunAsNonRoot)
	require.Equal(t, "RuntimeDefault", of.SecurityContext.SeccompProfile.Type)
	require.Equal(t, []int{65532, 65532}, []int{of.SecurityContext.RunAsUser, of.SecurityContext.FsGroup})
	require.NotNil(t, c.SecurityContext.AllowPrivilegeEscalation)
	require.False(t, *c.SecurityContext.AllowPrivilegeEscalation)
	require.True(t, c.SecurityContext.ReadOnlyRootFilesystem)
	require.Equal(t, []string{"ALL"}, c.SecurityContext.Capabilities.Drop)
}

// pod stands for what Kubernetes gives to containers: secrets, volumes, an address.
type pod struct {
	program string
	dir     string
	db      func(testing.TB) string
	dsn     string
}

// command is what a container runs, or other arguments beside those of its command.
func (p *pod) command(t *testing.T, c *containerSpec, instead ...string) *exec.Cmd {
	t.Helper()
	args := slices.Clone(c.Args)
	if len(instead) > 0 {
		args = slices.Concat(instead, c.Args[1:])
	}
	for i, a := range args {
		switch {
		case strings.HasPrefix(a, "0.0.0.0:"):
			args[i] = "127.0.0.1:0"
		case strings.HasPrefix(a, "/data/"):
			args[i] = filepath.Join(p.dir, a)
		case strings.HasPrefix(a, "/etc/sendoff/"):
			args[i] = p.secret(t)
		}
	}
	require.NoError(t, os.MkdirAll(filepath.Join(p.dir, "data"), 0o700))
	cmd := exec.CommandContext(t.Context(), p.program, args...)
	cmd.Dir, cmd.Env = p.dir, []string{"PATH=/usr/bin"}
	for _, e := range c.Env {
		value := e.Value
		switch e.ValueFrom.SecretKeyRef.Key {
		case "api-keys":
			value = "secret"
		case "db":
			if p.dsn == "" {
				p.dsn = p.db(t)
			}
			value = p.dsn
		}
		cmd.Env = append(cmd.Env, e.Name+"="+value)
	}
	return cmd
}

// secret is the file in a secret: made as the manifest says, and for its group to read.
func (p *pod) secret(t *testing.T) string {
	t.Helper()
	file := filepath.Join(p.dir, "secret")
	if _, err := os.Stat(file); err != nil {
		out, err := exec.CommandContext(t.Context(), "openssl", "rand", "-base64", "32").Output()
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(file, out, 0o600))
		require.NoError(t, os.Chmod(file, 0o440))
	}
	return file
}

// settingOf reads a duration of what sendoff config prints.
func settingOf(t *testing.T, config []byte, name string) time.Duration {
	t.Helper()
	var all struct {
		Items []struct{ Name, Value string }
	}
	require.NoError(t, json.Unmarshal(config, &all), string(config))
	for _, s := range all.Items {
		if s.Name == name {
			d, err := time.ParseDuration(s.Value)
			require.NoError(t, err)
			return d
		}
	}
	t.Fatalf("there is no setting %s", name)
	return 0
}

// started is a server, and its log.
type started struct {
	cmd  *exec.Cmd
	over chan error
	url  string

	mu   sync.Mutex
	text bytes.Buffer
}

func (r *started) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(p)
}

func (r *started) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

var serving = regexp.MustCompile(`"msg":"serving","address":"([^"]+)"`)

func (p *pod) start(t *testing.T, c *containerSpec) *started {
	t.Helper()
	r := &started{cmd: p.command(t, c), over: make(chan error, 1)}
	r.cmd.Stderr = r
	require.NoError(t, r.cmd.Start())
	t.Cleanup(func() { _ = r.cmd.Process.Kill() })
	go func() { r.over <- r.cmd.Wait() }()
	for r.url == "" {
		if m := serving.FindStringSubmatch(r.String()); m != nil {
			r.url = m[1]
			break
		}
		select {
		case err := <-r.over:
			require.Fail(t, "the server has ended", "%v\n%s", err, r)
		case <-time.After(10 * time.Millisecond):
		}
	}
	return r
}

// status asks as Kubernetes and Prometheus do, by an address that is not this machine's name.
func (r *started) status(path, key string) int {
	req, err := http.NewRequest(http.MethodGet, r.url+path, http.NoBody)
	if err != nil {
		return 0
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	res, err := (&http.Client{Timeout: 5 * time.Second}).Do(req)
	if err != nil {
		return 0
	}
	_ = res.Body.Close()
	return res.StatusCode
}

func build(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "sendoff")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "../cmd/sendoff").CombinedOutput() //nolint:gosec // of this module
	require.NoError(t, err, string(out))
	return program
}

// validator finds kubernetes-validate, which scripts/setup-python installs.
func validator(t *testing.T) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	require.NoError(t, err)
	found, err := filepath.Glob(filepath.Join(cache, "sendoff-test/kubernetes-*/bin/kubernetes-validate"))
	require.NoError(t, err)
	if len(found) == 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("kubernetes-validate is not installed")
		}
		t.Skip("no kubernetes-validate: scripts/setup-python installs it")
	}
	return slices.Max(found)
}
