package sockdiag

import (
	"encoding/binary"
	"fmt"
	"iter"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/sockopt"
)

// UnixRequest says which unix sockets Client.Unix asks for: struct unix_diag_req.
type UnixRequest struct {
	States States // which states; zero for all
	Want   Has    // HasQueues, HasPeer, HasMemory, HasFile, HasUID; the name and Shutdown always come
}

// UnixSocket is a unix socket: struct unix_diag_msg of <linux/unix_diag.h> with its attributes.
type UnixSocket struct {
	Type   esock.Type
	State  State
	Inode  uint32 // of the descriptor, as in /proc/PID/fd
	Cookie uint64 // SO_COOKIE
	// Local is where it is bound, the zero Addr if it is not: a path, or an abstract name.
	Local    esock.Addr
	Shutdown Shutdown

	Has        Has
	Peer       uint32          // the inode of the peer, with HasPeer
	RecvQ      uint32          // bytes that wait to be read; of a listener, connections that wait for accept
	SendQ      uint32          // bytes that the peer has not read; of a listener, its backlog
	Memory     sockopt.MemInfo // bytes, as SO_MEMINFO
	FileInode  uint32          // of the path that it is bound to
	FileDevice uint32          // the device of the file system, as the kernel numbers it: 12 bits major, 20 minor
	UID        uint32          // the user; since Linux 5.3
}

// Numbers of <linux/unix_diag.h>.
const (
	unixRequestSize = 24
	unixSize        = 16

	unixName     = 0
	unixVFS      = 1
	unixPeer     = 2
	unixQueues   = 4
	unixMemory   = 5
	unixShutdown = 6
	unixUID      = 7
)

// Unix lists the unix sockets. The socket is valid until the next. Errors are as of Inet.
func (c *Client) Unix(r UnixRequest) iter.Seq2[*UnixSocket, error] {
	return func(yield func(*UnixSocket, error) bool) {
		show := uint32(1) // UDIAG_SHOW_NAME
		for part, bit := range map[Has]uint32{HasFile: 2, HasPeer: 4, HasQueues: 16, HasMemory: 32, HasUID: 64} {
			if r.Want&part != 0 {
				show |= bit
			}
		}
		m := request(unixRequestSize)
		m = append(m, byte(esock.Local), 0, 0, 0)
		m = binary.NativeEndian.AppendUint32(m, r.States.asked())
		m = binary.NativeEndian.AppendUint32(m, 0) // any inode
		m = binary.NativeEndian.AppendUint32(m, show)
		m = m[:headerSize+unixRequestSize]
		list(c, m, "unix sockets", "unix_diag", yield, func(body []byte) (*UnixSocket, bool, error) {
			err := c.unix.decode(body, c.names)
			return &c.unix, r.States.Has(c.unix.State), err
		})
	}
}

// Decode reads a message of SOCK_DIAG_BY_FAMILY without its struct nlmsghdr, as InetSocket.Decode does.
func (s *UnixSocket) Decode(body []byte) error {
	if s == nil {
		return errNil
	}
	return s.decode(body, nil)
}

func (s *UnixSocket) decode(b []byte, texts names) error {
	*s = UnixSocket{}
	if len(b) < unixSize || b[0] != byte(esock.Local) {
		return &MalformedError{fmt.Sprintf("%d bytes are no struct unix_diag_msg", len(b))}
	}
	s.Type, s.State, s.Inode, s.Cookie = esock.Type(b[1]), State(b[2]), number32(b[4:]), cookie(b[8:])
	for rest := b[unixSize:]; ; {
		kind, v, next, ok := attribute(rest)
		if !ok {
			return nil
		}
		rest = next
		switch kind {
		case unixName:
			s.Local = unixAddr(v, texts)
		case unixVFS:
			s.FileInode, s.FileDevice, s.Has = number32(v), number32(tail(v, 4)), s.Has|HasFile
		case unixPeer:
			s.Peer, s.Has = number32(v), s.Has|HasPeer
		case unixQueues:
			s.RecvQ, s.SendQ, s.Has = number32(v), number32(tail(v, 4)), s.Has|HasQueues
		case unixMemory:
			s.Memory, s.Has = memory(v), s.Has|HasMemory
		case unixShutdown:
			s.Shutdown, s.Has = Shutdown(number8(v)), s.Has|HasShutdown
		case unixUID:
			s.UID, s.Has = number32(v), s.Has|HasUID
		}
	}
}

// unixAddr is the address of a name: a path ends at a NUL, an abstract name begins with one.
func unixAddr(b []byte, texts names) esock.Addr {
	if len(b) > 0 && b[0] != 0 {
		b = text(b)
	}
	if len(b) == 0 {
		return esock.Addr{}
	}
	return esock.UnixAddr(texts.of(b))
}
