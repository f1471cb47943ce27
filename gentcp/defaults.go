package gentcp

import (
	"slices"
	"sync/atomic"
)

// The default options of the process; nil: none.
var connectDefaults, listenDefaults atomic.Pointer[[]Option]

// SetDefaultConnectOptions sets the options that come before those of every later Connect and ConnectAddr, where the later
// of two wins. It replaces earlier defaults; without options there are none. It is safe for concurrent use.
//
// active has no effect: a connection starts in mode true unless its own options say otherwise. Options about one socket are
// refused: fd, port, ip, ifaddr, inet_backend, tcp_module and the family words. Errors: ErrBadArg, and then the earlier
// defaults stay. OTP: inet_default_connect_options.
func SetDefaultConnectOptions(opts ...Option) error {
	return setDefaults("default_connect_options", &connectDefaults, atConnect, opts)
}

// SetDefaultListenOptions is SetDefaultConnectOptions for Listen. OTP: inet_default_listen_options.
func SetDefaultListenOptions(opts ...Option) error {
	return setDefaults("default_listen_options", &listenDefaults, atListen, opts)
}

// DefaultConnectOptions returns the options of SetDefaultConnectOptions, without active.
func DefaultConnectOptions() []Option { return slices.Clone(defaultsAt(atConnect)) }

// DefaultListenOptions returns the options of SetDefaultListenOptions, without active.
func DefaultListenOptions() []Option { return slices.Clone(defaultsAt(atListen)) }

func setDefaults(op string, to *atomic.Pointer[[]Option], where use, opts []Option) error {
	kept := make([]Option, 0, len(opts))
	for _, o := range opts {
		switch o.name {
		case "fd", "port", "ip", "ifaddr", "inet_backend", "tcp_module", "inet", "inet6", "local":
			return &Error{Op: op, Reason: &badArgument{"option", o.name, "it is about one socket, so it cannot be a default"}}
		case "active":
			if _, cause := checkActive(o.value); cause != "" {
				return &Error{Op: op, Reason: &badArgument{o.name, o.value, cause}}
			}
		default:
			kept = append(kept, o)
		}
	}
	if err := newCreation(nil, where, 0).takeAll(where, kept); err != nil {
		return &Error{Op: op, Reason: err}
	}
	to.Store(&kept)
	return nil
}

// defaultsAt returns the defaults of a call, which must not be changed.
func defaultsAt(where use) []Option {
	from := &connectDefaults
	if where == atListen {
		from = &listenDefaults
	}
	if opts := from.Load(); opts != nil {
		return *opts
	}
	return nil
}
