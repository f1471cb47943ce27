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

// ProbeResult is what came of trying an option on this kernel, with this privilege. The best come first.
type ProbeResult uint8

// The results.
const (
	ProbeRoundTrips ProbeResult = iota // it was set, or asked for, and reads as it should
	ProbeReads                         // it reads; it cannot be set, or that was not tried
	ProbeSets                          // it was set; it cannot be read
	ProbePrivilege                     // it needs a capability that is not there
	ProbeState                         // it needs a peer or another state, which a fresh socket does not have
	ProbeDiffers                       // it was set, and reads something else
	ProbeRefused                       // the kernel knows it, and refused it for a reason of its own
	ProbeLacks                         // the kernel does not have it
	ProbeNoSocket                      // the kernel does not have such sockets, or the privilege for them is missing
)

var probeNames = plain.Names{
	{int(ProbeRoundTrips), "round-trips"}, {int(ProbeReads), "reads"}, {int(ProbeSets), "sets"},
	{int(ProbePrivilege), "needs a privilege"}, {int(ProbeState), "needs a peer or a state"},
	{int(ProbeDiffers), "reads something else"}, {int(ProbeRefused), "refused"}, {int(ProbeLacks), "not in this kernel"},
	{int(ProbeNoSocket), "no such socket"},
}

// ProbeResults are all results, the best first.
func ProbeResults() []ProbeResult {
	all := make([]ProbeResult, len(probeNames))
	for i := range all {
		all[i] = ProbeResult(i)
	}
	return all
}

// String is the result in a few words.
func (r ProbeResult) String() string { return probeNames.Spell(int(r)) }

// MarshalText is String, for JSON.
func (r ProbeResult) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// Works says whether the option does what it can: it was read, or set.
func (r ProbeResult) Works() bool { return r <= ProbeSets }

// ProbeAnswer is what came of trying an option on one kind of socket.
type ProbeAnswer struct {
	Kind   Kinds // a set of one
	Result ProbeResult
	Why    string // what is missing, or the error; "" if nothing
}

// Probe is what came of trying an option on all kinds of sockets that it applies to.
type Probe struct {
	Option  Info
	Answers []ProbeAnswer // one of each kind, in the order of AllKinds
	Result  ProbeResult   // the best of the answers
	Why     string        // what came with it
}

// ProbeAll tries options on this kernel, with the privilege of the calling process: all, or those of some levels.
// Each is set to its row's sample and read back, on a fresh socket of each kind, which is closed again. No data is
// sent, nothing is bound or connected, and no option of another socket changes. It takes about a second.
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
		kind := Kinds(1) << bits.TrailingZeros16(uint16(kinds))
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

// probeUntried is for options that no fresh socket can be given a value of. Four bytes of 0 tell apart those that the
// kernel does not know.
func (o *Info) probeUntried(s *esock.Socket, why string) (ProbeResult, string) {
	var err error
	if o.CanGet && !o.Asks {
		if _, err = o.probeRead(s, nil); err == nil {
			return ProbeReads, "setting it was not tried: " + why
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

// judge is what an error says about the option.
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
	case errno == syscall.ENOPROTOOPT || errno == syscall.EOPNOTSUPP:
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

func isPrivilege(err error) bool {
	return errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES)
}

// holds reports whether a value that was read is the one wanted; of a map, the keys that are wanted.
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
