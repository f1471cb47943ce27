package esock

import (
	"fmt"
	"net"
	"sync/atomic"
	"time"
)

// otpOptions holds a socket's settings. A value that a socket has is never changed, only replaced.
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

	host *simHost // no setting: the simulated host that the socket lives in, nil for the machine
}

// The default buffer sizes, in bytes. OTP's rcvctrlbuf and sndctrlbuf have 1,024, too few for the 253 descriptors that one
// message may carry on Linux.
const (
	DefaultRcvBuf     = 8192
	DefaultRcvCtrlBuf = 2048
	DefaultSndCtrlBuf = 2048
)

var defaultOptions = otpOptions{rcvbuf: DefaultRcvBuf, rcvctrlbuf: DefaultRcvCtrlBuf, sndctrlbuf: DefaultSndCtrlBuf}

// globalDebug is the trace switch of new sockets.
var globalDebug atomic.Bool

// RcvBuf is the value of {otp, rcvbuf}: the size of the library's receive buffers and, if N is not 0, how many of them
// one RecvBytes fills at most. OTP: Size | {N, Size}.
type RcvBuf struct {
	N    int // 0: one, and Size alone was set
	Size int // bytes; 0: the default
}

// dropMeta drops the value of SetMeta, at close. s.mu is held.
func (s *Socket) dropMeta() {
	if o := s.otp.Load(); o != nil && o.meta != nil {
		c := *o
		c.meta = nil
		s.otp.Store(&c)
	}
}

// Besides the kernel's options a socket has settings of the library: OTP's options of level otp. Each is a pair of methods, and
// package sockopt has them under OTP's names: sockopt.Get(s, "otp", "rcvbuf"). An accepted socket starts with its listener's
// settings, except Meta. The errors of setters are net.ErrClosed and an *InvalidError "socket_option" that names the setting.

// FD returns the socket's descriptor, -1 once closed. Do not close it. To keep it open during use, call SyscallConn.
// OTP: {otp, fd}.
func (s *Socket) FD() int {
	s = s.orClosed()
	if s.ref(opGetOpt) != nil {
		return -1
	}
	defer s.unref()
	return cFD(s.h)
}

// Registered reports whether the socket is in the registry or, once closed, was. OTP: {otp, use_registry}.
func (s *Socket) Registered() bool { return s.orClosed().registered() }

// Register enters the socket into the registry, as the option Registered(true) does. OTP: {otp, use_registry}, which
// cannot be switched off.
func (s *Socket) Register() error {
	return s.change("use_registry", func(*otpOptions) (cause string) {
		registry.add(s)
		return ""
	}, true)
}

// Debug reports whether the socket's operations are logged. OTP: {otp, debug}.
func (s *Socket) Debug() bool { return s.orClosed().options().debug }

// SetDebug switches logging of the socket's operations (see SetLogger).
func (s *Socket) SetDebug(on bool) error {
	return s.change("debug", func(o *otpOptions) string { o.debug = on; return "" }, on)
}

// IOW reports whether the owner gets a CounterWrapMsg. OTP: {otp, iow}.
func (s *Socket) IOW() bool { return s.orClosed().options().iow }

// SetIOW switches CounterWrapMsg, sent to the owner when a counter wraps.
func (s *Socket) SetIOW(on bool) error {
	return s.change("iow", func(o *otpOptions) string { o.iow = on; return "" }, on)
}

// SelectRead returns the setting of SetSelectRead. OTP: {otp, select_read}.
func (s *Socket) SelectRead() bool { return s.orClosed().options().selectRead }

// SetSelectRead makes each receive with NoWait or With that has data also register for the next one: a SelectMsg then
// follows without another call. OTP: {otp, select_read}.
func (s *Socket) SetSelectRead(on bool) error {
	return s.change("select_read", func(o *otpOptions) string { o.selectRead = on; return "" }, on)
}

// Meta returns the value of SetMeta, nil if none or closed. OTP: {otp, meta}.
func (s *Socket) Meta() any { return s.orClosed().options().meta }

// SetMeta attaches a value of any type to the socket, until Close.
func (s *Socket) SetMeta(v any) error {
	return s.change("meta", func(o *otpOptions) string { o.meta = v; return "" }, v)
}

