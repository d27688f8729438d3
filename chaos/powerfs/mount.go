//go:build linux

package powerfs

import (
	"context"
	"fmt"
	"os"
	"slices"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// A Mount is a Disk in use.
type Mount struct {
	server *fuse.Server
	dir    string
}

// Mount shows the files of d in the directory dir. It needs root, or
// fusermount3; the error says so.
func (d *Disk) Mount(dir string) (*Mount, error) {
	d.mu.Lock()
	epoch := d.epoch
	d.mu.Unlock()
	root := &dirNode{disk: d, epoch: epoch}
	opts := &fs.Options{MountOptions: fuse.MountOptions{
		FsName:            "powerfs",
		Name:              "powerfs",
		DirectMountStrict: os.Geteuid() == 0,
		DisableXAttrs:     true,
		MaxWrite:          1 << 20,
	}}
	server, err := fs.Mount(dir, root, opts)
	if err != nil {
		return nil, fmt.Errorf("mount powerfs: %w", err)
	}
	return &Mount{server: server, dir: dir}, nil
}

// Unmount ends the mount. The kernel's cache of its files goes with it, so the
// next mount reads what the disk has. When a program still holds files open,
// the mount is detached and goes when they are closed.
func (m *Mount) Unmount() error {
	if err := m.server.Unmount(); err == nil {
		return nil
	}
	if err := syscall.Unmount(m.dir, syscall.MNT_DETACH); err != nil {
		return fmt.Errorf("unmount powerfs: %w", err)
	}
	return nil
}

// Supported returns why powerfs cannot be used here, or nil.
func Supported() error {
	f, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("FUSE is not available: %w", err)
	}
	return f.Close()
}

// dirNode is the only directory.
type dirNode struct {
	fs.Inode
	disk  *Disk
	epoch int
}

var (
	_ fs.NodeOnAdder   = (*dirNode)(nil)
	_ fs.NodeCreater   = (*dirNode)(nil)
	_ fs.NodeLinker    = (*dirNode)(nil)
	_ fs.NodeUnlinker  = (*dirNode)(nil)
	_ fs.NodeRenamer   = (*dirNode)(nil)
	_ fs.NodeFsyncer   = (*dirNode)(nil)
	_ fs.NodeGetattrer = (*dirNode)(nil)
	_ fs.NodeStatfser  = (*dirNode)(nil)
)

func (n *dirNode) OnAdd(ctx context.Context) {
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	for name, f := range n.disk.names {
		n.AddChild(name, n.inode(ctx, f), false)
	}
}

func (n *dirNode) inode(ctx context.Context, f *file) *fs.Inode {
	child := &fileNode{disk: n.disk, epoch: n.epoch, file: f}
	return n.NewPersistentInode(ctx, child, fs.StableAttr{Mode: fuse.S_IFREG})
}

func (n *dirNode) Create(ctx context.Context, name string, _, mode uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	f := &file{mode: mode & 0o777}
	errno := n.disk.do(n.epoch, func() {
		n.disk.names[name] = f
		f.attr(&out.Attr)
	})
	if errno != 0 {
		return nil, nil, 0, errno
	}
	return n.inode(ctx, f), nil, fuse.FOPEN_KEEP_CACHE, 0
}

func (n *dirNode) Link(_ context.Context, target fs.InodeEmbedder, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	f, ok := target.(*fileNode)
	if !ok {
		return nil, syscall.EPERM
	}
	errno := n.disk.do(n.epoch, func() {
		n.disk.names[name] = f.file
		f.file.attr(&out.Attr)
	})
	return f.EmbeddedInode(), errno
}

func (n *dirNode) Unlink(_ context.Context, name string) syscall.Errno {
	return n.disk.do(n.epoch, func() { delete(n.disk.names, name) })
}

