package esock

import (
	"net"
	"sync"
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
	registry   *bool // whether sockets accepted here are registered; nil: as UseRegistry says
	meta       any
	spin       time.Duration
}

// The default buffer sizes, in bytes. OTP: rcvbuf, rcvctrlbuf, sndctrlbuf.
const (
	DefaultRcvBuf     = 8192
	DefaultRcvCtrlBuf = 1024
	DefaultSndCtrlBuf = 1024
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

// edit changes the options under s.mu, which keeps changes apart; readers take no lock.
func (s *Socket) edit(f func(o *otpOptions)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing() {
		return net.ErrClosed
	}
	o := *s.options()
	f(&o)
	s.otp.Store(&o)
	return nil
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

// Names of the options of level otp.
var otpNames = []string{"controlling_process", "debug", "domain", "fd", "iow", "meta", "rcvbuf", "rcvctrlbuf",
	"select_read", "sndctrlbuf", "spin", "use_registry"}

func badOTP(name string) error {
	return &InvalidError{What: "socket_option", Value: "otp." + name}
}

func badOTPValue(name string, v any, cause string) error {
	return &InvalidError{What: "socket_option", Value: "otp." + name, Cause: cause + ", not " + describe(v)}
}

// otpOption reads an option of level otp.
//
//	debug, iow, select_read, use_registry  bool
//	rcvbuf                                 int, or RcvBuf when N was set
//	rcvctrlbuf, sndctrlbuf, fd             int
//	spin                                   time.Duration
//	domain                                 Domain
//	meta                                   any
//	controlling_process                    *Mailbox
func (s *Socket) otpOption(name string) (any, error) {
	if name == "use_registry" { // of a closed socket, too
		return s.registered(), nil
	}
	if err := s.ref("getopt"); err != nil {
		return nil, net.ErrClosed
	}
	defer s.unref()
	o := s.options()
	switch name {
	case "debug":
		return o.debug, nil
	case "iow":
		return o.iow, nil
	case "select_read":
		return o.selectRead, nil
	case "rcvbuf":
		if o.rcvbufN > 0 {
			return RcvBuf{o.rcvbufN, o.rcvbuf}, nil
		}
		return o.rcvbuf, nil
	case "rcvctrlbuf":
		return o.rcvctrlbuf, nil
	case "sndctrlbuf":
		return o.sndctrlbuf, nil
	case "spin":
		return o.spin, nil
	case "meta":
		return o.meta, nil
	case "fd":
		return cFD(s.h), nil
	case "domain":
		return s.Domain(), nil
	case "controlling_process":
		return s.Owner(), nil
	}
	return nil, badOTP(name)
}

// setOTPOption sets an option of level otp. fd and domain cannot be set; use_registry only to true; sizes take an int or
// "default", rcvbuf also a RcvBuf. controlling_process goes from no owner to one; else call ControllingProcess.
func (s *Socket) setOTPOption(name string, v any) error {
	switch name {
	case "debug", "iow", "select_read", "use_registry":
		on, ok := v.(bool)
		if !ok {
			return badOTPValue(name, v, "it takes a boolean")
		}
		switch name {
		case "debug":
			return s.edit(func(o *otpOptions) { o.debug = on })
		case "iow":
			return s.edit(func(o *otpOptions) { o.iow = on })
		case "select_read":
			return s.edit(func(o *otpOptions) { o.selectRead = on })
		}
		if !on {
			return badOTPValue(name, v, "it can only be switched on")
		}
		if s.closing() {
			return net.ErrClosed
		}
		registry.add(s)
		return s.edit(func(o *otpOptions) { o.registry = &on })
	case "rcvbuf":
		size, n, ok := rcvBufValue(v)
		if !ok {
			return badOTPValue(name, v, "it takes a size from 1, RcvBuf, or default")
		}
		return s.edit(func(o *otpOptions) { o.rcvbuf, o.rcvbufN = size, n })
	case "rcvctrlbuf":
		size, ok := sizeValue(v, DefaultRcvCtrlBuf)
		if !ok {
			return badOTPValue(name, v, "it takes a size from 1, or default")
		}
		return s.edit(func(o *otpOptions) { o.rcvctrlbuf = size })
	case "sndctrlbuf":
		size, ok := sizeValue(v, DefaultSndCtrlBuf)
		if !ok {
			return badOTPValue(name, v, "it takes a size from 1, or default")
		}
		return s.edit(func(o *otpOptions) { o.sndctrlbuf = size })
	case "spin":
		d, ok := v.(time.Duration)
		if !ok || d < 0 {
			return badOTPValue(name, v, "it takes a time.Duration from 0")
		}
		return s.edit(func(o *otpOptions) { o.spin = d })
	case "meta":
		return s.edit(func(o *otpOptions) { o.meta = v })
	case "controlling_process":
		mb, ok := v.(*Mailbox)
		if !ok {
			return badOTPValue(name, v, "it takes a *Mailbox")
		}
		return s.ControllingProcess(nil, mb)
	case "fd", "domain":
		return badOTPValue(name, v, "it cannot be set")
	}
	return badOTP(name)
}

// maxBuffer is the largest buffer the library makes by itself.
const maxBuffer = 1 << 30

func sizeValue(v any, def int) (int, bool) {
	if v == "default" {
		return def, true
	}
	n, ok := v.(int)
	return n, ok && n > 0 && n <= maxBuffer
}

func rcvBufValue(v any) (size, n int, ok bool) {
	if b, is := v.(RcvBuf); is {
		if b.Size == 0 {
			b.Size = DefaultRcvBuf
		}
		size, ok = sizeValue(b.Size, 0)
		return size, b.N, ok && b.N >= 0 && b.N <= 1<<20
	}
	size, ok = sizeValue(v, DefaultRcvBuf)
	return size, 0, ok
}

// buffers are reused receive buffers, by size class. A result is copied out at its exact length, so that a
// small message does not keep a large buffer alive.
var buffers bufferPool

type bufferPool struct{ small sync.Pool }

func (p *bufferPool) get(size int) *[]byte {
	if size > 1<<16 {
		b := make([]byte, size)
		return &b
	}
	if b, ok := p.small.Get().(*[]byte); ok && cap(*b) >= size {
		*b = (*b)[:size]
		return b
	}
	b := make([]byte, size, max(size, DefaultRcvBuf))
	return &b
}

func (p *bufferPool) put(b *[]byte) {
	if cap(*b) <= 1<<16 {
		p.small.Put(b)
	}
}
