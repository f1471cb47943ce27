// Package active implements Erlang's option active, {active, true | false | once | N}: the packets of a connection become
// messages to its owner, or wait for receives. Packages gentcp and hackney build their connections on it, over TCP and TLS.
// OTP: inet:setopts/2.
//
// Mode is a value of the option, with the arithmetic of {active, N}. Each connection has a Delivery, which makes messages of
// packets, and keeps the owner, the turns of receives and the end of the stream. The connection is its Source.
package active

import (
	"math"

	"github.com/esock-go/esock"
)

// Once is the value once of option active.
const Once = once("once")

type once string

// Mode is how many more packets become messages. The zero value is passive.
type Mode struct {
	kind kind
	left int16 // of a count: above 0
}

type kind uint8

const (
	modeFalse kind = iota
	modeTrue
	modeOnce
	modeCount
)

// On reports whether the next packet becomes a message.
func (m Mode) On() bool { return m.kind != modeFalse }

// Value returns the option's value: true, false, Once, or the remaining count.
func (m Mode) Value() any {
	switch m.kind {
	case modeTrue:
		return true
	case modeOnce:
		return Once
	case modeCount:
		return int(m.left)
	}
	return false
}

// Set returns the mode after {active, v}, where v is a bool, Once, or an int from -32768 to 32767. A number is added to a
// count, and starts a count in any other mode. spent: the count is not above 0 afterwards, or false ended it; the connection
// is passive, and its owner gets a message. The error is EINVAL: the sum is above 32767, and the mode stays.
func (m Mode) Set(v any) (to Mode, spent bool, err error) {
	switch v {
	case true:
		return Mode{kind: modeTrue}, false, nil
	case Once:
		return Mode{kind: modeOnce}, false, nil
	case false:
		return Mode{}, m.kind == modeCount, nil
	}
	left := v.(int) + int(m.left)
	switch {
	case left > math.MaxInt16:
		return m, false, &esock.InvalidError{What: "active", Value: v, Cause: "the count would be above 32767"}
	case left <= 0:
		return Mode{}, true, nil
	}
	return Mode{modeCount, int16(left)}, false, nil
}

// After returns the mode after one more packet has become a message, with spent as in Set.
func (m Mode) After() (to Mode, spent bool) {
	switch {
	case m.kind == modeTrue:
		return m, false
	case m.left > 1:
		return Mode{modeCount, m.left - 1}, false
	}
	return Mode{}, m.kind == modeCount
}
