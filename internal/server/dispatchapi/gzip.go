package dispatchapi

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"

	"connectrpc.com/connect"
)

// What a compressed body may become: something always, and a multiple of what
// came of it. Calls that resemble each other shrink to a thirtieth.
const (
	maxRatio   = 50
	freeToGrow = 1 << 20 // bytes
)

// gzipped replaces Connect's gzip by one that stops at the ratio.
func gzipped() connect.HandlerOption {
	return connect.WithCompression("gzip",
		func() connect.Decompressor { return &inflater{} },
		func() connect.Compressor { return gzip.NewWriter(io.Discard) })
}

// inflater is a gzip reader that minds what it makes of how much.
type inflater struct {
	source counter
	zip    gzip.Reader
	made   int64
}

// Reset implements connect.Decompressor.
func (f *inflater) Reset(source io.Reader) error {
	f.source, f.made = counter{Reader: source}, 0
	return f.zip.Reset(&f.source)
}

// Read implements io.Reader.
func (f *inflater) Read(p []byte) (int, error) {
	n, err := f.zip.Read(p)
	f.made += int64(n)
	switch {
	case f.made > maxBody:
		return 0, connect.NewError(connect.CodeResourceExhausted, fmt.Errorf("the body has more than the %d bytes allowed when it is unpacked", maxBody))
	case f.made > freeToGrow+maxRatio*f.source.read:
		return 0, connect.NewError(connect.CodeResourceExhausted, errors.New("the body is packed too densely: send it as it is, or in parts"))
	}
	return n, err
}

// Close implements connect.Decompressor.
func (f *inflater) Close() error { return f.zip.Close() }

// counter counts what is read.
type counter struct {
	io.Reader
	read int64
}

// Read implements io.Reader.
func (c *counter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.read += int64(n)
	return n, err
}
