package auditor

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
)

// peer returns the process at the other end of a loopback connection, or 0 when
// it is gone. It asks the kernel, so that the answer does not depend on the
// caller's word, and looks among the processes that have the auditor's parent:
// the servers of the test that started both.
//
// It has to be quick. A server that is killed leaves hundreds of requests in
// the auditor's sockets; time spent on each makes the next look younger.
func peer(c net.Conn) int {
	remote, ok := c.RemoteAddr().(*net.TCPAddr)
	local, ok2 := c.LocalAddr().(*net.TCPAddr)
	if !ok || !ok2 || remote.IP.To4() == nil || local.IP.To4() == nil {
		return 0
	}
	inode, err := diagInode(remote, local)
	switch {
	case err == nil:
		diagWorks.Store(true)
	case !diagWorks.Load():
		inode = procInode(remote)
	}
	if inode == 0 {
		return 0
	}
	return owners.find(inode)
}

// diagWorks is set once the kernel has answered a question: from then on, no
// answer means that there is no such socket.
var diagWorks atomic.Bool

// diagInode asks by netlink (sock_diag(7)) for the socket that is bound to
// local and connected to remote.
func diagInode(local, remote *net.TCPAddr) (uint32, error) {
	const (
		netlinkSockDiag  = 4
		sockDiagByFamily = 20
		size             = syscall.NLMSG_HDRLEN + 56
		inodeAt          = syscall.NLMSG_HDRLEN + 68
	)
	fd, err := syscall.Socket(syscall.AF_NETLINK, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, netlinkSockDiag)
	if err != nil {
		return 0, err
	}
	defer syscall.Close(fd)
	req := make([]byte, size)
	ne := binary.NativeEndian
	ne.PutUint32(req[0:], size)
	ne.PutUint16(req[4:], sockDiagByFamily)
	ne.PutUint16(req[6:], syscall.NLM_F_REQUEST)
	r := req[syscall.NLMSG_HDRLEN:]
	r[0], r[1] = syscall.AF_INET, syscall.IPPROTO_TCP
	ne.PutUint32(r[4:], ^uint32(0)) // in any state
	binary.BigEndian.PutUint16(r[8:], uint16(local.Port))
	binary.BigEndian.PutUint16(r[10:], uint16(remote.Port))
	copy(r[12:], local.IP.To4())
	copy(r[28:], remote.IP.To4())
	ne.PutUint64(r[48:], ^uint64(0)) // no cookie
	if err := syscall.Sendto(fd, req, 0, &syscall.SockaddrNetlink{Family: syscall.AF_NETLINK}); err != nil {
		return 0, err
	}
	answer := make([]byte, 4096)
	n, _, err := syscall.Recvfrom(fd, answer, 0)
	if err != nil {
		return 0, err
	}
	if n < inodeAt+4 || ne.Uint16(answer[4:]) != sockDiagByFamily {
		return 0, syscall.ENOENT
	}
	return ne.Uint32(answer[inodeAt:]), nil
}

// procInode finds the same in a file that lists all sockets.
func procInode(local *net.TCPAddr) uint32 {
	f, err := os.Open("/proc/net/tcp")
	if err != nil {
		return 0
	}
	defer f.Close()
	want := fmt.Sprintf("%08X:%04X", binary.NativeEndian.Uint32(local.IP.To4()), local.Port)
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) > 9 && fields[1] == want {
			inode, _ := strconv.ParseUint(fields[9], 10, 32)
			return uint32(inode)
		}
	}
	return 0
}

// owners remembers which process has which socket.
var owners = &ownerCache{pids: map[uint32]int{}}

type ownerCache struct {
	mu   sync.Mutex
	pids map[uint32]int // by inode, which the kernel does not use twice soon
}

func (o *ownerCache) find(inode uint32) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	if pid, ok := o.pids[inode]; ok {
		return pid
	}
	for _, pid := range append(siblings(), os.Getpid()) {
		o.scan(pid)
	}
	return o.pids[inode]
}

func (o *ownerCache) scan(pid int) {
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	fds, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, fd := range fds {
		to, _ := os.Readlink(filepath.Join(dir, fd.Name()))
		var inode uint32
		if _, err := fmt.Sscanf(to, "socket:[%d]", &inode); err == nil {
			o.pids[inode] = pid
		}
	}
}

func siblings() []int {
	var pids []int
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", os.Getppid()))
	for _, list := range lists {
		b, _ := os.ReadFile(list)
		for f := range strings.FieldsSeq(string(b)) {
			if pid, err := strconv.Atoi(f); err == nil && pid != os.Getpid() {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}
