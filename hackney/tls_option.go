package hackney

import (
	"errors"
	"strings"
	"syscall"
	"time"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/packet"
)

// invalid is EINVAL with the argument and the cause.
func invalid(what string, value any, cause string) error {
	return &esock.InvalidError{What: what, Value: value, Cause: cause}
}

// refused is EINVAL for an option that gentcp.Opt refuses. It removes the option from the text of err, so that it is not
// there twice.
func refused(name string, given any, err error) error {
	var e *esock.InvalidError
	if errors.As(err, &e) {
		return e
	}
	return invalid(name, given, strings.TrimPrefix(err.Error(), invalid(name, given, "").Error()+": "))
}

// own reports whether this layer implements the option, so that the connection beneath does not get it.
func own(o gentcp.Option) bool {
	switch o.Name() {
	case "active", "packet", "packet_size", "line_delimiter", "mode", "list", "binary", "header", "deliver":
		return true
	}
	return false
}

// divide separates the options of a new connection: those of this layer, and those for the connection beneath. Errors:
// gentcp.ErrBadArg.
func divide(opts []gentcp.Option) (settings, []gentcp.Option, error) {
	o := settings{size: 64 << 20, exitOnClose: true, sendTimeout: gentcp.Infinity}
	beneath := append([]gentcp.Option(nil), baseOptions...)
	for _, opt := range opts {
		if !own(opt) {
			beneath = append(beneath, opt)
		}
		if err := o.set(opt); err != nil {
			return o, nil, badArg("connect", err.Error())
		}
	}
	return o, beneath, nil
}

// set stores an option that this layer uses. Errors: *esock.InvalidError.
func (s *settings) set(opt gentcp.Option) error {
	name, given := opt.Name(), opt.Value()
	if !own(opt) {
		switch name {
		case "exit_on_close", "show_econnreset", "send_timeout":
		default:
			return nil
		}
	}
	opt, err := gentcp.Opt(name, given)
	if err != nil {
		return refused(name, given, err)
	}
	switch v := opt.Value().(type) {
	case packet.Type:
		s.typ = v
	case bool:
		switch name {
		case "exit_on_close":
			s.exitOnClose = v
		case "show_econnreset":
			s.showReset = v
		}
	case time.Duration:
		s.sendTimeout = v
	case int:
		switch {
		case name == "packet_size":
			s.size = uint32(v)
		case name == "line_delimiter":
			s.delimiter = packet.DelimiterOf(byte(v))
		case name == "header" && v > 0:
			return invalid(name, v, "not supported over TLS")
		}
	case gentcp.DeliverAs:
		if v != gentcp.DeliverTerm {
			return invalid(name, v, "not supported over TLS")
		}
	}
	return nil
}

// setOpts is Transport.SetOpts.
func (c *TLSConn) setOpts(opts []gentcp.Option) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.delivery.Deliver()
	for _, o := range opts {
		if err := c.setOpt(o); err != nil {
			return err
		}
	}
	if len(opts) == 0 && !c.raw.Open() {
		return c.fail("setopts", syscall.EINVAL)
	}
	return nil
}

// setOpt sets one option. mu is held.
func (c *TLSConn) setOpt(o gentcp.Option) error {
	const op = "setopts"
	name := o.Name()
	switch {
	case !c.raw.Open():
		return c.fail(op, syscall.EINVAL)
	case name == "active":
		given := o.Value()
		o, err := gentcp.Opt(name, given)
		if err == nil {
			err = c.delivery.SetActive(o.Value())
		} else {
			err = refused(name, given, err)
		}
		return c.fail(op, err)
	case !own(o):
		if err := c.raw.SetOpts(o); err != nil {
			return err
		}
	}
	c.delivery.Settle()
	if err := c.settings.set(o); err != nil {
		return c.fail(op, err)
	}
	switch name {
	case "packet":
		// A new parser: http begins with a start line again.
		c.parser, _ = packet.NewParser(c.settings.typ, c.settings.decoding()) // they were checked
	case "packet_size", "line_delimiter":
		c.parser.SetOptions(c.settings.decoding()) // they were checked
	}
	c.delivery.Changed()
	return nil
}
