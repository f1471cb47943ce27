package esock

import (
	"encoding/json"
	"sync/atomic"
	"unsafe"

	"github.com/esock-go/esock/internal/plain"
)

// Counters count what a socket has done since it was made, in 64 bits each. They follow the results of system calls:
// each byte that the kernel took or gave counts once, peeked bytes do not count, and every wait counts.
//
// A try is one system call. A wait is a try that would have blocked and was waited for, by a blocking or an
// asynchronous call (not Within(0)). A fail is a try that ended in an error or, for reads, at the end of a stream. A
// package is one request: a whole send or receive with all its tries, even if it ended early.
//
// OTP: the counters of socket:info/1.
type Counters struct {
	ReadByte    uint64 // bytes received
	ReadPkg     uint64 // completed receives that got something or an empty message
	ReadPkgMax  uint64 // most bytes in one of them
	ReadTries   uint64 // calls of recv(2), recvfrom(2), recvmsg(2)
	ReadWaits   uint64 // waits for data
	ReadFails   uint64 // errors, and ends of stream
	WriteByte   uint64 // bytes sent; those of SendFile are in SendFile
	WritePkg    uint64 // completed sends that sent something or an empty message
	WritePkgMax uint64 // most bytes in one of them
	WriteTries  uint64 // calls of send(2), sendto(2), sendmsg(2)
	WriteWaits  uint64 // waits for room
	WriteFails  uint64 // errors
	AccTries    uint64 // calls of accept4(2)
	AccSuccess  uint64 // connections accepted
	AccWaits    uint64 // waits for a connection
	AccFails    uint64 // errors

	SendFile *SendFileCounters // nil before the first SendFile
}

// SendFileCounters are the counters of SendFile. They do not wrap.
type SendFileCounters struct {
	Calls  uint64 // calls of sendfile(2)
	Byte   uint64 // bytes sent
	Pkg    uint64 // calls that sent something
	PkgMax uint64 // the most bytes of one call
	Tries  uint64 // operations started
	Max    uint64 // the most bytes of one operation
	Waits  uint64 // waits for room
	Fails  uint64 // operations that failed
}

// The names, in the order of the C blocks and of the methods fields below.
var (
	counterNames = [...]string{"read_byte", "read_pkg", "read_pkg_max", "read_tries", "read_waits", "read_fails",
		"write_byte", "write_pkg", "write_pkg_max", "write_tries", "write_waits", "write_fails",
		"acc_success", "acc_tries", "acc_waits", "acc_fails"}
	sendFileCounterNames = [...]string{"sendfile", "sendfile_byte", "sendfile_pkg", "sendfile_pkg_max",
		"sendfile_tries", "sendfile_max", "sendfile_waits", "sendfile_fails"}
)

// The layout of the C block that this file was written for: ESOCK_COUNTERS_LAYOUT. The lengths are compared
// by the compiler, the number by a test.
const countersLayout = 2

var (
	_ [len(counterNames)]struct{}         = [len(cCounters{}.value)]struct{}{}
	_ [len(sendFileCounterNames)]struct{} = [len(cSendfileCounts{}.value)]struct{}{}
	_ [8 * (len(counterNames) + 1)]byte   = [unsafe.Sizeof(cCounters{})]byte{}
)

func (c *Counters) fields() [len(counterNames)]*uint64 {
	return [...]*uint64{&c.ReadByte, &c.ReadPkg, &c.ReadPkgMax, &c.ReadTries, &c.ReadWaits, &c.ReadFails,
		&c.WriteByte, &c.WritePkg, &c.WritePkgMax, &c.WriteTries, &c.WriteWaits, &c.WriteFails,
		&c.AccSuccess, &c.AccTries, &c.AccWaits, &c.AccFails}
}

func (c *SendFileCounters) fields() [len(sendFileCounterNames)]*uint64 {
	return [...]*uint64{&c.Calls, &c.Byte, &c.Pkg, &c.PkgMax, &c.Tries, &c.Max, &c.Waits, &c.Fails}
}

// Counters returns the counters, also of a closed socket. It calls into C and allocates only after a SendFile. Each
// counter is read atomically, but not all at one moment. OTP: socket:info/1, key counters.
func (s *Socket) Counters() Counters {
	s = s.orClosed()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.countersLocked()
}

// countersLocked is Counters with s.mu held, which keeps the handle.
func (s *Socket) countersLocked() Counters {
	var c Counters
	if s.block == nil { // never opened
		return c
	}
	for i, f := range c.fields() {
		*f = atomic.LoadUint64((*uint64)(&s.block.value[i]))
	}
	if b := s.sendFileBlock(); b != nil {
		c.SendFile = new(SendFileCounters)
		for i, f := range c.SendFile.fields() {
			*f = atomic.LoadUint64((*uint64)(&b.value[i]))
		}
	}
	return c
}

// sendFileBlock returns the counters of sendfile, nil before the first. s.mu is held.
func (s *Socket) sendFileBlock() *cSendfileCounts {
	if s.facts.Load()&factFiles == 0 {
		return nil
	}
	if s.h != nil {
		return cSendfileCountersOf(s.h)
	}
	if r := s.rare.Load(); r != nil {
		return r.sendfile
	}
	return nil
}

// Map returns the counters by OTP's names ("read_byte"), each a uint64; those of SendFile ("sendfile_byte") after the
// first.
func (c Counters) Map() map[string]any {
	m := make(map[string]any, len(counterNames)+len(sendFileCounterNames))
	for i, f := range c.fields() {
		m[counterNames[i]] = *f
	}
	if c.SendFile != nil {
		for i, f := range c.SendFile.fields() {
			m[sendFileCounterNames[i]] = *f
		}
	}
	return m
}

// CountersFromMap reads what Map returns. Missing keys are 0. One key of SendFile sets it. Errors:
// *InvalidError "counters" that names the key.
func CountersFromMap(m map[string]any) (Counters, error) {
	var c Counters
	var files SendFileCounters
	r := plain.Read(m)
	for i, f := range c.fields() {
		r.Count(counterNames[i], f)
	}
	for i, f := range files.fields() {
		if r.Count(sendFileCounterNames[i], f) {
			c.SendFile = &files
		}
	}
	if cause := r.Finish(); cause != "" {
		return Counters{}, &InvalidError{What: "counters", Value: m, Cause: cause}
	}
	return c, nil
}

func (c Counters) MarshalJSON() ([]byte, error) { return json.Marshal(c.Map()) }

func (c *Counters) UnmarshalJSON(b []byte) error {
	if c == nil {
		return errNowhere("counters")
	}
	m, err := plain.MapFromJSON(b)
	if err == nil {
		*c, err = CountersFromMap(m)
	}
	return err
}

// noticeWrap tells the owner which counters have wrapped, if {otp, iow} is on. The caller holds a reference.
func (s *Socket) noticeWrap() {
	bits := cWrapped(s.h)
	if o := s.otp.Load(); o == nil || !o.iow {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.owner == nil {
		return
	}
	for i, name := range counterNames {
		if bits&(1<<i) != 0 {
			_ = s.owner.Post(CounterWrapMsg{Sock: s, Counter: name}) // fails if the owner is closing
		}
	}
}
