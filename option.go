package esock

import (
	"iter"
	"math"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

//go:generate go run ./internal/optgen

// Option is a socket option with a value of type T. The options are variables of this package, named after their
// level and OTP's name: SocketReuseAddr, IPTTL, IPv6V6Only, TCPNoDelay, UDPCork. They are read with Get and set
// with Set. Socket.Option and Socket.SetOption do the same by name, Socket.GetOptionNative and
// Socket.SetOptionNative by numbers, for options that are not here.
type Option[T any] struct {
	row   int
	codec *codec[T]
}

// codec makes the core's form of a value (scalars in i, the rest in data) of a T, and back. A cause is why
// the value cannot be encoded.
type codec[T any] struct {
	encode func(T) (i int64, data []byte, cause string)
	decode func(i int64, data []byte) T
}

// Info describes the option.
func (o Option[T]) Info() OptionInfo { return optionRows[o.row] }

// Get reads the option: getsockopt(2), OTP socket:getopt/2. Errors: *InvalidError "socket_option" (it can only
// be set), net.ErrClosed, and the system's.
func (o Option[T]) Get(s *Socket) (v T, err error) {
	if o.codec == nil {
		return v, s.fail(opGetOpt, &InvalidError{What: "socket_option", Cause: "the zero Option"})
	}
	i, data, err := s.getRow(o.row)
	if err != nil {
		return v, err
	}
	return o.codec.decode(i, data), nil
}

// Set sets the option: setsockopt(2), OTP socket:setopt/3. Errors: *InvalidError "socket_option" (it can only be
// read, or the value does not fit), net.ErrClosed, and the system's.
func (o Option[T]) Set(s *Socket, v T) error {
	if o.codec == nil {
		return s.fail(opSetOpt, &InvalidError{What: "socket_option", Cause: "the zero Option"})
	}
	i, data, cause := o.codec.encode(v)
	if cause != "" {
		return s.fail(opSetOpt, optionError(o.row, v, cause))
	}
	return s.setRow(o.row, v, i, data)
}

const (
	opGetOpt       = "getopt"
	opSetOpt       = "setopt"
	opGetOptNative = "getopt_native"
	opSetOptNative = "setopt_native"
)

// OptionInfo describes one of the options that esock knows.
type OptionInfo struct {
	Level       string // "tcp"
	Name        string // "nodelay"
	Constant    string // "TCP_NODELAY"
	LevelNumber int    // the number of IPPROTO_TCP
	Number      int    // the number of TCP_NODELAY on Linux
	Codec       string // what the kernel takes: "bool", "int", "uint", "string", "linger", "ucred"
	CanGet      bool
	CanSet      bool
	Since       string // the first Linux that has it
	Doc         string // what it does, and units

	codec uint8
	max   int // bytes of data at the most
}

// Options lists all options that esock knows, except level otp, in the order of levels.
func Options() iter.Seq[OptionInfo] {
	return func(yield func(OptionInfo) bool) {
		for i := range optionRows {
			if !yield(optionRows[i]) {
				return
			}
		}
	}
}

// findOption gives the row of an option, or -1.
func findOption(level, name string) int {
	for i := range optionRows {
		if r := &optionRows[i]; r.Name == name && r.Level == level {
			return i
		}
	}
	return -1
}

// optionError is OTP's {invalid, {socket_option, Opt, Value}}; value nil: {invalid, {socket_option, Opt}}.
func optionError(row int, value any, cause string) error {
	name := optionRows[row].Level + "." + optionRows[row].Name
	if value == nil {
		return &InvalidError{What: "socket_option", Value: name, Cause: cause}
	}
	return &InvalidError{What: "socket_option", Value: value, Cause: name + ": " + cause}
}

// The table in Go and the rows in C are made of the same file. Should one have been built without the other, every
// row number would mean something else.
var optionTableError = sync.OnceValue(func() error {
	return compareOptionTables(cOptCount(), cOptHash())
})

func compareOptionTables(count int, hash uint64) error {
	if count == len(optionRows) && hash == optionHash {
		return nil
	}
	return &InvalidError{What: "socket_option",
		Cause: "option_table.go and csrc/esock_opt.def differ: run go generate, and build again"}
}

// optionResult is what the core's answer to an option call means.
func (s *Socket) optionResult(op string, row int, value any, r int) error {
	switch err := errnoOf(r); err {
	case nil:
		return nil
	case syscall.ENOTSUP:
		// The core says so of the wrong direction, but Linux of options on the wrong kind of socket, too.
		if op == opGetOpt && !optionRows[row].CanGet {
			return s.fail(op, optionError(row, nil, "can only be set"))
		}
		if op == opSetOpt && !optionRows[row].CanSet {
			return s.fail(op, optionError(row, nil, "can only be read"))
		}
		return s.fail(op, err)
	case syscall.ERANGE:
		return s.fail(op, optionError(row, value, "out of range"))
	default:
		return s.fail(op, err)
	}
}

// getRow reads an option. data is the caller's.
func (s *Socket) getRow(row int) (i int64, data []byte, err error) {
	if err := optionTableError(); err != nil {
		return 0, nil, s.fail(opGetOpt, err)
	}
	if err := s.ref(opGetOpt); err != nil {
		return 0, nil, err
	}
	defer s.unref()
	if n := optionRows[row].max; n > 0 {
		data = make([]byte, n)
	}
	n, r := cGetOpt(s.h, row, &i, data)
	if err := s.optionResult(opGetOpt, row, nil, r); err != nil {
		return 0, nil, err
	}
	return i, data[:min(n, len(data))], nil
}

// setRow sets an option; value is what the caller gave, for the error.
func (s *Socket) setRow(row int, value any, i int64, data []byte) error {
	if err := optionTableError(); err != nil {
		return s.fail(opSetOpt, err)
	}
	if err := s.ref(opSetOpt); err != nil {
		return err
	}
	defer s.unref()
	if err := s.optionResult(opSetOpt, row, value, cSetOpt(s.h, row, i, data)); err != nil {
		return err
	}
	s.optionWasSet(optionRows[row].LevelNumber, optionRows[row].Number)
	return nil
}

const ipv6AddrForm = 1

// optionWasSet notes what a setting changes in the socket itself.
func (s *Socket) optionWasSet(level, number int) {
	if level == solIPv6 && number == ipv6AddrForm {
		gauges.add(s, -1)
		cRefresh(s.h)
		s.dom.Store(int32(cDomain(s.h)))
		gauges.add(s, 1)
	}
}

// Linger says what close does with data that was not sent yet: SO_LINGER, socket(7).
type Linger struct {
	On   bool
	Time time.Duration // how long close waits, in whole seconds (rounded up); On with 0 aborts: data is thrown away
}

// The codecs. Each is one value, which the generated variables share.
var (
	boolCodec = codec[bool]{
		encode: func(v bool) (int64, []byte, string) {
			if v {
				return 1, nil, ""
			}
			return 0, nil, ""
		},
		decode: func(i int64, _ []byte) bool { return i != 0 },
	}
	intCodec      = numberCodec[int](math.MinInt32, math.MaxInt32)
	uintCodec     = numberCodec[uint](0, math.MaxUint32)
	domainCodec   = numberCodec[Domain](math.MinInt32, math.MaxInt32)
	typeCodec     = numberCodec[Type](math.MinInt32, math.MaxInt32)
	protocolCodec = numberCodec[Protocol](math.MinInt32, math.MaxInt32)
	errnoCodec    = numberCodec[syscall.Errno](0, math.MaxInt32)

	intSeconds       = durationCodec(time.Second, math.MaxInt32)
	uintMilliseconds = durationCodec(time.Millisecond, math.MaxUint32)

	stringCodec = codec[string]{
		encode: func(v string) (int64, []byte, string) { return 0, []byte(v), "" },
		decode: func(_ int64, data []byte) string { return string(data) },
	}
	lingerCodec = codec[Linger]{
		encode: func(v Linger) (int64, []byte, string) {
			n, cause := wholeUnits(v.Time, time.Second, math.MaxInt32)
			l := cLinger{onoff: int32(boolInt(v.On)), seconds: int32(n)}
			return 0, bytesOf(&l), cause
		},
		decode: func(_ int64, data []byte) Linger {
			l := valueOf[cLinger](data)
			return Linger{On: l.onoff != 0, Time: time.Duration(l.seconds) * time.Second}
		},
	}
	ucredCodec = codec[Credentials]{
		encode: func(v Credentials) (int64, []byte, string) {
			if !fitsCInt(int64(v.PID)) {
				return 0, nil, "the pid does not fit a C int"
			}
			u := cmsgCredValue{pid: int32(v.PID), uid: v.UID, gid: v.GID}
			return 0, bytesOf(&u), ""
		},
		decode: func(_ int64, data []byte) Credentials {
			u := valueOf[cmsgCredValue](data)
			return Credentials{PID: int(u.pid), UID: u.uid, GID: u.gid}
		},
	}
)

// cLinger has the layout of esock_linger, cmsgCredValue that of esock_ucred.
type cLinger struct{ onoff, seconds int32 }

func numberCodec[T ~int | ~uint | ~uintptr](low, high int64) codec[T] {
	return codec[T]{
		encode: func(v T) (int64, []byte, string) {
			// A uint above the greatest int64 turns negative here.
			n := int64(v)
			if n < low || n > high {
				return 0, nil, "out of range"
			}
			return n, nil, ""
		},
		decode: func(i int64, _ []byte) T { return T(i) },
	}
}

func durationCodec(unit time.Duration, high int64) codec[time.Duration] {
	return codec[time.Duration]{
		encode: func(v time.Duration) (int64, []byte, string) {
			n, cause := wholeUnits(v, unit, high)
			return n, nil, cause
		},
		decode: func(i int64, _ []byte) time.Duration { return time.Duration(i) * unit },
	}
}

// wholeUnits is d in units, rounded up: a time is never cut to 0, which often means something else.
func wholeUnits(d, unit time.Duration, high int64) (n int64, cause string) {
	n = int64(d / unit)
	if d%unit > 0 {
		n++
	}
	if d < 0 || n > high {
		return 0, "out of range"
	}
	return n, ""
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func bytesOf[T any](v *T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(v)), unsafe.Sizeof(*v))
}

// valueOf is the T whose bytes these are; missing ones are 0.
func valueOf[T any](data []byte) (v T) {
	copy(bytesOf(&v), data)
	return v
}
