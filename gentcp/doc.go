// Package gentcp is Erlang's gen_tcp in Go: TCP and local stream sockets that deliver packets, either to the caller
// that asks for one (passive mode: Recv) or to the mailbox of their owner (active modes), one framing out of fifteen at a time. It
// stands on package esock, so every option of that package is within reach through Socket.Socket.
//
// An *esock.Mailbox stands where Erlang has a process. The first argument of Listen, Connect and Accept is the caller:
// it becomes the owner, it gets the messages of active modes, and when it is closed so is the socket. It may be nil:
// such a socket is owned by nobody and stays passive. A listener's mode is that of the sockets it accepts.
//
//	l, err := gentcp.Listen(nil, 5678, gentcp.Binary(), gentcp.PacketType(packet.Len2))
//	s, err := l.Accept(nil, esock.Forever)
//	p, err := s.Recv(0, esock.Forever) // one packet: p.Data()
//	err = s.Send([]byte("answer"))
//
// # Active modes
//
// In mode true every packet becomes a message to the owner, in mode once one, with a count N as many. A receive from
// the mailbox does the reading: an owner that does not receive leaves the data with the
// kernel, whose window then stops the peer. So a peer makes the process hold at most what one read took (option buffer)
// and the packet it has begun (option packet_size), in every mode. Messages pile up only where the owner makes them:
// by a selective receive (Mailbox.ReceiveMatch) that passes over them, as in Erlang, and by setting options of what is
// received again and again without receiving.
//
// # Errors
//
// Reasons are values for errors.Is: ErrClosed, esock.ErrTimeout, ErrNotOwner, ErrBadArg, ErrNXDomain, and syscall.Errno
// for everything POSIX. Reason gives the atom that Erlang would show.
//
// What differs from OTP, and why, is in docs/from-erlang.md.
package gentcp
