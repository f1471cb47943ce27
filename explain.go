package esock

import (
	"syscall"
)

// What a refusal of the kernel means where the caller can do something about it: the wrong address, a call that comes too
// early or too late, a socket of the wrong type. fail looks here, and so do the calls with an address, once they have failed;
// a call that succeeds pays nothing. Refusals about the network or the peer are left as they are.

// explainedErrno is the system's refusal with what is known of its cause. In an Error the two stand apart: its Reason is the
// number alone.
type explainedErrno struct {
	errno syscall.Errno
	cause string
}

func (e *explainedErrno) Error() string { return e.errno.Error() + ": " + e.cause }
func (e *explainedErrno) Unwrap() error { return e.errno }

// takesNoConnections says why Listen and Accept are refused.
func (s *Socket) takesNoConnections() string {
	return "only stream and seqpacket sockets take connections, and this is a " + s.typ.String() + " socket"
}

// causeOf says why the kernel refuses the operation, "" if that is not known.
func (s *Socket) causeOf(op string, errno syscall.Errno) string {
	is := func(fact uint32) bool { return s.facts.Load()&fact != 0 }
	switch op {
	case "bind":
		if errno == syscall.EINVAL && is(factBound|factConnected|factListening) {
			return "the socket has an address already"
		}
	case "listen":
		switch {
		case errno == syscall.EOPNOTSUPP:
			return s.takesNoConnections()
		case errno == syscall.EINVAL && is(factConnected):
			return "the socket is connected"
		case errno == syscall.EINVAL && s.Domain() == Local && !is(factBound):
			return "the socket has no address: call Bind first"
		}
	case "accept":
		switch {
		case errno == syscall.EOPNOTSUPP:
			return s.takesNoConnections()
		case errno != syscall.EINVAL:
		case is(factShutRead):
			return "Shutdown has ended reading"
		case !is(factListening):
			return "the socket does not listen: call Listen first"
		}
	case "connect":
		switch {
		case errno != syscall.EISCONN && errno != syscall.EINVAL:
		case is(factListening):
			return "the socket listens"
		}
		if errno == syscall.EACCES {
			return s.needsBroadcast()
		}
	case "recv", "recvfrom", "recvmsg":
		switch {
		case errno != syscall.ENOTCONN:
		case is(factListening):
			return "the socket listens: Accept returns its connections"
		case !is(factConnected):
			return s.connectFirst()
		}
	case "recvmmsg", "sendmmsg":
		if errno == syscall.EOPNOTSUPP && s.typ != Dgram && s.typ != Raw {
			return "only datagram and raw sockets have batches of messages"
		}
		if op == "sendmmsg" {
			return s.causeOfSend(op, errno)
		}
	case "recverr", "zero_copy":
		if errno == syscall.EOPNOTSUPP {
			return "sockets of this kind have no error queue"
		}
	case "send", "sendto", "sendmsg", "sendv", "sendfile":
		return s.causeOfSend(op, errno)
	}
	return ""
}

// causeOfSend is causeOf for the operations that send.
func (s *Socket) causeOfSend(op string, errno syscall.Errno) string {
	f := s.facts.Load()
	switch {
	case errno == syscall.EPIPE && f&factWriteEnded != 0:
		return "Shutdown has ended writing"
	case errno == syscall.EISCONN:
		return "the socket is connected: send without an address"
	case errno == syscall.EINVAL && Protocol(s.proto) == SCTP && (s.Domain() == Inet || s.Domain() == Inet6):
		return "the association has no such stream, or sockets of this style take no such flag"
	case errno == syscall.EOPNOTSUPP && op != OpSendFile.String() && s.typ == Stream && f&factConnected == 0:
		return "a stream takes no address: " + s.connectFirst()
	case errno != syscall.EPIPE && errno != syscall.ENOTCONN && errno != syscall.EDESTADDRREQ:
	case s.typ == SeqPacket && Protocol(s.proto) == SCTP: // one-to-many: it may listen, and sends all the same
		return "there is no such association, or it has ended: use SendTo, a Msg with Addr, or Connect"
	case f&factListening != 0:
		return "the socket listens: Accept returns its connections"
	case f&factConnected != 0:
	case s.typ == Stream, s.typ == SeqPacket, op == OpSendFile.String():
		return s.connectFirst()
	default:
		return "there is no destination: use SendTo, a Msg with Addr, or Connect"
	}
	if errno == syscall.EACCES {
		return s.needsBroadcast()
	}
	return ""
}

