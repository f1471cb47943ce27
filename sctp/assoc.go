package sctp

import (
	"encoding/binary"
	"errors"
	"syscall"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/corecall"
)

// BindX adds addresses to those the socket is bound to, or binds it to all of them: an association has every one. The
// ports must be the same; of a bound socket, 0 stands for its port. A socket that listens or is connected takes more
// addresses, too; the associations learn of them where SCTPASCONFSupported is on. OTP: socket:bind/3 with add;
// sctp_bindx of RFC 6458. Errors: *esock.InvalidError "sockaddr"; those of bind(2).
func BindX(s *esock.Socket, addrs ...esock.Addr) error { return bindX(s, optBindXAdd, addrs) }

// UnbindX removes addresses from those the socket is bound to. One must stay. OTP: socket:bind/3 with remove. Errors:
// as BindX; EBUSY for the last one.
func UnbindX(s *esock.Socket, addrs ...esock.Addr) error { return bindX(s, optBindXRemove, addrs) }

func bindX(s *esock.Socket, opt int, addrs []esock.Addr) error {
	list, err := appendSockaddrs(nil, addrs)
	if err != nil {
		return failed("bindx", s, err)
	}
	return called("bindx", s.SetOptionNative(level, opt, list))
}

// ConnectX begins an association with a peer that has these addresses, and returns its number: the kernel tries one
// after the other until one answers. On a one-to-one socket it waits as esock.Socket.Connect does; with an
// *esock.Select FinishConnect completes it, with an *esock.Completion the library, and the number is there already.
// On a one-to-many socket it does not wait: an AssocChange says how the attempt ended, and messages may be sent
// meanwhile. OTP: gen_sctp:connectx_init/3; sctp_connectx of RFC 6458. Errors: *esock.InvalidError "sockaddr"; those of
// connect(2); EALREADY and EISCONN for an association that exists.
func ConnectX(s *esock.Socket, w esock.Wait, addrs ...esock.Addr) (assoc int32, err error) {
	list, err := appendSockaddrs(make([]byte, 4, 4+size6*len(addrs)), addrs)
	if err != nil {
		return 0, failed("connectx", s, err)
	}
	err = corecall.ConnectX(s, w, list)
	return int32(binary.NativeEndian.Uint32(list)), called("connectx", err)
}

// PeelOff makes a socket of an association of a one-to-many socket, which no longer has it. The new socket is
// one-to-many by its type, has this association alone, and is adopted by esock with the options; its descriptor is
// close-on-exec and nonblocking. When the association ends, receives on the new socket wait on: an AssocChange says so,
// and ECONNRESET once after an abort. OTP: gen_sctp:peeloff/2, socket:peeloff/2; sctp_peeloff of RFC 6458. Errors:
// EINVAL for no such association, or a one-to-one socket; *esock.InvalidError "options". After an error of esock.Adopt
// the association is lost with the new socket.
func PeelOff(s *esock.Socket, assoc int32, opts ...esock.OpenOption) (*esock.Socket, error) {
	var arg [12]byte // sctp_peeloff_flags_arg_t: number, descriptor, flags
	binary.NativeEndian.PutUint32(arg[0:], uint32(assoc))
	binary.NativeEndian.PutUint32(arg[8:], syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK) // before a fork sees it
	if _, err := s.GetOptionNative(level, optPeelOffFlags, arg[:]); err != nil {
		return nil, explained(called("peeloff", err), "the socket has no such association, or is one-to-one")
	}
	fd := int(int32(binary.NativeEndian.Uint32(arg[4:])))
	peeled, err := esock.Adopt(fd, append(opts[:len(opts):len(opts)], esock.TakeFD())...)
	if err != nil {
		syscall.Close(fd)
		return nil, err
	}
	return peeled, nil
}

// PeerNames returns the peer's addresses in an association. OTP: inet:peernames/2; sctp_getpaddrs of RFC 6458. Errors:
// EINVAL for no such association.
func PeerNames(s *esock.Socket, assoc int32) ([]esock.Addr, error) {
	return names(s, "peernames", optPeerAddrs, assoc)
}

// SockNames returns the addresses here in an association, or with 0 on a one-to-many socket those it is bound to; all
// of the machine's where it is bound to any. OTP: inet:socknames/2; sctp_getladdrs of RFC 6458. Errors: EINVAL for no
// such association.
func SockNames(s *esock.Socket, assoc int32) ([]esock.Addr, error) {
	return names(s, "socknames", optLocalAddrs, assoc)
}

// names asks for a list of addresses: struct sctp_getaddrs. The kernel says ENOMEM if they do not fit.
func names(s *esock.Socket, op string, opt int, assoc int32) ([]esock.Addr, error) {
	const head, most = 8, 1 << 16 // number and count; room for more addresses than an association can have
	for room := 512; ; room *= 4 {
		b := make([]byte, head+room)
		binary.NativeEndian.PutUint32(b, uint32(assoc))
		// The length that the kernel reports has the head for SCTP_GET_PEER_ADDRS, and not for SCTP_GET_LOCAL_ADDRS.
		_, err := s.GetOptionNative(level, opt, b)
		switch {
		case err != nil && errors.Is(err, syscall.ENOMEM) && room < most:
			continue
		case err != nil:
			return nil, explained(called(op, err), "the socket has no such association")
		}
		addrs, err := addressList(b[head:], binary.NativeEndian.Uint32(b[4:]))
		if err != nil {
			return nil, failed(op, s, err)
		}
		return addrs, nil
	}
}

// addressList reads the kernel's list of addresses. Errors: *esock.InvalidError "sockaddr" if it has fewer than its
// count says.
func addressList(b []byte, count uint32) ([]esock.Addr, error) {
	var addrs []esock.Addr
	for i := range count {
		a, n := sockaddr(b)
		if n == 0 || !a.IP().IsValid() {
			return nil, invalid("sockaddr", i, "the kernel's list ends before this address")
		}
		addrs, b = append(addrs, a), b[n:]
	}
	return addrs, nil
}

// called gives an error of the root's call the name of the operation here.
func called(op string, err error) error {
	if e, ok := err.(*esock.Error); ok && e != nil {
		return &esock.Error{Op: op, Socket: e.Socket, Reason: e.Reason}
	}
	return err
}

// refusal is the kernel's refusal of a call, with its cause. errors.Is finds the errno.
type refusal struct {
	errno syscall.Errno
	cause string
}

func (r *refusal) Error() string { return r.errno.Error() + ": " + r.cause }
func (r *refusal) Unwrap() error { return r.errno }

// explained adds the cause to an error of called whose reason is EINVAL. It returns other errors as they are.
func explained(err error, cause string) error {
	if e, ok := err.(*esock.Error); ok && e != nil && e.Reason == syscall.EINVAL {
		return failed(e.Op, e.Socket, &refusal{syscall.EINVAL, cause})
	}
	return err
}
