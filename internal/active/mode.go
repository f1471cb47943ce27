// Package active is Erlang's option active, {active, true | false | once | N}: how the packets of a connection reach its owner
// as messages, and how that goes together with receives. Packages gentcp and hackney build their connections on it, over TCP
// and over TLS. OTP: inet:setopts/2.
//
// Mode is a value of the option, with the arithmetic of {active, N}. Delivery is what a connection has: it makes messages of
// packets, and knows the owner, the turns of receives, and the end of the stream. The connection is its Source.
package active

import (
	"math"

	"github.com/esock-go/esock"
)

// Once is the value once of option active.
const Once = once("once")

type once string

// Mode says how many more packets become messages. The zero value is passive.
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

// Value is the option's value: true, false, Once, or the count that is left.
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

// Set is the mode after {active, v}: a bool, Once, or an int from -32768 to 32767. A number is added to a count, and begins
// one in every other mode. A count that is not above 0 afterwards is spent, as is one that false ends: the
// connection is passive, and its owner is told so. The error is EINVAL: the sum is above 32767, and the mode stays.
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
		return m, false, &esock.InvalidError{What: "active", Value: v, Cause: "with what is left it is more than 32767"}
	case left <= 0:
		return Mode{}, true, nil
	}
	return Mode{modeCount, int16(left)}, false, nil
}

// After is the mode when one more packet has become a message; spent as in Set.
func (m Mode) After() (to Mode, spent bool) {
	switch {
	case m.kind == modeTrue:
		return m, false
	case m.left > 1:
		return Mode{modeCount, m.left - 1}, false
	}
	return Mode{}, m.kind == modeCount
}
