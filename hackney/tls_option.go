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

// divide separates the options of a new connection: those of this layer, and those for the connection beneath, which gets the
// base options, too. Errors: gentcp.ErrBadArg.
func divide(opts []gentcp.Option) (settings, []gentcp.Option, error) {
	o := settings{size: 64 << 20, exitOnClose: true, sendTimeout: gentcp.Infinity}
	for _, opt := range gentcp.DefaultConnectOptions() {
		if opt, used, err := checked(opt); used && err == nil { // what TLS does not support is no default
			o.set(opt)
		}
	}
	var beneath []gentcp.Option
	for _, opt := range withBase(opts) {
		if !own(opt) || isBase(opt) {
			beneath = append(beneath, opt)
		}
		opt, used, err := checked(opt)
		if err != nil {
			return o, nil, badArg("connect", err.Error())
		}
		if used {
			o.set(opt)
		}
	}
	return o, beneath, nil
}

// checked returns an option that this layer uses with its value in the type that set takes; used is false for other options.
// A check may ask a value of the caller for its text, so no lock may be held. Errors: *esock.InvalidError.
func checked(opt gentcp.Option) (o gentcp.Option, used bool, err error) {
	name, given := opt.Name(), opt.Value()
	switch name {
	case "exit_on_close", "show_econnreset", "send_timeout":
	default:
		if !own(opt) {
			return opt, false, nil
		}
	}
	o, err = gentcp.Opt(name, given)
	if err != nil {
		return o, true, refused(name, given, err)
	}
	switch v := o.Value().(type) {
	case int:
		if name == "header" && v > 0 {
			err = invalid(name, v, "not supported over TLS")
		}
	case gentcp.DeliverAs:
		if v != gentcp.DeliverTerm {
			err = invalid(name, v, "not supported over TLS")
		}
	}
	return o, true, err
}

// isBase reports whether this is one of the base options.
func isBase(opt gentcp.Option) bool {
	switch opt.Name() {
	case "active", "packet", "binary":
		return true
	}
	return false
}

// set stores an option that was checked.
func (s *settings) set(opt gentcp.Option) {
	name := opt.Name()
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
			s.size = v
		case name == "line_delimiter":
			s.delimiter = packet.DelimiterOf(byte(v))
		}
	}
}

// setOpts is Transport.SetOpts.
func (c *TLSConn) setOpts(opts []gentcp.Option) error {
	changes := make([]change, len(opts))
	for i, o := range opts { // before the lock is taken
		changes[i] = change{given: o}
		changes[i].checked, changes[i].used, changes[i].err = checked(o)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.delivery.Deliver()
	for _, x := range changes {
		if err := c.set(x); err != nil {
			return err
		}
	}
	if len(opts) == 0 && !c.raw.Open() {
		return c.fail("setopts", syscall.EINVAL)
	}
	return nil
}

// change is an option of setOpts, with the results of checked.
type change struct {
	given, checked gentcp.Option
	used           bool
	err            error
}

// set sets one option. mu is held.
func (c *TLSConn) set(x change) error {
	const op = "setopts"
	name := x.given.Name()
	switch {
	case !c.raw.Open():
		return c.fail(op, syscall.EINVAL)
	case x.err != nil:
		return c.fail(op, x.err)
	case name == "active":
		return c.fail(op, c.delivery.SetActive(x.checked.Value()))
	case !own(x.given):
		if err := c.raw.SetOpts(x.given); err != nil {
			return err
		}
	}
	if !x.used {
		return nil
	}
	c.delivery.Settle()
	c.settings.set(x.checked)
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
