package esock

import (
	"slices"
	"strconv"
)

// Op is an operation that can wait.
type Op uint8

// The operations. Their texts are the names of OTP's socket module.
const (
	OpNone Op = iota
	OpAccept
	OpRecv
	OpRecvFrom
	OpRecvMsg
	OpRawRead // SyscallConn; OTP has no such operation
	OpConnect
	OpSend
	OpSendTo
	OpSendMsg
	OpSendV
	OpSendFile
	OpRawWrite // SyscallConn
	OpRecvErr
	OpRecvMMsg
	OpSendMMsg
)

var opNames = [...]string{"none", "accept", "recv", "recvfrom", "recvmsg", "rawread", "connect", "send", "sendto", "sendmsg",
	"sendv", "sendfile", "rawwrite", "recverr", "recvmmsg", "sendmmsg"}

// The operations on options, which do not wait. Errors and traces have these names.
const (
	opGetOpt = "getopt"
	opSetOpt = "setopt"
)

func (o Op) String() string {
	if int(o) < len(opNames) {
		return opNames[o]
	}
	return strconv.Itoa(int(o))
}

// ParseOp parses "recvmsg" or the like. Errors: *InvalidError "operation".
func ParseOp(text string) (Op, error) {
	i := slices.Index(opNames[:], text)
	if i < 0 {
		return 0, &InvalidError{What: "operation", Value: text, Cause: "not a known name"}
	}
	return Op(i), nil
}

// direction is the lane that an operation uses. The error queue has its own, so that a call that waits for an error neither
// delays a receive nor waits behind one.
type direction uint8

const (
	reading direction = iota
	writing
	erring
)

func (o Op) direction() direction {
	switch {
	case o == OpRecvErr:
		return erring
	case o == OpRecvMMsg:
		return reading
	case o >= OpConnect:
		return writing
	}
	return reading
}

// exclusive reports whether the operation excludes the others of its direction while it is current.
func (o Op) exclusive() bool { return o == OpAccept || o == OpConnect }

// hold is what entering a lane for the operation adds to the state word, and leaving subtracts.
func (o Op) hold() uint64 {
	d := o.direction()
	if o.exclusive() {
		return stRef | stOwned(d) | stExclusive(d)
	}
	return stRef | stOwned(d)
}

// bits is the C poller's event of the direction.
func (d direction) bits() int {
	switch d {
	case reading:
		return eventIn
	case erring:
		return eventErr
	}
	return eventOut
}

func (d direction) selectedFact() uint32 {
	switch d {
	case reading:
		return factSelectedRead
	case writing:
		return factSelectedWrite
	}
	return 0
}
