// Package hackney is Erlang's hackney_socket in Go: a small value that pairs a transport with one of its connections
// and forwards every call, so that an HTTP client, a pool, or a file sender does not care whether it talks plain TCP
// or TLS.
//
//	s, err := hackney.Connect(mb, hackney.TCP, "example.org", 80)
//	err = s.Send([]byte("GET / HTTP/1.0\r\n\r\n"))
//	p, err := s.RecvWait(0, esock.Within(5*time.Second)) // p.Data()
//	err = s.Close()
//
// A fresh socket is passive, binary and raw whatever its options say; active modes and packet types are set later,
// with SetOpts. The value has no state of its own: copies are the same socket, and equal ones have the same
// connection, so it can be the key of a map.
//
// # Transports
//
// TCP is package gentcp. TLS makes transports over crypto/tls that have the same active modes, packet types and
// options. Others are made by implementing Transport.
//
// # Active modes
//
// The messages in the owner's mailbox carry the connection of the transport (Socket.Sock), not the Socket. About
// tells whether a message belongs to a Socket, Event takes it apart without regard to the transport, and Leftover is
// what a pool asks before it hands a socket out again.
//
// # Errors
//
// They are the transport's, unchanged: see package gentcp, whose Reason gives OTP's atom for them. This package adds
// gentcp.ErrBadArg, gentcp.ErrNotOwner and EINVAL for arguments of its own.
package hackney
