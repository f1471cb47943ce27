package esock

import (
	"fmt"
	"syscall"
)

// InvalidError is an invalid argument or a wrong time. OTP: {invalid, What}.
type InvalidError struct {
	What  string // what is invalid, by OTP's name: "timeout", "sockaddr", "state", "socket_option"
	Value any    // the value, where there is one
	Cause string // why, in a few words, where it is known
}

func (e *InvalidError) Error() string {
	if e == nil {
		return "<nil>"
	}
	s := "invalid " + e.What
	if e.What == "not_owner" { // OTP's name of the reason, not of an argument
		s = "not the owner"
	}
	switch e.Value {
	case nil:
	case "":
		s += ` ""`
	default:
		s += fmt.Sprintf(" %v", e.Value)
	}
	if e.Cause != "" {
		s += ": " + e.Cause
	}
	return s
}

// Is reports whether target has the same What, or is syscall.EINVAL.
func (e *InvalidError) Is(target error) bool {
	if t, ok := target.(*InvalidError); ok {
		if e == nil || t == nil {
			return e == t
		}
		return t.What == e.What && t.Value == nil && t.Cause == ""
	}
	return e != nil && target == syscall.EINVAL
}

// ErrState matches, with errors.Is, a call that the socket's state excludes: a receive while an accept waits. OTP:
// {invalid, state}.
var ErrState error = &InvalidError{What: "state"}

func stateError(cause string) error { return &InvalidError{What: "state", Cause: cause} }
