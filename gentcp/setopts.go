package gentcp

import (
	"errors"
	"fmt"
	"net"
	"syscall"
)

// SetOpts sets options of a living socket, from the first to the last, and stops at the first that fails: those
// before it stay set. The words of the address family, ip, backlog and tcp_module are accepted and ignored; the other
// options of creation are EINVAL, and so are values that do not fit and options of the other address family. After
// the end of the stream (exit_on_close false) active is accepted and ignored. Errors: EINVAL, also on a closed
// socket; those of setsockopt(2). OTP: inet:setopts/2.
func (s *Socket) SetOpts(opts ...Option) error {
	if !s.made() {
		return notMade("setopts")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.delivery.Deliver() // with all of them set: what active is set to before packet is still about packets
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

// optionError makes EINVAL of the kernel's answer that the socket has no such option, and of it being closed.
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
		return invalid("option", o.name, "there is none of that name")
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
			s.delivery.Settle() // what was announced is what it was announced as
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

// GetOpts reads options, in the order asked. Those that this system or socket does not have are left out, and so are
// the watermarks and exclusiveaddruse, which nothing keeps. An unknown name fails the whole call. Errors: EINVAL, also on a closed socket; those of
// getsockopt(2). OTP: inet:getopts/2.
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

// getOpt reads one option; false: the socket has none. s.mu is held.
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
		return o, false, invalid("option", name, "there is none of that name to be read")
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

// Opt reads one option: GetOpts of one name. Errors: also ENOPROTOOPT when this socket does not have it.
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
