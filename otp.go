package esock

import (
	"fmt"
	"net"
	"sync/atomic"
	"time"
)

// otpOptions are the options of level otp: the library's own. A value is never changed once a socket has it.
type otpOptions struct {
	rcvbuf     int
	rcvbufN    int // 0: not set
	rcvctrlbuf int
	sndctrlbuf int
	iow        bool
	debug      bool
	selectRead bool
	meta       any
	spin       time.Duration
}

// The default buffer sizes, in bytes. OTP: rcvbuf, rcvctrlbuf, sndctrlbuf, the last two of 1,024 bytes. Linux sends up to 253
// descriptors in one message, which alone are 1,032.
const (
	DefaultRcvBuf     = 8192
	DefaultRcvCtrlBuf = 2048
	DefaultSndCtrlBuf = 2048
)

var defaultOptions = otpOptions{rcvbuf: DefaultRcvBuf, rcvctrlbuf: DefaultRcvCtrlBuf, sndctrlbuf: DefaultSndCtrlBuf}

// globalDebug is what new sockets start with.
var globalDebug atomic.Bool

// RcvBuf is the value of {otp, rcvbuf}: how large a buffer the library makes, and, if N is not 0, how many of them one
// RecvBytes fills at most. OTP: Size | {N, Size}.
type RcvBuf struct {
	N    int // 0: one, and Size alone was set
	Size int // bytes; 0: the default
}

// dropMeta forgets the cookie, at close.
func (s *Socket) dropMeta() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.otp.Load(); o != nil && o.meta != nil {
		c := *o
		c.meta = nil
		s.otp.Store(&c)
	}
}

// An otpOption is one option of level otp. get is nil where it cannot be read, set where it cannot be set; set
// answers why a value is refused, "" if it is not.
type otpOption struct {
	name string
	get  func(s *Socket, o *otpOptions) any
	set  func(s *Socket, o *otpOptions, v any) (cause string)
}

// The options of level otp by name:
//
//	controlling_process                    *Mailbox; set where there is no owner yet, else see ControllingProcess
//	debug, iow, select_read, use_registry  bool; use_registry can only be switched on
//	domain                                 Domain; not set
//	fd                                     int; not set
//	meta                                   any
//	rcvbuf                                 int, or RcvBuf when N was set; "default"; a list [N, Size]
//	rcvctrlbuf, sndctrlbuf                 int; "default"
//	spin                                   time.Duration, or its text
var otpTable = []otpOption{
	{"controlling_process", func(s *Socket, _ *otpOptions) any { return s.Owner() }, nil},
	{"debug", func(_ *Socket, o *otpOptions) any { return o.debug }, otpBool(func(o *otpOptions, on bool) { o.debug = on })},
	{"domain", func(s *Socket, _ *otpOptions) any { return s.Domain() }, nil},
	{"fd", func(s *Socket, _ *otpOptions) any { return cFD(s.h) }, nil},
	{"iow", func(_ *Socket, o *otpOptions) any { return o.iow }, otpBool(func(o *otpOptions, on bool) { o.iow = on })},
	{"meta", func(_ *Socket, o *otpOptions) any { return o.meta },
		func(_ *Socket, o *otpOptions, v any) string { o.meta = v; return "" }},
	{"rcvbuf", func(_ *Socket, o *otpOptions) any {
		if o.rcvbufN > 0 {
			return RcvBuf{o.rcvbufN, o.rcvbuf}
		}
		return o.rcvbuf
	}, setRcvBuf},
	{"rcvctrlbuf", func(_ *Socket, o *otpOptions) any { return o.rcvctrlbuf },
		otpSize(DefaultRcvCtrlBuf, func(o *otpOptions) *int { return &o.rcvctrlbuf })},
	{"select_read", func(_ *Socket, o *otpOptions) any { return o.selectRead },
		otpBool(func(o *otpOptions, on bool) { o.selectRead = on })},
	{"sndctrlbuf", func(_ *Socket, o *otpOptions) any { return o.sndctrlbuf },
		otpSize(DefaultSndCtrlBuf, func(o *otpOptions) *int { return &o.sndctrlbuf })},
	{"spin", func(_ *Socket, o *otpOptions) any { return o.spin }, setSpin},
	{"use_registry", func(s *Socket, _ *otpOptions) any { return s.registered() }, setRegistered},
}

