// Package netconn wraps esock's sockets as net.Conn, net.Listener and net.PacketConn, for programs that speak package net.
//
//	l, err := netconn.Listen("tcp", ":8080")
//	err = http.Serve(l, handler)
//
//	t := &http.Transport{DialContext: netconn.Dialer{}.DialContext}
//
// The types are pointers, as those of package net. A program that asserts them changes the name of the package:
//
//	if t, ok := c.(*netconn.TCPConn); ok { // was: c.(*net.TCPConn)
//		err = t.SetNoDelay(false)
//	}
//
// The page docs/netconn.md lists what has another name than in package net.
//
// ListenConfig and Dialer open sockets as net's do. NewConn, NewPacketConn and NewListener take a socket that the program
// has opened itself; FileConn, FilePacketConn, FileListener and ListenFDs take descriptors. The method Socket of a
// connection returns its socket, and SocketOf finds it beneath TLS. Adopt and Take go the other way, from a connection of
// package net.
//
// # What is the same
//
// Calls, their results and their order are those of package net. Addresses are its types. An error is a *net.OpError with
// net's words in Op; errors.Is finds os.ErrDeadlineExceeded, net.ErrClosed or a syscall.Errno in it, and io.EOF stands
// alone. Deadlines can move while a call waits, the zero time ends them, and they bind calls of SyscallConn too.
// Connections have TCP_NODELAY and keep-alive probes unless the program switches them off. A connection that nobody can
// reach any more is closed.
//
// # What differs
//
//   - Unix streams and sequenced packets are UnixConn, and datagrams UnixgramConn. So UnixConn has ReadFrom and WriteTo of
//     package io, for io.Copy, and UnixgramConn those of net.PacketConn.
//   - A value that no kernel takes, as a path that is too long or has a NUL byte, or a zone that is no interface, is an
//     *esock.InvalidError, which names it. errors.Is finds syscall.EINVAL in it.
//   - SetReadBuffer and SetWriteBuffer go beyond net.core.rmem_max and wmem_max where the process has CAP_NET_ADMIN.
//   - The error of a dial whose time is over is os.ErrDeadlineExceeded, too. Package net's is context.DeadlineExceeded alone in
//     some cases.
//   - WriteMsgUnix works on a connected UnixgramConn, with a nil address. ReadMsgUnix into no bytes and no control messages does
//     not report the end of a stream.
//   - A nil context is an error and not a panic. So are calls on nil pointers.
//   - Fd of an os.File that File returned does not make the descriptor block.
//   - The name of a protocol, as in "ip4:icmp", is one that esock.ParseProtocol knows; no file is read.
//   - An empty message on a sequenced-packet socket is a Read of 0 bytes without an error, and not the end.
//   - Buffers.WriteTo of package net sends one buffer at a time to connections of other packages. WriteBuffers sends them
//     together.
//   - Descriptors in truncated control messages are closed, and -1 in what ReadMsgUnix returns.
//   - Listen takes connections of MPTCP only where ListenConfig.MPTCP asks for it. Package net does so unless GODEBUG says
//     otherwise.
//   - A nil *TCPConn or the like, and the zero one, are closed connections.
//   - DialContext tries the addresses of a name as RFC 8305 has it, without a goroutine.
//
// Sockets of this package are not in the registry of package esock unless asked for: see Dialer.Registered. Other
// operations than those here, and all options, are those of the socket.
package netconn
