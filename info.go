package esock

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"

	"github.com/esock-go/esock/internal/plain"
)

// LibraryInfo is the state of the library. Its JSON is its Map.
type LibraryInfo struct {
	Debug       bool   // new sockets start with their trace on: DebugAll
	SocketDebug bool   // the library's own trace is on: SocketDebug
	EEI         bool   // extended error information instead of errno: never
	UseRegistry bool   // new sockets enter the registry: UseRegistry
	IOW         bool   // new sockets tell when a counter wraps: never, {otp, iow} is set for each
	IOVMax      int    // buffers that one system call takes
	IOBackend   string // OTP's name of the way to wait: "unix_essio", readiness
	NumCntBits  int    // the width of the counters
	Gauges      Gauges // how many sockets are open
}

// Version returns the version of the linked C core, "major.minor.patch".
func Version() string { return cVersion() }

// Info returns the switches and gauges of the library. OTP: socket:info/0.
func Info() LibraryInfo {
	return LibraryInfo{
		Debug:       globalDebug.Load(),
		SocketDebug: socketDebug.Load(),
		UseRegistry: useRegistry.Load(),
		IOVMax:      cIovMax(),
		IOBackend:   "unix_essio",
		NumCntBits:  64,
		Gauges:      gauges.read(),
	}
}

// Map returns the information with OTP's keys: debug, socket_debug, eei, use_registry, iow, iov_max, io_backend (a map
// with name) and counters (a map with num_cnt_bits, num_sockets, num_tstreams and so on, each an int64).
func (i LibraryInfo) Map() map[string]any {
	c := map[string]any{"num_cnt_bits": int64(i.NumCntBits)}
	for n, f := range i.Gauges.fields() {
		c[gaugeNames[n]] = *f
	}
	return map[string]any{
		"debug": i.Debug, "socket_debug": i.SocketDebug, "eei": i.EEI, "use_registry": i.UseRegistry, "iow": i.IOW,
		"iov_max": i.IOVMax, "io_backend": map[string]any{"name": i.IOBackend}, "counters": c,
	}
}

// LibraryInfoFromMap reads what Map returns. Missing keys are zero. Errors: *InvalidError "info" that names an
// unknown key or a wrong type.
func LibraryInfoFromMap(m map[string]any) (LibraryInfo, error) {
	var i LibraryInfo
	r := plain.Read(m)
	i.Debug, i.SocketDebug, i.EEI = r.Bool("debug"), r.Bool("socket_debug"), r.Bool("eei")
	i.UseRegistry, i.IOW = r.Bool("use_registry"), r.Bool("iow")
	i.IOVMax = int(r.Number("iov_max", 0, math.MaxInt32, 0))
	backend, counters := r.Inner("io_backend"), r.Inner("counters")
	i.IOBackend = backend.Text("name")
	i.NumCntBits = int(counters.Number("num_cnt_bits", 0, 64, 0))
	for n, f := range i.Gauges.fields() {
		*f = counters.Number(gaugeNames[n], 0, math.MaxInt64, 0)
	}
	for _, in := range []*plain.Map{r, backend, counters} {
		if cause := in.Finish(); cause != "" {
			return LibraryInfo{}, &InvalidError{What: "info", Value: m, Cause: cause}
		}
	}
	return i, nil
}

// MarshalJSON writes what Map returns.
func (i LibraryInfo) MarshalJSON() ([]byte, error) { return json.Marshal(i.Map()) }

// UnmarshalJSON reads what MarshalJSON wrote. Errors: LibraryInfoFromMap's.
func (i *LibraryInfo) UnmarshalJSON(b []byte) error {
	if i == nil {
		return errNowhere("info")
	}
	m, err := plain.MapFromJSON(b)
	if err == nil {
		*i, err = LibraryInfoFromMap(m)
	}
	return err
}

