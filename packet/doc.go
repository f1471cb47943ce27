// Package packet finds packets in a stream of bytes, as Erlang's erlang:decode_packet/3 and the option packet of
// gen_tcp do: lengths of 1, 2 and 4 bytes, ASN.1 BER, Sun RPC, CORBA, FastCGI, TPKT and TLS records, lines, and the
// start lines and headers of HTTP.
//
// [Decode] takes a packet off a slice of bytes. [Parser] does so for a buffer that grows: it remembers how far it has
// searched, so that the cost is linear however the bytes arrive, and which line of an HTTP head comes next. [Decoder] reads
// from an io.Reader into its own buffer. [Append] and [AppendHeader] make packets to send.
//
// Decoding does not copy: a [Packet] is a view of the input, and is valid as long as those bytes are. It does not allocate
// either, except for an SSLv2 hello, which is delivered in another form.
//
// The package does not use sockets.
//
// # Limits
//
// A packet that announces more than [Options.PacketSize] is [ErrInvalid] as soon as its header is there. No packet is larger
// than 2^31-1 bytes with its header.
package packet
