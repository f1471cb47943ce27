package gentcp

import (
	"time"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/packet"
)

// settings are the options of this layer, those that are not the kernel's. A value that a socket has is never
// changed: SetOpts puts another in its place. Accepted sockets begin with a copy of their listener's. The active mode
// is not among them (active.go).
type settings struct {
	typ              packet.Type
	packetSize       uint32
	delimiter        packet.Delimiter
	mode             DataMode
	header           int
	deliver          DeliverAs
	buffer           int
	readAhead        bool
	exitOnClose      bool
	showReset        bool
	sendTimeout      time.Duration // negative: none
	sendTimeoutClose bool
	delaySend        bool
}

// The defaults of OTP.
const (
	defaultPacketSize = 64 << 20
	defaultBuffer     = 8192
	defaultBacklog    = 5
)

var defaults = settings{
	packetSize:  defaultPacketSize,
	buffer:      defaultBuffer,
	readAhead:   true,
	exitOnClose: true,
	sendTimeout: Infinity,
}

// sendWait is how long a Send may wait.
func (o *settings) sendWait() esock.Wait {
	if o.sendTimeout < 0 {
		return esock.Forever
	}
	return esock.Within(o.sendTimeout)
}

// decoding are the options of the decoder. A line that is too long for the buffer comes in parts, so on a socket the
// length of a line is the size of a packet.
func (o *settings) decoding() packet.Options {
	d := packet.Options{PacketSize: o.packetSize}
	if o.typ == packet.Line {
		d.LineLength, d.LineDelimiter = o.packetSize, o.delimiter
	}
	return d
}

// split is how many bytes Packet.Head has.
func (o *settings) split() int {
	if o.mode == ModeBinary {
		return o.header
	}
	return 0
}
