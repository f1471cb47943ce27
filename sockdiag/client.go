package sockdiag

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"github.com/esock-go/esock"
)

// Numbers of <linux/netlink.h> and <linux/sock_diag.h>.
const (
	protocolSockDiag = 4  // NETLINK_SOCK_DIAG
	byFamily         = 20 // SOCK_DIAG_BY_FAMILY

	headerSize = 16 // struct nlmsghdr
	attrSize   = 4  // struct nlattr

	flagRequest     = 0x1
	flagInterrupted = 0x10  // NLM_F_DUMP_INTR
	flagDump        = 0x300 // NLM_F_ROOT | NLM_F_MATCH

	typeError = 2
	typeDone  = 3
)

// patience is how long the kernel may take to answer, which it does within the call.
const patience = 30 * time.Second

// ErrInterrupted is the error of an iteration in which the kernel's tables changed so that sockets may be missing, or may have
// come twice. It follows the last socket. Ask again.
var ErrInterrupted = errors.New("sockdiag: the list changed while it was read")

// A MalformedError says that an answer of the kernel makes no sense.
type MalformedError struct {
	What string // of the answer
}

func (e *MalformedError) Error() string { return "sockdiag: malformed answer: " + e.What }

// unsupported is the error for a family that the kernel has no module for.
type unsupported struct {
	what, module string
	err          error
}

func (e *unsupported) Error() string {
	return fmt.Sprintf("sockdiag: %s: %v: the kernel needs the module %s", e.what, e.err, e.module)
}

func (e *unsupported) Unwrap() []error { return []error{e.err, errors.ErrUnsupported} }

// Client asks the kernel. One goroutine at a time uses it. The zero Client is closed. A loop over an iteration that is left by a
// panic or by runtime.Goexit closes the Client, because the rest of the answer is unread.
type Client struct {
	s     *esock.Socket
	msg   esock.Msg
	seq   uint32
	busy  bool // an iteration is going on
	names names

	inet    InetSocket
	unix    UnixSocket
	packet  PacketSocket
	netlink NetlinkSocket
	vsock   VSockSocket
}

// Open makes a Client for the network namespace of the caller, or the one of esock.NetNS. Errors: those of esock.Open.
func Open(options ...esock.OpenOption) (*Client, error) {
	s, err := esock.Open(esock.Netlink, esock.Raw, protocolSockDiag, options...)
	if err != nil {
		return nil, err
	}
	c := &Client{s: s, names: names{}}
	c.msg.Buf = make([]byte, 64<<10) // the kernel's messages of a dump have up to 32 KiB
	return c, nil
}

// Close closes its socket. Errors: net.ErrClosed.
func (c *Client) Close() error {
	if c == nil || c.s == nil {
		return errClosed
	}
	return c.s.Close()
}

var errClosed = fmt.Errorf("sockdiag: the client is closed: %w", net.ErrClosed)

// errNil is the error of a Decode without a socket to write to.
var errNil error = &esock.InvalidError{What: "socket", Cause: "it is nil"}

// names has texts that were seen, so that they are not allocated again. A nil map remembers nothing.
type names map[string]string

// of returns a string of b.
func (n names) of(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	if s, known := n[string(b)]; known {
		return s
	}
	s := string(b)
	if n != nil {
		if len(n) >= maxNames {
			clear(n)
		}
		n[s] = s
	}
	return s
}

// maxNames bounds the memory of a Client on a host with very many unix sockets.
const maxNames = 1 << 14

// request begins a message that asks for all sockets.
func request(size int) []byte {
	m := make([]byte, headerSize, headerSize+size+16)
	binary.NativeEndian.PutUint16(m[4:], byFamily)
	binary.NativeEndian.PutUint16(m[6:], flagRequest|flagDump)
	return m
}