func otpBool(f func(o *otpOptions, on bool)) func(*Socket, *otpOptions, any) string {
	return func(_ *Socket, o *otpOptions, v any) string {
		on, ok := v.(bool)
		if !ok {
			return "it takes a boolean"
		}
		f(o, on)
		return ""
	}
}

// maxBuffer is the largest buffer the library makes by itself, in bytes.
const maxBuffer = 1 << 30

// size is a buffer size that a value stands for.
func size(v any, def int) (int, bool) {
	if v == "default" {
		return def, true
	}
	n, ok := integer(v)
	return int(n), ok && n > 0 && n <= maxBuffer
}

func otpSize(def int, field func(o *otpOptions) *int) func(*Socket, *otpOptions, any) string {
	return func(_ *Socket, o *otpOptions, v any) string {
		n, ok := size(v, def)
		if !ok {
			return "it takes a size from 1, or default"
		}
		*field(o) = n
		return ""
	}
}

func setRcvBuf(_ *Socket, o *otpOptions, v any) string {
	const cause = "it takes a size from 1, default, or a count and a size"
	var n int64
	switch b := v.(type) {
	case RcvBuf:
		n, v = int64(b.N), any(b.Size)
		if b.Size == 0 {
			v = "default"
		}
	case []any:
		var ok bool
		if len(b) != 2 {
			return cause
		}
		if n, ok = integer(b[0]); !ok || n < 1 {
			return cause
		}
		v = b[1]
	}
	bytes, ok := size(v, DefaultRcvBuf)
	if !ok || n < 0 || n > 1<<20 {
		return cause
	}
	o.rcvbuf, o.rcvbufN = bytes, int(n)
	return ""
}

func setSpin(_ *Socket, o *otpOptions, v any) string {
	d, ok := v.(time.Duration)
	if text, is := v.(string); is {
		var err error
		d, err = time.ParseDuration(text)
		ok = err == nil
	}
	if !ok || d < 0 {
		return "it takes a time from 0"
	}
	o.spin = d
	return ""
}

func setRegistered(s *Socket, o *otpOptions, v any) string {
	if v != true {
		return "it can only be switched on"
	}
	registry.add(s)
	return ""
}

func otpNamed(name string) (*otpOption, error) {
	for i := range otpTable {
		if otpTable[i].name == name {
			return &otpTable[i], nil
		}
	}
	return nil, &InvalidError{What: "socket_option", Value: "otp." + name, Cause: "not a known option"}
}

// otpOption reads an option of level otp. use_registry can be read of a closed socket, too.
func (s *Socket) otpOption(name string) (any, error) {
	row, err := otpNamed(name)
	if err != nil {
		return nil, err
	}
	if name == "use_registry" {
		return s.registered(), nil
	}
	if s.ref("getopt") != nil {
		return nil, net.ErrClosed
	}
	defer s.unref()
	return row.get(s, s.options()), nil
}

// setOTPOption sets an option of level otp.
func (s *Socket) setOTPOption(name string, v any) error {
	row, err := otpNamed(name)
	if err != nil {
		return err
	}
	if name == "controlling_process" {
		if mb, ok := v.(*Mailbox); ok && mb != nil {
			return s.ControllingProcess(nil, mb)
		}
		return &InvalidError{What: "socket_option", Value: "otp." + name, Cause: "it takes a *Mailbox, not " + describe(v)}
	}
	if row.set == nil {
		return &InvalidError{What: "socket_option", Value: "otp." + name, Cause: "it can only be read"}
	}
	s.mu.Lock()
	closing, o := s.closing(), *s.options()
	cause := ""
	if !closing {
		if cause = row.set(s, &o, v); cause == "" {
			s.otp.Store(&o)
		}
	}
	s.mu.Unlock()
	switch {
	case closing:
		return net.ErrClosed
	case cause != "":
		return &InvalidError{What: "socket_option", Value: "otp." + name, Cause: cause + ", not " + describe(v)}
	}
	return nil
}

// describe prints a value that was refused.
func describe(v any) string {
	if v == nil {
		return "nil"
	}
	return fmt.Sprintf("%v (%T)", v, v)
}

// options is what {otp, ...} options say, defaults included.
func (s *Socket) options() *otpOptions {
	if o := s.otp.Load(); o != nil {
		return o
	}
	return &defaultOptions
}
