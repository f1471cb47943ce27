package sockopt

import (
	"errors"
	"iter"
	"math/bits"
	"reflect"
	"slices"
	"syscall"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/plain"
)

// ProbeResult is the result of trying an option on this kernel with this privilege. The best come first.
type ProbeResult uint8

// The results.
const (
	ProbeRoundTrips ProbeResult = iota // set or asked, and reads as expected
	ProbeReads                         // reads; cannot be set, or that was not tried
	ProbeSets                          // set; cannot be read
	ProbePrivilege                     // needs a capability that the process does not have
	ProbeState                         // needs a peer or a state that a fresh socket does not have
	ProbeDiffers                       // set, but reads something else
	ProbeRefused                       // the kernel has it and refused it for another reason
	ProbeLacks                         // the kernel does not have it
	ProbeNoSocket                      // the kernel does not have such sockets, or they need a privilege
)

var probeNames = plain.Names{
	{int(ProbeRoundTrips), "round-trips"}, {int(ProbeReads), "reads"}, {int(ProbeSets), "sets"},
	{int(ProbePrivilege), "needs a privilege"}, {int(ProbeState), "needs a peer or a state"},
	{int(ProbeDiffers), "reads something else"}, {int(ProbeRefused), "refused"}, {int(ProbeLacks), "not in this kernel"},
	{int(ProbeNoSocket), "no such socket"},
}

// ProbeResults returns all results, the best first.
func ProbeResults() []ProbeResult {
	all := make([]ProbeResult, len(probeNames))
	for i := range all {
		all[i] = ProbeResult(i)
	}
	return all
}

// String returns the result in a few words.
func (r ProbeResult) String() string { return probeNames.Spell(int(r)) }

// MarshalText is String, for JSON.
func (r ProbeResult) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// Works reports whether the option was read or set.
func (r ProbeResult) Works() bool { return r <= ProbeSets }

// ProbeAnswer is the result of trying an option on one kind of socket.
type ProbeAnswer struct {
	Kind   Kinds // a set of one
	Result ProbeResult
	Why    string // what is missing, or the error; "" if nothing
}

// Probe holds the results of trying an option on each kind of socket that it applies to.
type Probe struct {
	Option  Info
	Answers []ProbeAnswer // one of each kind, in the order of AllKinds
	Result  ProbeResult   // the best of the answers
	Why     string        // of the best answer
}

// ProbeAll tries options on this kernel, with the privilege of the process: all, or those of some levels. It opens a fresh
// socket of each kind, sets each option to its sample, reads it back and closes the socket. It sends no data, binds and
// connects nothing, and changes no option of another socket. It takes about a second.
func ProbeAll(levels ...string) iter.Seq[Probe] {
	return func(yield func(Probe) bool) {
		for i := range optionRows {
			if len(levels) > 0 && !slices.Contains(levels, optionRows[i].Level) {
				continue
			}
			if !yield(optionRows[i].Probe()) {
				return
			}
		}
	}
}

// Probe tries the option, as ProbeAll does.
func (o Info) Probe() Probe {
	p := Probe{Option: o, Result: ProbeNoSocket}
	for kinds := o.Kinds; kinds != 0; kinds &= kinds - 1 {
		kind := Kinds(1) << bits.TrailingZeros32(uint32(kinds))
		a := o.probeOn(kind)
		p.Answers = append(p.Answers, a)
		if a.Result < p.Result || len(p.Answers) == 1 {
			p.Result, p.Why = a.Result, a.Why
		}
	}
	return p
}

func (o *Info) probeOn(kind Kinds) ProbeAnswer {
	s, err := kind.Open(esock.Registered(false))
	if err != nil {
		if isPrivilege(err) {
			return ProbeAnswer{kind, ProbePrivilege, "a socket of kind " + kind.String() + " needs CAP_NET_RAW"}
		}
		why := "this kernel has no sockets of kind " + kind.String()
		if until := kindUntil[kind]; until != "" {
			why += ", which Linux has until " + until
		}
		return ProbeAnswer{kind, ProbeNoSocket, why}
	}
	defer s.Close()
	r, why := o.probeSocket(s, kind)
	return ProbeAnswer{kind, r, why}
}

