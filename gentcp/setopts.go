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
	var few [4]change
	changes := few[:0]
	for _, o := range opts { // before the lock is taken
		changes = append(changes, changeBy(o))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.delivery.Deliver() // after all options: active before packet in the list still delivers packets of the new type
	for _, c := range changes {
		if err := s.set(c); err != nil {
			return s.fail("setopts", optionError(err))
		}
	}
	if len(opts) == 0 && s.sock.Closed() {
		return s.fail("setopts", optionError(closedHere))
	}
	return nil
}

// change is an option that was checked: what SetOpts does, which for an ignored option is nothing, or why it does not.
type change struct {
	row   *row // nil: none, or the option is raw
	value any
	raw   Option
	err   error
}

// changeBy checks an option for SetOpts. No lock is held: a check may ask a value of the caller for its text.
func changeBy(o Option) change {
	if o.name == "raw" {
		if _, ok := o.value.([]byte); !ok {
			return change{err: invalid("raw", o.value, "it takes bytes")}
		}
		return change{raw: o}
	}
	r, cause := find(o.name, inSetOpts|ignored)
	switch {
	case cause != "":
		return change{err: invalid("option", named(o.name), cause)}
	case r.use&ignored != 0:
		return change{}
	}
	v, cause := r.check(o.value)
	if cause != "" {
		return change{err: invalid(o.name, o.value, cause)}
	}
	return change{row: r, value: v}
}

// optionError converts to EINVAL the errors for an option that the socket does not have, and for a closed socket.
func optionError(err error) error {
	err = reasonOf(err)
	if errors.Is(err, syscall.ENOPROTOOPT) {
		return fmt.Errorf("%w (%w)", syscall.EINVAL, err)
	}
	if errors.Is(err, ErrClosed) || errors.Is(err, syscall.EBADF) || errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("%w: the socket is closed", syscall.EINVAL)
	}
	return err
}

// set makes one change. s.mu is held.
func (s *Socket) set(c change) error {
	switch {
	case s.sock.Closed():
		return closedHere
	case c.err != nil:
		return c.err
	case c.row != nil:
		return s.apply(c.row, c.value)
	case c.raw.name != "":
		return s.sock.SetOptionNative(c.raw.level, c.raw.opt, c.raw.value.([]byte))
	}
	return nil
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
		return invalid("option", r.name, "it is not for "+s.sock.Domain().String()+" sockets")
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
	r, cause := find(name, inGetOpts)
	switch {
	case cause != "":
		return o, false, invalid("option", named(name), cause)
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
