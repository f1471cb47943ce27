// Package hackney is Erlang's hackney_socket in Go: a value that pairs a transport with one of its connections and forwards
// every call. So an HTTP client, a pool or a file sender works the same over plain TCP and TLS.
//
//	s, err := hackney.Connect(mb, hackney.TCP, "example.org", 80)
//	err = s.Send([]byte("GET / HTTP/1.0\r\n\r\n"))
//	p, err := s.RecvWait(0, esock.Within(5*time.Second)) // p.Data()
//	err = s.Close()
//
// A new socket is passive, binary and raw, whatever its options say; set active modes and packet types later, with SetOpts.
// The value has no state: copies are the same socket, and equal values have the same connection, so it can be the key of a
// map.
//
// # Transports
//
// TCP uses package gentcp. TLS makes transports over crypto/tls with the same active modes, packet types and options.
// Implement Transport to add another.
//
// # Active modes
//
// The messages in the owner's mailbox contain the connection of the transport (Socket.Sock), not the Socket. About reports
// whether a message is about a Socket, Event returns its parts for any transport, and Leftover reports whether a pool may
// use a socket again.
//
// # Errors
//
// Errors are those of the transport, unchanged; gentcp.Reason returns OTP's atom for them. This package adds
// gentcp.ErrBadArg, gentcp.ErrNotOwner and EINVAL for its own arguments.
package hackney