// Spin returns the setting of SetSpin.
func (s *Socket) Spin() time.Duration { return s.orClosed().options().spin }

// SetSpin sets how long a call retries before parking: see Wait.Spin.
func (s *Socket) SetSpin(d time.Duration) error {
	return s.change("spin", func(o *otpOptions) string {
		if d < 0 {
			return "it takes a time from 0"
		}
		o.spin = d
		return ""
	}, d)
}

// maxBuffer is the size in bytes of the largest buffer that the library makes.
const maxBuffer = 1 << 30

// RcvBuf returns the setting of SetRcvBuf. OTP: {otp, rcvbuf}.
func (s *Socket) RcvBuf() RcvBuf {
	o := s.orClosed().options()
	return RcvBuf{o.rcvbufN, o.rcvbuf}
}

// SetRcvBuf sets the size in bytes of the buffer for receives without a length, and how many of them one receive
// fills. Size 0 is the default. The kernel's buffer is sockopt.SocketRcvBuf.
func (s *Socket) SetRcvBuf(b RcvBuf) error {
	return s.change("rcvbuf", func(o *otpOptions) string {
		size, ok := bufferSize(b.Size, DefaultRcvBuf)
		if !ok || b.N < 0 || b.N > 1<<20 {
			return "it takes a size from 1, default, or a count and a size"
		}
		o.rcvbuf, o.rcvbufN = size, b.N
		return ""
	}, b)
}

// RcvCtrlBuf returns the setting of SetRcvCtrlBuf. OTP: {otp, rcvctrlbuf}.
func (s *Socket) RcvCtrlBuf() int { return s.orClosed().options().rcvctrlbuf }

// SetRcvCtrlBuf sets the room in bytes for the control messages of one receive; 0 is DefaultRcvCtrlBuf.
func (s *Socket) SetRcvCtrlBuf(bytes int) error {
	return s.setSize("rcvctrlbuf", bytes, DefaultRcvCtrlBuf, func(o *otpOptions) *int { return &o.rcvctrlbuf })
}

// SndCtrlBuf returns the setting of SetSndCtrlBuf. OTP: {otp, sndctrlbuf}.
func (s *Socket) SndCtrlBuf() int { return s.orClosed().options().sndctrlbuf }

// SetSndCtrlBuf sets the room in bytes for the control messages of one send; 0 is DefaultSndCtrlBuf.
func (s *Socket) SetSndCtrlBuf(bytes int) error {
	return s.setSize("sndctrlbuf", bytes, DefaultSndCtrlBuf, func(o *otpOptions) *int { return &o.sndctrlbuf })
}

func (s *Socket) setSize(name string, n, def int, field func(o *otpOptions) *int) error {
	return s.change(name, func(o *otpOptions) string {
		size, ok := bufferSize(n, def)
		if !ok {
			return "it takes a size from 1, or default"
		}
		*field(o) = size
		return ""
	}, n)
}

// bufferSize is a size given to a setter; 0 stands for the default.
func bufferSize(n, def int) (int, bool) {
	if n == 0 {
		n = def
	}
	return n, n > 0 && n <= maxBuffer
}

// change replaces the settings. set changes a copy and says why it refuses the value, "" if it does not.
func (s *Socket) change(name string, set func(o *otpOptions) (cause string), value any) error {
	s = s.orClosed()
	s.mu.Lock()
	closing, o := s.closing(), *s.options()
	cause := ""
	if !closing {
		if cause = set(&o); cause == "" {
			s.otp.Store(&o)
		}
	}
	s.mu.Unlock()
	switch {
	case closing:
		return s.fail(opSetOpt, net.ErrClosed)
	case cause != "":
		return s.fail(opSetOpt, &InvalidError{What: "socket_option", Value: "otp." + name, Cause: cause + ", not " + describe(value)})
	}
	return nil
}

// describe formats a refused value.
func describe(v any) string {
	if v == nil {
		return "nil"
	}
	return fmt.Sprintf("%v (%T)", v, v)
}

// options returns the settings, the defaults if none was set.
func (s *Socket) options() *otpOptions {
	if o := s.otp.Load(); o != nil {
		return o
	}
	return &defaultOptions
}