// dump sends a request, and calls each with the body of every answer until that returns false. what and module are for errors.
func (c *Client) dump(m []byte, what, module string, each func(body []byte) (bool, error)) error {
	if c == nil || c.s == nil {
		return errClosed
	}
	if c.busy {
		return fmt.Errorf("sockdiag: an iteration of this client is going on: %w", esock.ErrState)
	}
	c.busy = true
	inLoop := false // the caller's loop runs
	defer func() {
		c.busy = false
		if inLoop {
			c.s.Close()
		}
	}()
	c.seq++
	binary.NativeEndian.PutUint32(m, uint32(len(m)))
	binary.NativeEndian.PutUint32(m[8:], c.seq)
	if _, err := c.s.SendTo(m, esock.NetlinkAddr(0, 0), 0, esock.Within(patience)); err != nil {
		return err
	}
	var failed error
	interrupted, wanted := false, true
	for {
		if err := c.s.RecvMsg(&c.msg, esock.MsgCTrunc|esock.MsgTrunc, esock.Within(patience)); err != nil {
			return err
		}
		if c.msg.Flags&esock.MsgTrunc != 0 {
			return &MalformedError{fmt.Sprintf("a message of %d bytes, of which %d fit", c.msg.FullLen, len(c.msg.Data()))}
		}
		// The rest of an answer is read even when nobody wants it, because the kernel answers one request at a time.
		rest := c.msg.Data()
		for len(rest) > 0 {
			var h header
			var body []byte
			var err error
			if h, body, rest, err = message(rest); err != nil {
				return err
			}
			switch {
			case h.seq != c.seq: // of an earlier request
			case h.kind == typeDone || h.kind == typeError:
				switch code := status(body); {
				case code == syscall.ENOENT || code == syscall.EPROTONOSUPPORT || code == syscall.EAFNOSUPPORT:
					return &unsupported{what, module, code}
				case code != 0:
					return fmt.Errorf("sockdiag: %s: %w", what, code)
				case failed != nil:
					return failed
				case interrupted && wanted:
					return ErrInterrupted
				}
				return nil
			case h.kind == byFamily:
				interrupted = interrupted || h.flags&flagInterrupted != 0
				if wanted {
					inLoop = true
					wanted, failed = each(body)
					inLoop = false
					wanted = wanted && failed == nil
				}
			}
		}
	}
}

// header is what is needed of a struct nlmsghdr.
type header struct {
	kind, flags uint16
	seq         uint32
}

// message takes the first message off.
func message(b []byte) (h header, body, rest []byte, err error) {
	if len(b) < headerSize {
		return h, nil, nil, &MalformedError{fmt.Sprintf("%d bytes are no message", len(b))}
	}
	n := binary.NativeEndian.Uint32(b)
	if n < headerSize || uint64(n) > uint64(len(b)) {
		return h, nil, nil, &MalformedError{fmt.Sprintf("a message of %d bytes in %d", n, len(b))}
	}
	h = header{binary.NativeEndian.Uint16(b[4:]), binary.NativeEndian.Uint16(b[6:]), binary.NativeEndian.Uint32(b[8:])}
	return h, b[headerSize:n], b[min(aligned(int(n)), len(b)):], nil
}

// status is the error in the body of NLMSG_ERROR and NLMSG_DONE, 0 if there is none.
func status(body []byte) syscall.Errno {
	if len(body) < 4 {
		return 0
	}
	return syscall.Errno(-min(int32(binary.NativeEndian.Uint32(body)), 0))
}

func aligned(n int) int { return (n + 3) &^ 3 }

// attribute takes the first attribute off. ok is false at the end, and where the bytes are none.
func attribute(b []byte) (kind uint16, value, rest []byte, ok bool) {
	if len(b) < attrSize {
		return 0, nil, nil, false
	}
	n := int(binary.NativeEndian.Uint16(b))
	if n < attrSize || n > len(b) {
		return 0, nil, nil, false
	}
	const nested, order = 1 << 15, 1 << 14
	return binary.NativeEndian.Uint16(b[2:]) &^ (nested | order), b[attrSize:n], b[min(aligned(n), len(b)):], true
}

// Numbers of attributes, which are 0 if the kernel gives fewer bytes.

func number8(b []byte) uint8 {
	if len(b) < 1 {
		return 0
	}
	return b[0]
}

func number16(b []byte) uint16 {
	if len(b) < 2 {
		return 0
	}
	return binary.NativeEndian.Uint16(b)
}

func number32(b []byte) uint32 {
	if len(b) < 4 {
		return 0
	}
	return binary.NativeEndian.Uint32(b)
}

func number64(b []byte) uint64 {
	if len(b) < 8 {
		return 0
	}
	return binary.NativeEndian.Uint64(b)
}

// text is the bytes before a NUL.
func text(b []byte) []byte {
	for i, c := range b {
		if c == 0 {
			return b[:i]
		}
	}
	return b
}
