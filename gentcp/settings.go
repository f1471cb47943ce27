package gentcp

import (
	"time"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/packet"
)

// settings are the options that this layer implements, and not the kernel. The settings of a socket are immutable: SetOpts
// replaces them. Accepted sockets start with their listener's. The active mode is elsewhere, in the delivery.
type settings struct {
	typ              packet.Type
	packetSize       int
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

// The defaults are OTP's.
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

// sendWait is the wait of a Send, from send_timeout.
func (o *settings) sendWait() esock.Wait {
	if o.sendTimeout < 0 {
		return esock.Forever
	}
	return esock.Within(o.sendTimeout)
}

// decoding returns the options of the parser. A longer line than packet_size comes in parts, so line_length is packet_size.
func (o *settings) decoding() packet.Options {
	d := packet.Options{PacketSize: o.packetSize}
	if o.typ == packet.Line {
		d.LineLength, d.LineDelimiter = o.packetSize, o.delimiter
	}
	return d
}

// split returns how many bytes Packet.Head has at most.
func (o *settings) split() int {
	if o.mode == ModeBinary {
		return o.header
	}
	return 0
}