// SocketInfo is the state of a socket. Its JSON is its Map.
type SocketInfo struct {
	Domain   Domain
	Type     Type
	Protocol Protocol
	Owner    string // the owner's name, as Mailbox.String; empty if there is none

	// The states in order: reading: bound, listening, accepting, selected, completing, closing, closed; writing:
	// connecting, connected, selected, completing, closing, closed. selected means that a call ever selected, accepting that
	// one waits, completing that one waits which the library carries out; OTP has no such state.
	RStates, WStates   []string
	Readable, Writable bool // the direction is neither closed nor ended by Shutdown

	FromFD   bool // the socket was adopted. OTP: ctype, which is normal, fromfd, or {fromfd, FD}
	DupOf    int  // the descriptor it duplicates, -1 if it uses the adopted one itself
	Counters Counters

	NumReaders, NumWriters, NumAcceptors int // how many calls wait, by operation, without connects
	NumCompletions                       int // how many calls, connects too, wait that the library carries out (Complete)
}

func (i SocketInfo) String() string {
	parts := []string{fmt.Sprintf("%v %v %v", i.Domain, i.Type, i.Protocol),
		fmt.Sprintf("reading %v", i.RStates), fmt.Sprintf("writing %v", i.WStates)}
	if i.Owner != "" {
		parts = append(parts, "owner "+i.Owner)
	}
	for _, n := range []struct {
		count int
		of    string
	}{{i.NumReaders, "readers"}, {i.NumWriters, "writers"}, {i.NumAcceptors, "acceptors"}, {i.NumCompletions, "completions"}} {
		if n.count != 0 {
			parts = append(parts, fmt.Sprint(n.count, " ", n.of))
		}
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// Info returns the state of the socket, also of a closed one, which has no owner. It locks the socket's lanes. OTP:
// socket:info/1.
func (s *Socket) Info() SocketInfo {
	s = s.orClosed()
	s.mu.Lock()
	defer s.mu.Unlock()
	i := SocketInfo{
		Domain: s.Domain(), Type: s.typ, Protocol: Protocol(s.proto),
		RStates: s.rstates(), WStates: s.wstates(),
		Readable: s.isOpenFor(factReadEnded), Writable: s.isOpenFor(factWriteEnded),
		DupOf:        -1,
		Counters:     s.countersLocked(),
		NumReaders:   s.count(reading, OpRecv, OpRawRead),
		NumAcceptors: s.count(reading, OpAccept, OpAccept),
		NumWriters:   s.count(writing, OpSend, OpRawWrite),

		NumCompletions: s.completions(reading) + s.completions(writing),
	}
	if s.owner != nil {
		i.Owner = s.owner.String()
	}
	if f := s.facts.Load(); f&factFromFD != 0 {
		i.FromFD = true
		if f&factBorrowed == 0 {
			i.DupOf = s.rare.Load().adopted.fd
		}
	}
	return i
}

// isOpenFor reports whether neither Close nor the Shutdown that sets the fact has ended a direction.
func (s *Socket) isOpenFor(ended uint32) bool { return !s.closing() && s.facts.Load()&ended == 0 }

// keepStates records the states that depend on calls in progress, before closing ends them. s.mu is held.
func (s *Socket) keepStates() {
	if s.current(reading) == OpAccept {
		s.facts.Or(factAccepting)
	}
	if s.current(writing) == OpConnect {
		s.facts.Or(factConnecting)
	}
}

// rstates lists the states of the reading side. s.mu is held.
func (s *Socket) rstates() []string {
	f := s.facts.Load()
	return states(
		state{"bound", f&factBound != 0},
		state{"listening", f&factListening != 0},
		state{"accepting", f&factAccepting != 0 || s.current(reading) == OpAccept},
		state{"selected", f&factSelectedRead != 0},
		state{"completing", s.completions(reading) > 0},
		state{"closing", s.closing()},
		state{"closed", s.isGone()},
	)
}

// wstates lists the states of the writing side. s.mu is held.
func (s *Socket) wstates() []string {
	f := s.facts.Load()
	return states(
		state{"connecting", f&factConnecting != 0 || s.current(writing) == OpConnect},
		state{"connected", f&factConnected != 0},
		state{"selected", f&factSelectedWrite != 0},
		state{"completing", s.completions(writing) > 0},
		state{"closing", s.closing()},
		state{"closed", s.isGone()},
	)
}

type state struct {
	name string
	on   bool
}

func states(all ...state) []string {
	list := []string{}
	for _, st := range all {
		if st.on {
			list = append(list, st.name)
		}
	}
	return list
}

// Map returns the information with OTP's keys: domain, type and protocol (names, or integers without one), owner (text
// or nil), rstates and wstates (lists of names), readable, writable, ctype ("normal", "fromfd", or a map with the descriptor under
// fromfd), counters, num_readers, num_writers, num_acceptors; and num_completions, which is not OTP's.
func (i SocketInfo) Map() map[string]any {
	m := map[string]any{
		"domain":   plain.Domains.Value(int(i.Domain)),
		"type":     plain.Types.Value(int(i.Type)),
		"protocol": plain.Protocols.Value(int(i.Protocol)),
		"owner":    nil,
		"rstates":  append([]string{}, i.RStates...), "wstates": append([]string{}, i.WStates...),
		"readable": i.Readable, "writable": i.Writable,
		"ctype":       "normal",
		"counters":    i.Counters.Map(),
		"num_readers": i.NumReaders, "num_writers": i.NumWriters, "num_acceptors": i.NumAcceptors,
		"num_completions": i.NumCompletions,
	}
	if i.Owner != "" {
		m["owner"] = i.Owner
	}
	if i.FromFD {
		m["ctype"] = "fromfd"
		if i.DupOf >= 0 {
			m["ctype"] = map[string]any{"fromfd": i.DupOf}
		}
	}
	return m
}

// SocketInfoFromMap reads what Map returns. Errors: *InvalidError.
func SocketInfoFromMap(m map[string]any) (SocketInfo, error) {
	i := SocketInfo{DupOf: -1}
	r := plain.Read(m)
	i.Domain = Domain(r.Named("domain", plain.Domains, math.MaxInt32, 0))
	i.Type = Type(r.Named("type", plain.Types, math.MaxInt32, 0))
	i.Protocol = Protocol(r.Named("protocol", plain.Protocols, math.MaxInt32, 0))
	if m["owner"] != nil {
		i.Owner = r.Text("owner")
	} else {
		r.Get("owner")
	}
	i.RStates, i.WStates = r.Texts("rstates"), r.Texts("wstates")
	i.Readable, i.Writable = r.Bool("readable"), r.Bool("writable")
	if _, ok := m["ctype"].(map[string]any); ok {
		ctype := r.Inner("ctype")
		i.FromFD, i.DupOf = true, int(ctype.Number("fromfd", 0, math.MaxInt32, -1))
		if cause := ctype.Finish(); cause != "" {
			r.Wrong("ctype", cause)
		} else if i.DupOf < 0 {
			r.Wrong("ctype", "the key fromfd is missing")
		}
	} else {
		switch r.Text("ctype") {
		case "", "normal":
		case "fromfd":
			i.FromFD = true
		default:
			r.Wrong("ctype", "neither normal nor fromfd")
		}
	}
	var err error
	if i.Counters, err = CountersFromMap(r.Inner("counters").All()); err != nil {
		return SocketInfo{}, err
	}
	for key, n := range map[string]*int{
		"num_readers": &i.NumReaders, "num_writers": &i.NumWriters, "num_acceptors": &i.NumAcceptors,
		"num_completions": &i.NumCompletions,
	} {
		*n = int(r.Number(key, 0, math.MaxInt32, 0))
	}
	if cause := r.Finish(); cause != "" {
		return SocketInfo{}, &InvalidError{What: "info", Value: m, Cause: cause}
	}
	return i, nil
}

// MarshalJSON writes what Map returns.
func (i SocketInfo) MarshalJSON() ([]byte, error) { return json.Marshal(i.Map()) }

// UnmarshalJSON reads what MarshalJSON wrote. Errors: SocketInfoFromMap's.
func (i *SocketInfo) UnmarshalJSON(b []byte) error {
	if i == nil {
		return errNowhere("info")
	}
	m, err := plain.MapFromJSON(b)
	if err == nil {
		*i, err = SocketInfoFromMap(m)
	}
	return err
}