func (o *Info) probeSocket(s *esock.Socket, kind Kinds) (ProbeResult, string) {
	set, want, untried := o.SampleValue(kind)
	if untried != "" {
		return o.probeUntried(s, untried)
	}
	tried := o.CanSet && set != nil
	if tried {
		if err := Set(s, o.Level, o.Name, set); err != nil {
			return o.judge(err)
		}
		if !o.CanGet {
			return ProbeSets, ""
		}
	}
	got, err := o.probeRead(s, set)
	switch {
	case tried && saysUnknown(err):
		return ProbeSets, "the kernel has no way to read it"
	case err != nil:
		return o.judge(err)
	case !tried && !o.Asks:
		return ProbeReads, ""
	case want != nil && !holds(got, want):
		return ProbeDiffers, ""
	}
	return ProbeRoundTrips, ""
}

// probeRead reads the option, and closes what would stay open.
func (o *Info) probeRead(s *esock.Socket, question any) (got any, err error) {
	if o.Asks && question != nil {
		return Ask(s, o.Level, o.Name, question)
	}
	got, err = Get(s, o.Level, o.Name)
	if fd, ok := got.(int); ok && err == nil && o.Codec == "fd" {
		syscall.Close(fd)
	}
	return got, err
}

// probeUntried is for options that cannot be set on a fresh socket. Setting four bytes of 0 shows whether the kernel knows
// the option.
func (o *Info) probeUntried(s *esock.Socket, why string) (ProbeResult, string) {
	var err error
	if o.Level == "tls" { // a level that a socket has only with that ulp, which only a connection takes
		if err = TCPULP.Set(s, "tls"); errors.Is(err, syscall.ENOENT) {
			return ProbeLacks, "the kernel has no TLS: its module tls is not there"
		}
		return ProbeState, why
	}
	if o.Level == "alg" { // a level that a socket has only with an algorithm, which it is bound to
		return ProbeState, why
	}
	if o.CanGet && !o.Asks {
		if _, err = o.probeRead(s, nil); err == nil {
			return ProbeReads, "setting it was not tried: " + why
		}
		if o.CanSet && saysUnknown(err) { // older kernels cannot read some that they have
			err = s.SetOptionNative(o.LevelNumber, o.Number, 0)
		}
	} else if o.CanSet {
		err = s.SetOptionNative(o.LevelNumber, o.Number, 0)
	} else {
		_, err = s.GetOptionNative(o.LevelNumber, o.Number, make([]byte, 4))
	}
	if r, cause := o.judge(err); r == ProbePrivilege || r == ProbeLacks {
		return r, cause
	}
	return ProbeState, why
}

// judge returns what an error says about the option.
func (o *Info) judge(err error) (ProbeResult, string) {
	if err == nil {
		return ProbeSets, ""
	}
	needs := ""
	switch o.Needs {
	case "connected", "listening":
		needs = "the socket must be " + o.Needs
	case "repair":
		needs = "tcp.repair must be on"
	}
	var errno syscall.Errno
	errors.As(err, &errno)
	switch {
	case errno == syscall.ENOTCONN || errno == syscall.ENODATA:
		if needs == "" {
			needs = "the socket must be connected"
		}
		return ProbeState, needs
	case isUnknown(errno):
		return ProbeLacks, "the kernel answers " + errno.Error()
	case needs != "":
		return ProbeState, needs
	case isPrivilege(err):
		if o.Needs == "" {
			return ProbePrivilege, "the kernel answers " + errno.Error()
		}
		return ProbePrivilege, "needs " + o.Needs
	case errno != 0:
		return ProbeRefused, "the kernel answers " + errno.Error()
	}
	return ProbeRefused, err.Error()
}

// saysUnknown reports whether the kernel answered that there is no such option, or none to read.
func saysUnknown(err error) bool {
	var errno syscall.Errno
	return errors.As(err, &errno) && isUnknown(errno)
}

func isPrivilege(err error) bool {
	return errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES)
}

// holds reports whether the value read is the one wanted. Of a map it compares the wanted keys.
func holds(got, want any) bool {
	w, ok := want.(map[string]any)
	if !ok {
		return reflect.DeepEqual(got, want)
	}
	g, ok := got.(map[string]any)
	for k, v := range w {
		ok = ok && holds(g[k], v)
	}
	return ok
}
