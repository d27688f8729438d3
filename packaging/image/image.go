// Command image makes container images of the program: one static file in an empty root, run as
// a user without privileges, with a volume for the database. It needs neither Docker nor a
// registry. The same programs, version and stamp give the same bytes.
//
//	image -version v1.4.0 -stamp 1764288000 -into dist amd64=PROGRAM arm64=PROGRAM
//
// It writes, beside each other,
//
//	sendoff_1.4.0_ARCH.image.tar    one for each program, for docker load and its like
//	sendoff_1.4.0.oci.tar           all of them behind one name, for registries: an OCI layout
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// port is where the server listens in a container, data where its database is, and user whom it
// runs as: nobody's number on usual systems.
const (
	port = "4450"
	data = "/data"
	user = 65532
)

// release is what images are made of.
type release struct {
	version  string
	revision string
	at       time.Time
	into     string
}

func main() {
	var r release
	var stamp int64
	flag.StringVar(&r.version, "version", "unknown", "version of the programs, `vX.Y.Z`")
	flag.StringVar(&r.revision, "revision", "", "commit that they are built from")
	flag.StringVar(&r.into, "into", "dist", "`directory` to write into")
	flag.Int64Var(&stamp, "stamp", 0, "when the release was made, in `seconds` since 1970")
	flag.Parse()
	r.at = time.Unix(stamp, 0).UTC()
	if err := r.write(flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

// write makes an image of each ARCH=PROGRAM, and one layout of them all.
func (r *release) write(programs []string) error {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, p := range programs {
		arch, path, found := strings.Cut(p, "=")
		if !found {
			return fmt.Errorf("%q: want ARCH=PROGRAM, such as amd64=bin/sendoff", p)
		}
		img, err := r.image(arch, path)
		if err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
		if err := r.archive(img, arch); err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: arch}}})
	}
	if len(programs) == 0 {
		return fmt.Errorf("want ARCH=PROGRAM, such as amd64=bin/sendoff")
	}
	return r.layout(index)
}

// plain is the version as files and tags have it.
func (r *release) plain() string { return strings.TrimPrefix(r.version, "v") }

func (r *release) tag() string { return "sendoff:" + strings.ReplaceAll(r.plain(), "+", "-") }

func (r *release) file(rest string) string {
	return filepath.Join(r.into, "sendoff_"+r.plain()+rest)
}

// archive writes an image as docker save does.
func (r *release) archive(img v1.Image, arch string) error {
	tag, err := name.NewTag(r.tag())
	if err != nil {
		return err
	}
	return tarball.WriteToFile(r.file("_"+arch+".image.tar"), tag, img)
}

// image is one program and its settings.
func (r *release) image(arch, program string) (v1.Image, error) {
	layer, err := r.root(program)
	if err != nil {
		return nil, err
	}
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	img, err = mutate.Append(img, mutate.Addendum{
		Layer: layer, History: v1.History{Created: v1.Time{Time: r.at}, CreatedBy: "packaging/image", Comment: "the program and an empty root"},
	})
	if err != nil {
		return nil, err
	}
	return mutate.ConfigFile(img, r.settings(img, arch))
}
