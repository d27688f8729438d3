package dev

import (
	"cmp"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/sendoff-dev/sendoff/cmd/sendoff/internal/host"
	"github.com/sendoff-dev/sendoff/internal/httpsig"
)

// The names of the variables that SDKs read.
const (
	envURL      = "DISPATCH_API_URL"
	envKey      = "DISPATCH_API_KEY"
	envAddr     = "DISPATCH_ENDPOINT_ADDR"
	envEndpoint = "DISPATCH_ENDPOINT_URL"
	envVerify   = "DISPATCH_VERIFICATION_KEY"
)

// variable is one of an app's environment.
type variable struct{ name, value string }

// commandEnv is what a command gets besides its own environment.
func commandEnv(server, key, app string, verify ed25519.PublicKey) []variable {
	return []variable{
		{envURL, server},
		{envKey, key},
		{envAddr, app},
		{envEndpoint, "http://" + app},
		{envVerify, httpsig.PublicPEM(verify)},
		{"SENDOFF_URL", server},
		{"SENDOFF_API_KEY", key},
	}
}

// withEnv replaces variables in an environment. What could lead an SDK
// elsewhere, a bridge, is removed.
func withEnv(environ []string, set []variable) []string {
	drop := map[string]bool{"DISPATCH_BRIDGE_URL": true, "DISPATCH_BRIDGE_HOST_HEADER": true}
	for _, v := range set {
		drop[v.name] = true
	}
	var out []string
	for _, entry := range environ {
		if name, _, _ := strings.Cut(entry, "="); !drop[name] {
			out = append(out, entry)
		}
	}
	for _, v := range set {
		out = append(out, v.name+"="+v.value)
	}
	return out
}

// appEnv is what an app needs that is started by somebody else. The key is the
// one line of base64 that SDKs take in place of PEM.
func appEnv(server, key, endpoint string, verify ed25519.PublicKey) []variable {
	return []variable{{envURL, server}, {envKey, key}, {envEndpoint, endpoint}, {envVerify, base64Key(verify)}}
}

// exports are variables for a shell.
func exports(variables []variable) []string {
	var lines []string
	for _, v := range variables {
		lines = append(lines, "export "+v.name+"="+quoted(v.value))
	}
	return lines
}

func base64Key(k ed25519.PublicKey) string { return base64.StdEncoding.EncodeToString(k) }

// quoted is a text as one word of a POSIX shell.
func quoted(text string) string {
	if strings.ContainsAny(text, "\"$`\\!\n") {
		return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
	}
	return `"` + text + `"`
}

// userKeys is where the keys of a person are, which stay the same between runs.
func userKeys() (string, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("where are keys to be kept? %w: name a file with --keys-file", err)
	}
	dir = filepath.Join(dir, "sendoff")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("keep keys: %w: name a file with --keys-file", err)
	}
	return filepath.Join(dir, "run.keys"), nil
}

// randomKey is an API key for one run.
func randomKey() string {
	var b [24]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// settings are those of the server in this process.
func (c *Options) settings(dir string) (host.Settings, error) {
	s := host.Defaults()
	s.Listen.Addr, s.Listen.APIKeys = c.Listen, []string{c.APIKey}
	s.DB.DSN, s.DB.Migrate = cmp.Or(c.DB, filepath.Join(dir, "run.db")), true
	s.Node.Grace = c.Grace
	s.Outbound.KeysFile, s.Outbound.AllowEgress = c.KeysFile, c.AllowEgress
	s.Log.Format, s.Log.Level = "text", "warn"
	if s.Outbound.KeysFile == "" && (s.DB.Postgres() || c.forURL() && c.DB == "") {
		var err error
		if s.Outbound.KeysFile, err = userKeys(); err != nil {
			return s, err
		}
	}
	return s, nil
}
