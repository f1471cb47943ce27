package sockopt

import (
	"fmt"
	"math"
	"net"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/plain"
)

// otpOption is an option of level otp: a setting of the library, for which package esock has methods. set is nil if the option
// cannot be set, and returns a cause if the value is not of the right form.
type otpOption struct {
	name string
	get  func(s *esock.Socket) any
	set  func(s *esock.Socket, v any) (err error, cause string)
}

// The options of level otp.
var otpTable = []otpOption{
	{"controlling_process", func(s *esock.Socket) any {
		if mb := s.Owner(); mb != nil {
			return mb
		}
		return nil
	}, func(s *esock.Socket, v any) (error, string) {
		if mb, ok := v.(*esock.Mailbox); ok && mb != nil {
			return s.ControllingProcess(nil, mb), ""
		}
		return nil, "it takes a *Mailbox"
	}},
	{"debug", func(s *esock.Socket) any { return s.Debug() }, otpBool((*esock.Socket).SetDebug)},
	{"domain", func(s *esock.Socket) any { return s.Domain() }, nil},
	{"fd", func(s *esock.Socket) any { return s.FD() }, nil},
	{"iow", func(s *esock.Socket) any { return s.IOW() }, otpBool((*esock.Socket).SetIOW)},
	{"meta", func(s *esock.Socket) any { return s.Meta() }, func(s *esock.Socket, v any) (error, string) { return s.SetMeta(v), "" }},
	{"rcvbuf", func(s *esock.Socket) any {
		if b := s.RcvBuf(); b.N > 0 {
			return b
		}
		return s.RcvBuf().Size
	}, setOTPRcvBuf},
	{"rcvctrlbuf", func(s *esock.Socket) any { return s.RcvCtrlBuf() }, otpSize((*esock.Socket).SetRcvCtrlBuf)},
	{"select_read", func(s *esock.Socket) any { return s.SelectRead() }, otpBool((*esock.Socket).SetSelectRead)},
	{"sndctrlbuf", func(s *esock.Socket) any { return s.SndCtrlBuf() }, otpSize((*esock.Socket).SetSndCtrlBuf)},
	{"spin", func(s *esock.Socket) any { return s.Spin() }, setOTPSpin},
	{"use_registry", func(s *esock.Socket) any { return s.Registered() }, func(s *esock.Socket, v any) (error, string) {
		if v != true {
			return nil, "it can only be switched on"
		}
		return s.Register(), ""
	}},
}

// OTPNames returns the names of the options of level otp.
func OTPNames() []string {
	names := make([]string, len(otpTable))
	for i, o := range otpTable {
		names[i] = o.name
	}
	return names
}

func otpBool(set func(*esock.Socket, bool) error) func(*esock.Socket, any) (error, string) {
	return func(s *esock.Socket, v any) (error, string) {
		on, ok := v.(bool)
		if !ok {
			return nil, "it takes a boolean"
		}
		return set(s, on), ""
	}
}

// otpBytes converts a buffer size given by name: at least 1, or "default", which is 0.
func otpBytes(v any) (int, bool) {
	if v == "default" {
		return 0, true
	}
	n, ok := plain.Integer(v)
	return int(n), ok && n > 0 && n <= math.MaxInt
}

func otpSize(set func(*esock.Socket, int) error) func(*esock.Socket, any) (error, string) {
	return func(s *esock.Socket, v any) (error, string) {
		n, ok := otpBytes(v)
		if !ok {
			return nil, "it takes a size from 1, or default"
		}
		return set(s, n), ""
	}
}

func setOTPRcvBuf(s *esock.Socket, v any) (error, string) {
	const cause = "it takes a size from 1, default, or a count and a size"
	if b, ok := v.(esock.RcvBuf); ok {
		return s.SetRcvBuf(b), ""
	}
	var b esock.RcvBuf
	if list, ok := v.([]any); ok {
		if len(list) != 2 {
			return nil, cause
		}
		n, ok := plain.Integer(list[0])
		if !ok || n < 1 || n > math.MaxInt {
			return nil, cause
		}
		b.N, v = int(n), list[1]
	}
	size, ok := otpBytes(v)
	if !ok {
		return nil, cause
	}
	b.Size = size
	return s.SetRcvBuf(b), ""
}

func setOTPSpin(s *esock.Socket, v any) (error, string) {
	d, is, cause := durationFromPlain(v)
	if !is || cause != "" {
		return nil, "it takes a time from 0"
	}
	return s.SetSpin(d), ""
}

func findOTP(name string) (*otpOption, error) {
	for i := range otpTable {
		if otpTable[i].name == name {
			return &otpTable[i], nil
		}
	}
	return nil, unknownOption("otp", name)
}

// getOTP reads an option of level otp. use_registry can be read on a closed socket, too.
func getOTP(s *esock.Socket, name string) (any, error) {
	row, err := findOTP(name)
	if err != nil {
		return nil, fail(s, getopt, err)
	}
	if s.Closed() && name != "use_registry" {
		return nil, fail(s, getopt, net.ErrClosed)
	}
	return row.get(s), nil
}

// setOTP sets an option of level otp.
func setOTP(s *esock.Socket, name string, v any) error {
	row, err := findOTP(name)
	if err != nil {
		return fail(s, setopt, err)
	}
	if row.set == nil {
		return fail(s, setopt, &esock.InvalidError{What: "socket_option", Value: "otp." + name, Cause: "it can only be read"})
	}
	err, cause := row.set(s, v)
	if cause != "" {
		what := "nil"
		if v != nil {
			what = fmt.Sprintf("%v (%T)", v, v)
		}
		return fail(s, setopt, &esock.InvalidError{What: "socket_option", Value: "otp." + name, Cause: cause + ", not " + what})
	}
	return err
}
