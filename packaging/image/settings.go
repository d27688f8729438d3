package main

import (
	"fmt"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// settings are how the program runs in a container: beyond its own machine, so that it asks for
// API keys before anything else, and with its database in the volume.
func (r *release) settings(img v1.Image, arch string) *v1.ConfigFile {
	c, err := img.ConfigFile()
	if err != nil {
		panic(err) // it was made here
	}
	c.OS, c.Architecture, c.Created = "linux", arch, v1.Time{Time: r.at}
	c.Config = v1.Config{
		User:         fmt.Sprintf("%d:%d", user, user),
		Entrypoint:   []string{program},
		Cmd:          []string{"serve"},
		Env:          []string{"PATH=/usr/bin", "HOME=" + data, "SENDOFF_LISTEN=0.0.0.0:" + port, "SENDOFF_DB=" + data + "/sendoff.db"},
		WorkingDir:   data,
		Volumes:      map[string]struct{}{data: {}},
		ExposedPorts: map[string]struct{}{port + "/tcp": {}},
		StopSignal:   "SIGTERM",
		Healthcheck:  &v1.HealthConfig{Test: []string{"CMD", program, "health", "--timeout", "4s"}, Interval: 10 * time.Second, Timeout: 5 * time.Second, StartPeriod: 10 * time.Second, Retries: 3},
		Labels:       r.labels(),
	}
	return c
}

// labels are those of the OCI image specification.
func (r *release) labels() map[string]string {
	l := map[string]string{
		"org.opencontainers.image.title":       "sendoff",
		"org.opencontainers.image.description": "Durable task dispatcher: on disk before the answer, carried out until it succeeds",
		"org.opencontainers.image.version":     r.plain(),
		"org.opencontainers.image.created":     r.at.Format(time.RFC3339),
		"org.opencontainers.image.licenses":    "Apache-2.0",
	}
	if r.revision != "" {
		l["org.opencontainers.image.revision"] = r.revision
	}
	return l
}