func (n *dirNode) Rename(_ context.Context, name string, _ fs.InodeEmbedder, newName string, flags uint32) syscall.Errno {
	if flags != 0 {
		return syscall.ENOTSUP
	}
	return n.disk.do(n.epoch, func() {
		n.disk.names[newName] = n.disk.names[name]
		delete(n.disk.names, name)
	})
}

func (n *dirNode) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	return n.disk.do(n.epoch, n.disk.syncNames)
}

func (n *dirNode) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	out.Mode = fuse.S_IFDIR | 0o755
	return 0
}

func (n *dirNode) Statfs(_ context.Context, out *fuse.StatfsOut) syscall.Errno {
	const blocks = 1 << 22 // of 4 KiB: 16 GiB
	*out = fuse.StatfsOut{Blocks: blocks, Bfree: blocks, Bavail: blocks, Bsize: 4096, Frsize: 4096, NameLen: 255}
	return 0
}

type fileNode struct {
	fs.Inode
	disk  *Disk
	epoch int
	file  *file
}

var (
	_ fs.NodeOpener    = (*fileNode)(nil)
	_ fs.NodeReader    = (*fileNode)(nil)
	_ fs.NodeWriter    = (*fileNode)(nil)
	_ fs.NodeFsyncer   = (*fileNode)(nil)
	_ fs.NodeFlusher   = (*fileNode)(nil)
	_ fs.NodeGetattrer = (*fileNode)(nil)
	_ fs.NodeSetattrer = (*fileNode)(nil)
	_ fs.NodeAllocater = (*fileNode)(nil)
)

// Open leaves the kernel's page cache on: mmap, which SQLite's WAL index
// needs, does not work without. Writes still arrive one by one, as they happen.
func (n *fileNode) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return nil, fuse.FOPEN_KEEP_CACHE, n.disk.do(n.epoch, func() {})
}

func (n *fileNode) Read(_ context.Context, _ fs.FileHandle, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	var got int
	errno := n.disk.do(n.epoch, func() {
		if off < int64(len(n.file.current)) {
			got = copy(dest, n.file.current[off:])
		}
	})
	return fuse.ReadResultData(dest[:got]), errno
}

func (n *fileNode) Write(_ context.Context, _ fs.FileHandle, data []byte, off int64) (uint32, syscall.Errno) {
	errno := n.disk.do(n.epoch, func() {
		n.disk.change(n.file, change{off: off, data: slices.Clone(data)})
	})
	return uint32(len(data)), errno
}

func (n *fileNode) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	return n.disk.do(n.epoch, func() { n.disk.sync(n.file) })
}

// Flush is close(2): it makes nothing stable.
func (n *fileNode) Flush(context.Context, fs.FileHandle) syscall.Errno { return 0 }

func (n *fileNode) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	return n.disk.do(n.epoch, func() { n.file.attr(&out.Attr) })
}

func (n *fileNode) Setattr(_ context.Context, _ fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	return n.disk.do(n.epoch, func() {
		if size, ok := in.GetSize(); ok {
			n.disk.change(n.file, change{off: int64(size)})
		}
		if mode, ok := in.GetMode(); ok {
			n.file.mode = mode & 0o777
		}
		n.file.attr(&out.Attr)
	})
}

func (n *fileNode) Allocate(_ context.Context, _ fs.FileHandle, off, size uint64, mode uint32) syscall.Errno {
	if mode != 0 {
		return syscall.ENOTSUP
	}
	return n.disk.do(n.epoch, func() {
		if end := int64(off + size); end > int64(len(n.file.current)) {
			n.disk.change(n.file, change{off: end})
		}
	})
}

func (f *file) attr(a *fuse.Attr) {
	a.Mode = fuse.S_IFREG | f.mode
	a.Size = uint64(len(f.current))
	a.Blocks = (a.Size + sector - 1) / sector
	a.Nlink = 1
	a.Uid = uint32(os.Getuid())
	a.Gid = uint32(os.Getgid())
}
