package gentcp

import (
	"errors"
	"fmt"
	"net"
	"syscall"
)

// SetOpts sets options in their order, and stops at the first that fails; those before it stay set. It ignores the family
// words, ip, backlog and tcp_module. Other options of creation are EINVAL, as are invalid values and options of another
// address family. After the end of the stream (exit_on_close false) it ignores active. Errors: EINVAL, also on a closed
// socket; those of setsockopt(2). OTP: inet:setopts/2.
func (s *Socket) SetOpts(opts ...Option) error {
	if !s.made() {
		return notMade("setopts")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.delivery.Deliver() // after all options: active before packet in the list still delivers packets of the new type
	for _, o := range opts {
		if err := s.setOpt(o); err != nil {
			return s.fail("setopts", optionError(err))
		}
	}
	if len(opts) == 0 && s.sock.Closed() {
		return s.fail("setopts", syscall.EINVAL)
	}
	return nil
}

// optionError converts to EINVAL the errors for an option that the socket does not have, and for a closed socket.
func optionError(err error) error {
	err = reasonOf(err)
	if errors.Is(err, syscall.ENOPROTOOPT) {
		return fmt.Errorf("%w (%w)", syscall.EINVAL, err)
	}
	if errors.Is(err, ErrClosed) || errors.Is(err, syscall.EBADF) || errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("%w (the socket is closed)", syscall.EINVAL)
	}
	return err
}

// setOpt sets one option. s.mu is held.
func (s *Socket) setOpt(o Option) error {
	if s.sock.Closed() {
		return closedHere
	}
	if o.name == "raw" {
		value, ok := o.value.([]byte)
		if !ok {
			return invalid("raw", o.value, "it takes bytes")
		}
		return s.sock.SetOptionNative(o.level, o.opt, value)
	}
	r := rows[o.name]
	switch {
	case r == nil:
		return invalid("option", o.name, "unknown option")
	case r.use&ignored != 0:
		return nil
	case r.use == inGetOpts:
		return invalid("option", o.name, "it can only be read")
	case r.use&inSetOpts == 0:
		return invalid("option", o.name, "it can only be given when the socket is made")
	}
	v, cause := r.check(o.value)
	if cause != "" {
		return invalid(o.name, o.value, cause)
	}
	return s.apply(r, v)
}

// apply sets a checked option. s.mu is held.
func (s *Socket) apply(r *row, v any) error {
	switch {
	case r.name == "active":
		return s.delivery.SetActive(v)
	case r.set != nil:
		if !r.sends {
			s.delivery.Settle() // announced data keeps the options of its announcement
		}
		o := *s.opts.Load()
		r.set(&o, v)
		s.opts.Store(&o)
		if r.name == "packet" {
			s.input.restart(&o)
		} else {
			s.input.configure(&o)
		}
		s.delivery.Changed()
		return nil
	case r.setSocket == nil:
		return nil
	case !r.suits(s.sock):
		return invalid("option", r.name, "the socket is of the family "+s.sock.Domain().String())
	}
	return r.setSocket(s.sock, v)
}

// GetOpts reads options in the order of the names. It omits options that this system or socket does not have, and the
// watermarks and exclusiveaddruse, which are not stored. An unknown name fails the whole call. Errors: EINVAL, also on a
// closed socket; those of getsockopt(2). OTP: inet:getopts/2.
func (s *Socket) GetOpts(names ...Name) ([]Option, error) {
	const op = "getopts"
	if !s.made() {
		return nil, notMade(op)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sock.Closed() {
		return nil, s.fail(op, optionError(closedHere))
	}
	defer s.delivery.Deliver()
	found := make([]Option, 0, len(names))
	for _, name := range names {
		o, ok, err := s.getOpt(string(name))
		if err != nil {
			return nil, s.fail(op, optionError(err))
		}
		if ok {
			found = append(found, o)
		}
	}
	return found, nil
}

// getOpt reads one option; ok is false if the socket does not have it. s.mu is held.
func (s *Socket) getOpt(name string) (o Option, ok bool, err error) {
	if level, opt, value, ok := Name(name).raw(); ok {
		n, err := s.sock.GetOptionNative(level, opt, value)
		if err != nil && !lacks(err) {
			return o, false, err
		}
		return Raw(level, opt, value[:min(n, len(value))]), err == nil, nil
	}
	r := rows[name]
	switch {
	case r == nil || r.use&inGetOpts == 0:
		return o, false, invalid("option", name, "unknown, or not readable")
	case name == "active":
		return Option{name: name, value: s.delivery.Active()}, true, nil
	case r.get != nil:
		return Option{name: name, value: r.get(s.opts.Load())}, true, nil
	case r.getSocket == nil || !r.suits(s.sock):
		return o, false, nil
	}
	v, err := r.getSocket(s.sock)
	if err != nil {
		if lacks(err) {
			return o, false, nil
		}
		return o, false, err
	}
	return Option{name: name, value: v}, true, nil
}

// Opt reads the value of one option. Errors: those of GetOpts; ENOPROTOOPT when this socket does not have the option.
func (s *Socket) Opt(name Name) (any, error) {
	opts, err := s.GetOpts(name)
	switch {
	case err != nil:
		return nil, err
	case len(opts) == 0:
		return nil, s.fail("getopts", syscall.ENOPROTOOPT)
	}
	return opts[0].value, nil
}