// needsBroadcast says why a datagram socket may not send to a broadcast address, "" if that is not the reason.
func (s *Socket) needsBroadcast() string {
	if s.typ != Dgram || s.Domain() != Inet || s.broadcasts() {
		return ""
	}
	return "to a broadcast address it needs the option {socket, broadcast}"
}

// connectFirst says what a socket that is not connected lacks.
func (s *Socket) connectFirst() string {
	if s.facts.Load()&factTried != 0 {
		return "its Connect has not succeeded"
	}
	return "call Connect first"
}

// broadcasts reports whether SO_BROADCAST is on, or cannot be asked.
func (s *Socket) broadcasts() bool {
	if s.ref(opGetOpt) != nil {
		return true
	}
	defer s.unref()
	var on [4]byte
	_, r := cGetOptNative(s.h, syscall.SOL_SOCKET, syscall.SO_BROADCAST, on[:])
	return r < 0 || on != [4]byte{}
}

// blame adds the address, and what is wrong with it, to the error of a call that got it. It returns other errors as they are,
// those of a context among them.
func (s *Socket) blame(err error, a *Addr) error {
	e, ok := err.(*Error)
	if !ok || e == nil || e.Socket != s {
		return err
	}
	switch e.Reason.(type) {
	case syscall.Errno, errConnectTimeout:
		named := *e
		named.object = "to " + a.String()
		return withCause(&named, func(op string, errno syscall.Errno) string { return s.causeIn(op, a, errno) })
	}
	return err
}

// blameName adds the socket's own address to the error of a Listen that finds it in use.
func (s *Socket) blameName(err error) error {
	e, ok := err.(*Error)
	if !ok || e.Reason != syscall.EADDRINUSE || s.ref(e.Op) != nil {
		return err
	}
	defer s.unref()
	var c cAddr
	if cSockName(s.h, &c) == 0 {
		e.object = "at " + addrFromC(&c, Addr{}).String()
	}
	return err
}

// causeOfOpen says why the kernel opens no socket, "" if that is not known.
func causeOfOpen(d Domain, t Type, errno syscall.Errno) string {
	if errno == syscall.EPERM && (d == Packet || t == Raw) {
		return "it needs CAP_NET_RAW"
	}
	return ""
}

// withCause adds to an *Error without a cause what causeOf knows of its number in the operation.
func withCause(err error, causeOf func(op string, errno syscall.Errno) string) error {
	e, ok := err.(*Error)
	if !ok || e == nil || e.cause != "" { // nil: a context may have it as its error
		return err
	}
	errno, ok := e.Reason.(syscall.Errno)
	if !ok {
		return err
	}
	cause := causeOf(e.Op, errno)
	if cause == "" {
		return err
	}
	explained := *e // it may be a context's error, which others have, too
	explained.cause = cause
	return &explained
}

// causeIn says what is wrong with an address that the kernel refuses, "" if nothing is known to be.
func (s *Socket) causeIn(op string, a *Addr, errno syscall.Errno) string {
	d := s.Domain()
	switch {
	case errno == syscall.EACCES && op == "bind" && (d == Inet || d == Inet6) && a.Port() != 0:
		return "the port is privileged: it needs CAP_NET_BIND_SERVICE"
	case errno != syscall.EINVAL && errno != syscall.EAFNOSUPPORT:
		return ""
	case a.form == formShort:
		return "only inet and inet6 have such an address, and the socket is " + d.String()
	case a.Family() == Inet && d == Inet6:
		return "the address is inet, and the socket is inet6, where it is ::ffff:" + a.IP().String() + " (Inet6Addr)"
	case a.Family() != d:
		return "the address is " + a.Family().String() + ", and the socket is " + d.String()
	case a.Port() == 0 && (d == Inet || d == Inet6) && op != "bind":
		return "the address has no port"
	}
	return ""
}

// causeInFile says what is wrong with a file that sendfile(2) refuses, "" if nothing is known to be.
func causeInFile(f syscall.Conn, errno syscall.Errno) string {
	if f == nil || errno != syscall.EINVAL && errno != syscall.ESPIPE && errno != syscall.EISDIR {
		return ""
	}
	raw, err := f.SyscallConn()
	if err != nil {
		return ""
	}
	var st syscall.Stat_t
	if raw.Control(func(fd uintptr) { err = syscall.Fstat(int(fd), &st) }) != nil || err != nil {
		return ""
	}
	switch st.Mode & syscall.S_IFMT {
	case syscall.S_IFDIR:
		return "the file is a directory"
	case syscall.S_IFIFO, syscall.S_IFSOCK:
		return "a pipe or socket has no offset to send from"
	case syscall.S_IFREG, syscall.S_IFBLK:
		return ""
	}
	return "the file is of a kind that cannot be sent: read it, and Send"
}
