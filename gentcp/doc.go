// Package gentcp is Erlang's gen_tcp in Go: TCP and local stream sockets that deliver packets. A packet goes to the caller
// of Recv (passive mode) or to the mailbox of the socket's owner (active modes). A socket uses one of fifteen packet types
// at a time. Socket.Socket returns the esock socket beneath, with all its options.
//
// An *esock.Mailbox stands where Erlang has a process. The first argument of Listen, Connect and Accept becomes the owner:
// it gets the messages of active modes, and closing it closes the socket. If it is nil, the socket has no owner and stays
// passive. A listener's mode applies to the sockets that it accepts.
//
//	l, err := gentcp.Listen(nil, 5678, gentcp.Binary(), gentcp.PacketType(packet.Len2))
//	s, err := l.Accept(nil, esock.Forever)
//	p, err := s.Recv(0, esock.Forever) // one packet: p.Data()
//	err = s.Send([]byte("answer"))
//
// # Active modes
//
// In mode true every packet becomes a message to the owner, in mode once the next packet, with a count N the next N packets.
// A receive from the mailbox reads the socket. If the owner does not receive, the data stays in the kernel, whose window
// then stops the peer. So in every mode a peer makes the process hold at most one read (option buffer) and one incomplete
// packet (option packet_size). Messages accumulate only through the owner: by a selective receive (Mailbox.ReceiveMatch)
// that passes over them, as in Erlang, and by setting options of reception again and again without receiving.
//
// # Errors
//
// errors.Is finds the reason of an error: ErrClosed, esock.ErrTimeout, ErrNotOwner, ErrBadArg, ErrNXDomain, or a
// syscall.Errno. Reason returns Erlang's atom for it.
//
// docs/from-erlang.md says what differs from OTP, and why.
package gentcp
