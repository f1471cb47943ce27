package esock

import (
	"fmt"
	"math"

	"github.com/esock-go/esock/internal/plain"
)

// ControlMessage is one control message (ancillary data; cmsg(3)), received with Msg.Control or sent with
// Msg.SetControl.
//
// A method named after a kind decodes the value, and returns false for a message of another kind. Data has the bytes
// of every received message. Data and the byte slices that methods return belong to the Msg, and the next receive
// overwrites them. To send, a function makes the message of one value, the method Control that of a structure, and
// other kinds are made of bytes:
//
//	esock.TTL(64)
//	esock.PktInfo4{IfIndex: 2}.Control()
//	esock.ControlMessage{Level: level, Type: typ, Data: bytes}
type ControlMessage struct {
	Level int    // syscall.SOL_SOCKET, syscall.SOL_IP, …
	Type  int    // syscall.SCM_RIGHTS, syscall.IP_TTL, …
	Data  []byte // as the kernel has it; nil in those that the constructors make of a value

	bad bool   // a value in it cannot be sent; badCause says why
	rec *cCmsg // kind and value; of a received message, in its Msg; nil: the bytes are all there is
}

var noRecord cCmsg

// at returns the record, for reading only.
func (c *ControlMessage) at() *cCmsg {
	if c.rec == nil {
		return &noRecord
	}
	return c.rec
}

func intControl(level, typ int, n int64) ControlMessage {
	c := ControlMessage{Level: level, Type: typ}
	c.rec = &cCmsg{kind: cmsgInt}
	*cmsgIntValue(c.at()) = n
	return c
}

func bytesControl(level, typ int, b []byte) ControlMessage {
	return ControlMessage{Level: level, Type: typ, Data: b}
}

func (c *ControlMessage) is(kind cU32, level int) bool {
	return c.at().kind == kind && c.Level == level
}

func (c *ControlMessage) int(level, typ int) (int, bool) {
	if !c.is(cmsgInt, level) || c.Type != typ {
		return 0, false
	}
	return int(*cmsgIntValue(c.at())), true
}

func (c *ControlMessage) uint32(level, typ int) (uint32, bool) {
	n, ok := c.int(level, typ)
	return uint32(n), ok
}

// bytes returns the value of a kind whose value is its bytes. They belong to the Msg.
func (c *ControlMessage) bytes(level, typ int) ([]byte, bool) {
	if !c.is(cmsgBytes, level) || c.Type != typ {
		return nil, false
	}
	return c.Data, true
}

// sent makes the record for cCmsgEncode, without the place of Data. The text says why the message cannot be sent.
func (c *ControlMessage) sent() (cCmsg, string) {
	switch {
	case !plain.FitsCInt(int64(c.Level)) || !plain.FitsCInt(int64(c.Type)):
		return cCmsg{}, "level and type are C ints"
	case c.Data == nil && c.at().kind == cmsgInt:
		if cause := c.misfit(*cmsgIntValue(c.at())); cause != "" {
			return cCmsg{}, cause
		}
	case c.bad:
		return cCmsg{}, c.badCause()
	case len(c.Data) > math.MaxInt32:
		return cCmsg{}, "too much data"
	case c.Level == 0 && c.Type == 0 && c.Data == nil:
		return cCmsg{}, "the zero ControlMessage"
	case c.Level == solIP && c.Type == ipRetOpts && len(c.Data) > maxIPOptions:
		return cCmsg{}, fmt.Sprintf("%s has %d bytes: it takes at most %d", c.name(), len(c.Data), maxIPOptions)
	}
	r := *c.at()
	r.level, r._type = cI32(c.Level), cI32(c.Type)
	r.offset, r.length = 0, 0
	switch r.kind {
	case cmsgInt, cmsgCredentials, cmsgTime, cmsgPktInfo4, cmsgPktInfo6, cmsgSCTPInit, cmsgSCTPSndRcv, cmsgSCTPSndInfo:
		if c.Data == nil {
			return r, ""
		}
	}
	r.kind = cmsgRaw // what was received, or is given as bytes, goes as it is
	return r, ""
}

// badCause says why a bad message cannot be sent. The Control methods only set bad, so that the compiler keeps what they make
// on the caller's stack.
func (c *ControlMessage) badCause() string {
	switch {
	case !c.bad:
		return ""
	case c.is(cmsgCredentials, solSocket):
		return "the PID does not fit a C int"
	case c.at().kind == cmsgTime:
		return "the time is zero"
	case c.Level == solSocket && c.Type == scmRights:
		return fmt.Sprintf("rights: more than %d descriptors, or a number that is none", maxRights)
	case c.is(cmsgPktInfo4, solIP):
		return "IfIndex is out of range, or an address is not IPv4"
	}
	return "IfIndex is out of range, or the address has a zone, which is for IfIndex"
}

// intRanges are the values that a type of control message takes, where they are not those of a C int. A later row overrides.
var intRanges = []struct {
	level, typ int
	low, high  int64 // both included
}{
	{solIP, ipTTL, 1, 255},
	{solIP, ipTOS, 0, 255},
	{solIPv6, ipv6HopLimit, -1, 255},
	{solIPv6, ipv6TClass, -1, 255},
	{solIPv6, ipv6FlowInfo, 0, 1<<28 - 1},
	{solUDP, udpSegment, 0, math.MaxUint16},
	{solTLS, tlsSetRecordType, 0, math.MaxUint8},
	{solALG, algSetOp, 0, math.MaxUint32},
	{solALG, algSetAssocLen, 0, math.MaxUint32},
	{solSocket, anyType, 0, math.MaxUint32},
	{solSocket, scmTxTime, math.MinInt64, math.MaxInt64},
}

const anyType = -1

// maxIPOptions is the most bytes of options that an IPv4 header has. Linux cuts longer ones without a word.
const maxIPOptions = 40

// misfit says why n cannot be sent as this type.
func (c *ControlMessage) misfit(n int64) string {
	low, high := int64(math.MinInt32), int64(math.MaxInt32)
	for _, r := range intRanges {
		if r.level == c.Level && (r.typ == c.Type || r.typ == anyType) {
			low, high = r.low, r.high
		}
	}
	if n < low || n > high {
		return fmt.Sprintf("%s %d is out of range: it takes %d to %d", c.name(), n, low, high)
	}
	return ""
}

// maxRights is the most descriptors that Linux takes in one message (SCM_MAX_FD).
const maxRights = 253

// name is the level and type by OTP's names, or their numbers.
func (c *ControlMessage) name() string {
	return fmt.Sprintf("%v %v", plain.Levels.Value(c.Level), cmsgTypeNames[c.Level].Value(c.Type))
}

// controlMessages returns the control messages in an option's bytes.
func controlMessages(data []byte) []ControlMessage {
	var all []ControlMessage
	var pos uintptr
	for {
		c := ControlMessage{rec: new(cCmsg)}
		if cCmsgNext(data, &pos, c.rec) != 1 {
			return all
		}
		c.Level, c.Type = int(c.rec.level), int(c.rec._type)
		c.Data = data[c.rec.offset : c.rec.offset+c.rec.length]
		all = append(all, c)
	}
}
