package esock

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"syscall"

	"github.com/esock-go/esock/internal/plain"
)

const (
	opGetOptNative = "getopt_native"
	opSetOptNative = "setopt_native"
)

// The most bytes that a native option takes: more is surely a mistake.
const nativeOptionMax = 1 << 20

// GetOptionNative reads any option by number into val and returns the length that the kernel reports. More than
// len(val) means that val has only the beginning. An option that fails with ERANGE returns the length it needs. The
// kernel sees the previous content of val, which some options take as a question. A nil val is a NULL pointer and
// length 0, which some options answer with their length.
//
// Two kinds are special. SO_GET_FILTER (SO_ATTACH_FILTER) counts in instructions of 8 bytes, here too. A structure
// that declares the room after it (IP_MSFILTER, MCAST_MSFILTER, TCP_AO_GET_KEYS) must not declare more than val has,
// or the kernel overwrites memory: IPMsFilter, IPGroupFilter, IPv6GroupFilter and TCPAOGetKeys ensure that.
//
// Errors: *InvalidError "value_spec" (more than 1 MiB, or numbers that are not C ints), net.ErrClosed, and those of
// getsockopt(2). OTP: socket:getopt_native/3.
func (s *Socket) GetOptionNative(level, opt int, val []byte) (int, error) {
	s = s.orClosed()
	if len(val) > nativeOptionMax {
		return 0, s.fail(opGetOptNative, &InvalidError{What: "value_spec", Value: len(val), Cause: "over 1 MiB"})
	}
	if !plain.FitsCInt(int64(level)) || !plain.FitsCInt(int64(opt)) {
		return 0, s.fail(opGetOptNative, &InvalidError{What: "value_spec", Cause: "level and option are C ints"})
	}
	if err := s.ref(opGetOptNative); err != nil {
		return 0, err
	}
	k := s.simulated()
	k.enter()
	defer k.leave()
	defer s.unref()
	n, r := cGetOptNative(s.h, level, opt, val)
	if err := errnoOf(r); err != nil {
		if n <= len(val) {
			n = 0
		}
		return n, s.fail(opGetOptNative, &explainedErrno{syscall.Errno(-r), nativeName(level, opt)})
	}
	return n, nil
}

// GetOptionNativeInt reads an option that is a C int, or a single byte as some of level ip are. A boolean is on if not
// 0. Errors: as GetOptionNative.
func (s *Socket) GetOptionNativeInt(level, opt int) (int, error) {
	var val [4]byte
	n, err := s.GetOptionNative(level, opt, val[:])
	switch {
	case err != nil:
		return 0, err
	case n == 1:
		return int(val[0]), nil
	}
	return int(int32(binary.NativeEndian.Uint32(val[:]))), nil
}

// SetOptionNative sets any option by number. value is bytes ([]byte or string) in the kernel's form, or an integer or
// bool, sent as a C int. Errors: *InvalidError "value", net.ErrClosed, those of setsockopt(2). OTP:
// socket:setopt_native/3.
func (s *Socket) SetOptionNative(level, opt int, value any) error {
	s = s.orClosed()
	b, ok := nativeBytes(value)
	switch {
	case !ok:
		return s.fail(opSetOptNative, &InvalidError{What: "value", Value: value,
			Cause: "neither bytes, nor a boolean, nor an integer that fits a C int"})
	case len(b) > nativeOptionMax:
		return s.fail(opSetOptNative, &InvalidError{What: "value", Cause: "over 1 MiB"})
	case !plain.FitsCInt(int64(level)) || !plain.FitsCInt(int64(opt)):
		return s.fail(opSetOptNative, &InvalidError{What: "value", Cause: "level and option are C ints"})
	}
	if err := s.ref(opSetOptNative); err != nil {
		return err
	}
	k := s.simulated()
	k.enter()
	defer k.leave()
	defer s.unref()
	if isLowat(level, opt) {
		s.mu.Lock()
		defer s.mu.Unlock()
	}
	if r := cSetOptNative(s.h, level, opt, b); r < 0 {
		return s.nativeResult(level, opt, b, r)
	}
	s.optionWasSet(level, opt)
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
	if isLowat(level, number) {
		s.facts.Or(factLowat)
	}
}

// nativeResult is what the core's refusal to set a native option means. Where the value names something that the kernel
// does not have, its errno reads as if a file were missing.
func (s *Socket) nativeResult(level, opt int, value []byte, r int) error {
	e := &explainedErrno{syscall.Errno(-r), nativeName(level, opt)}
	if e.errno == syscall.ENOENT || e.errno == syscall.ENODEV {
		name, _, _ := bytes.Cut(value, []byte{0}) // the kernel reads it to its NUL
		e.cause += fmt.Sprintf(": the kernel does not know %q", name)
	}
	return s.fail(opSetOptNative, e)
}

// nativeName is how errors name a native option.
func nativeName(level, opt int) string { return fmt.Sprintf("option %d of level %d", opt, level) }
