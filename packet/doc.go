// Package packet finds packets in a stream of bytes, as Erlang's erlang:decode_packet/3 and the option packet of
// gen_tcp do: lengths of 1, 2 and 4 bytes, ASN.1 BER, Sun RPC, CORBA, FastCGI, TPKT and TLS records, lines, and the
// start lines and headers of HTTP.
//
// There are three forms. [Decode] is a function of the bytes that are there. [Parser] is the same for a buffer that
// grows: it remembers what it has searched, so that the cost is linear however the bytes arrive, and which line of an
// HTTP head comes next. [Decoder] reads from an io.Reader with a buffer of its own.
//
// Nothing is copied: a [Packet] is a view of the bytes it was found in, and holds for as long as they do. Nothing is
// allocated either; an SSLv2 hello is the one packet that is not in the input as it is delivered.
//
// The package knows no sockets. [Append] and [AppendHeader] are the sender's side.
//
// # Limits
//
// Lengths announced by a peer are never believed further than [Options.PacketSize]: a larger packet is [ErrInvalid] as
// soon as its header is there. No packet is larger than 2^31-1 bytes with its header.
package packet
