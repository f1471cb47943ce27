package sockdiag

import (
	"encoding/binary"
	"fmt"
	"iter"

	"github.com/esock-go/esock"
)

// VSockRequest says which sockets of vsock(7) Client.VSock asks for: struct vsock_diag_req.
type VSockRequest struct {
	States States // which states; zero for all
}

// VSockSocket is a socket of vsock(7): struct vsock_diag_msg of <linux/vm_sockets_diag.h>.
type VSockSocket struct {
	Type        esock.Type
	State       State
	Shutdown    Shutdown
	Local, Peer esock.Addr
	Inode       uint32 // of the descriptor, as in /proc/PID/fd
	Cookie      uint64 // SO_COOKIE
}

const (
	vsockRequestSize = 24
	vsockSize        = 32
)

// VSock lists the sockets of vsock(7). The socket is valid until the next. Errors are as of Inet.
func (c *Client) VSock(r VSockRequest) iter.Seq2[*VSockSocket, error] {
	return func(yield func(*VSockSocket, error) bool) {
		m := request(vsockRequestSize)
		m = append(m, byte(esock.VSock), 0, 0, 0)
		m = binary.NativeEndian.AppendUint32(m, r.States.asked())
		m = m[:headerSize+vsockRequestSize]
		list(c, m, "vsock sockets", "vsock_diag", yield, func(body []byte) (*VSockSocket, bool, error) {
			err := c.vsock.Decode(body)
			return &c.vsock, r.States.Has(c.vsock.State), err
		})
	}
}

// Decode reads a message of SOCK_DIAG_BY_FAMILY without its struct nlmsghdr, as InetSocket.Decode does.
func (s *VSockSocket) Decode(b []byte) error {
	if s == nil {
		return errNil
	}
	*s = VSockSocket{}
	if len(b) < vsockSize || b[0] != byte(esock.VSock) {
		return &MalformedError{fmt.Sprintf("%d bytes are no struct vsock_diag_msg", len(b))}
	}
	s.Type, s.State, s.Shutdown = esock.Type(b[1]), State(b[2]), Shutdown(b[3])
	s.Local = esock.VSockAddr(number32(b[4:]), number32(b[8:]))
	s.Peer = esock.VSockAddr(number32(b[12:]), number32(b[16:]))
	s.Inode, s.Cookie = number32(b[20:]), cookie(b[24:])
	return nil
}
