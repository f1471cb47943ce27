package supports

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"slices"
	"sync"
	"syscall"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/loopcall"
	"github.com/esock-go/esock/internal/plain"
	"github.com/esock-go/esock/netdevice"
	"github.com/esock-go/esock/sockopt"
)

// Option says how far an option is supported.
type Option uint8

// The states, from the least to the most support.
const (
	Unknown   Option = iota // an unknown name
	Elsewhere               // OTP has the name, but Linux no such option
	Known                   // esock has the option, but this kernel does not
	Works                   // this kernel has the option; it may need a privilege, a peer or a state
)

var supportNames = plain.Names{{int(Unknown), "unknown"}, {int(Elsewhere), "elsewhere"},
	{int(Known), "known"}, {int(Works), "works"}}

// String returns the state in one word.
func (o Option) String() string { return supportNames.Spell(int(o)) }

// MarshalText is String, for JSON.
func (o Option) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// ParseOption parses what String prints. Errors: *esock.InvalidError "support".
func ParseOption(text string) (Option, error) {
	n, ok := supportNames.Number(text)
	if !ok {
		return 0, &esock.InvalidError{What: "support", Value: text, Cause: "none of unknown, elsewhere, known, works"}
	}
	return Option(n), nil
}

// UnmarshalText is ParseOption.
func (o *Option) UnmarshalText(b []byte) (err error) {
	if o == nil {
		return &esock.InvalidError{What: "support", Cause: "there is no Option to set: the pointer is nil"}
	}
	*o, err = ParseOption(string(b))
	return err
}

// Table says which of the names that the library knows this system has. Its JSON is its Map.
type Table struct {
	IOCtlRequests map[string]bool              // the requests of netdevice.IOCtl: whether Linux has it
	IOCtlFlags    map[string]bool              // the names of interface flags: whether Linux has it
	MsgFlags      map[string]bool              // the flags of sends and receives: whether Linux has it
	Protocols     map[string]bool              // the names and aliases that esock.ParseProtocol knows: all true
	Options       map[string]map[string]Option // by level and name
	// sctp, ipv6, local, netns, sendfile, mptcp, vsock, packet; completion: calls that the library carries out
	// (esock.Complete), on every system; io_uring: loops of package engine can wait with it.
	Features map[string]bool
}

// All returns what is supported, from the library's tables and from what the running kernel answers. The first call asks the
// kernel, which takes about a second. OTP: socket:supports/0,1,2.
func All() Table {
	return Table{
		IOCtlRequests: supportedIOCtls(),
		IOCtlFlags:    supportedNames(plain.IfFlags),
		MsgFlags:      supportedNames(plain.MsgFlags),
		Protocols:     supportedProtocols(),
		Options:       supportedOptions(),
		Features:      supportedFeatures(),
	}
}

// Is reports whether something is supported: a feature ("mptcp"), a name in a table ("msg_flags", "peek"; "protocols", "tcp";
// "ioctl_requests", "gifconf"; "ioctl_flags", "up"), or an option of this kernel ("options", "tcp", "nodelay"). It is true for
// the name of a table alone, for a level that has an option of this kernel ("options", "tcp"), and false for an unknown name.
// OTP: socket:is_supported/1,2,3.
func Is(keys ...string) bool {
	switch {
	case len(keys) == 3 && keys[0] == "options":
		return supportOf(keys[1], keys[2]) == Works
	case len(keys) == 1:
		switch keys[0] {
		case "ioctl_requests", "ioctl_flags", "msg_flags", "protocols", "options":
			return true
		}
		return supportedFeatures()[keys[0]]
	case len(keys) == 2:
		switch keys[0] {
		case "ioctl_requests":
			return supportedIOCtls()[keys[1]]
		case "ioctl_flags":
			return supportedNames(plain.IfFlags)[keys[1]]
		case "msg_flags":
			return supportedNames(plain.MsgFlags)[keys[1]]
		case "protocols":
			return supportedProtocols()[keys[1]]
		case "options":
			return slices.Contains(slices.Collect(maps.Values(probed()[keys[1]])), Works)
		}
	}
	return false
}

// Map returns the tables with OTP's keys: ioctl_requests, ioctl_flags, msg_flags, protocols, options (by level, then by name:
// "elsewhere", "known" or "works"), and each feature.
func (t Table) Map() map[string]any {
	m := map[string]any{"ioctl_requests": plainMap(t.IOCtlRequests), "ioctl_flags": plainMap(t.IOCtlFlags),
		"msg_flags": plainMap(t.MsgFlags), "protocols": plainMap(t.Protocols)}
	options := map[string]any{}
	for level, names := range t.Options {
		of := map[string]any{}
		for name, s := range names {
			of[name] = s.String()
		}
		options[level] = of
	}
	m["options"] = options
	for name, on := range t.Features {
		m[name] = on
	}
	return m
}

// TableFromMap reads what Map returns. Errors: *esock.InvalidError "supports" that names the key.
func TableFromMap(m map[string]any) (Table, error) {
	t := Table{Options: map[string]map[string]Option{}, Features: map[string]bool{}}
	r := plain.Read(m)
	t.IOCtlRequests, t.IOCtlFlags = r.Bools("ioctl_requests"), r.Bools("ioctl_flags")
	t.MsgFlags, t.Protocols = r.Bools("msg_flags"), r.Bools("protocols")
	levels := r.Inner("options")
	for level := range levels.All() {
		names := levels.Inner(level)
		t.Options[level] = map[string]Option{}
		for name := range names.All() {
			o, err := ParseOption(names.Text(name))
			if err != nil {
				names.Wrong(name, err.(*esock.InvalidError).Cause)
			}
			t.Options[level][name] = o
		}
		if cause := names.Finish(); cause != "" {
			levels.Wrong(level, cause)
		}
	}
	if cause := levels.Finish(); cause != "" {
		r.Wrong("options", cause)
	}
	for key := range m {
		switch key {
		case "ioctl_requests", "ioctl_flags", "msg_flags", "protocols", "options":
		default:
			t.Features[key] = r.Bool(key)
		}
	}
	if cause := r.Finish(); cause != "" {
		return Table{}, &esock.InvalidError{What: "supports", Value: m, Cause: cause}
	}
	return t, nil
}

// MarshalJSON writes what Map returns.
func (t Table) MarshalJSON() ([]byte, error) { return json.Marshal(t.Map()) }

// UnmarshalJSON reads what MarshalJSON wrote. Errors: TableFromMap's.
func (t *Table) UnmarshalJSON(b []byte) error {
	if t == nil {
		return &esock.InvalidError{What: "supports", Cause: "there is no Table to set: the pointer is nil"}
	}
	m, err := plain.MapFromJSON(b)
	if err == nil {
		*t, err = TableFromMap(m)
	}
	return err
}

func plainMap(t map[string]bool) map[string]any {
	m := make(map[string]any, len(t))
	for k, v := range t {
		m[k] = v
	}
	return m
}

func supportedIOCtls() map[string]bool {
	t := map[string]bool{}
	for r := range netdevice.Requests() {
		t[r.Name] = r.Constant != "" || r.Name == "tcp_info" // which is answered through the option
	}
	return t
}

// supportedNames returns the names of a table. Linux does not have those whose number is 0.
func supportedNames(names plain.Names) map[string]bool {
	t := map[string]bool{}
	for _, n := range names {
		t[n.Text] = n.Number != 0
	}
	return t
}

// supportedProtocols are the names and aliases that esock.ParseProtocol knows.
func supportedProtocols() map[string]bool {
	t := map[string]bool{}
	for _, n := range plain.Protocols {
		t[n.Text] = true
	}
	return t
}

// probed is how far each option of Linux is supported, by level and name.
var probed = sync.OnceValue(func() map[string]map[string]Option {
	t := map[string]map[string]Option{}
	note := func(level, name string, s Option) {
		if t[level] == nil {
			t[level] = map[string]Option{}
		}
		t[level][name] = s
	}
	for p := range sockopt.ProbeAll() {
		s := Works
		if p.Result >= sockopt.ProbeLacks {
			s = Known
		}
		note(p.Option.Level, p.Option.Name, s)
	}
	for _, o := range sockopt.Others() {
		note(o.Level, o.Name, Elsewhere)
	}
	for _, name := range sockopt.OTPNames() {
		note("otp", name, Works)
	}
	return t
})

func supportedOptions() map[string]map[string]Option {
	t := map[string]map[string]Option{}
	for level, names := range probed() {
		t[level] = map[string]Option{}
		for name, s := range names {
			t[level][name] = s
		}
	}
	return t
}

func supportOf(level, name string) Option { return probed()[level][name] }

// supportedFeatures asks the kernel for each kind of socket.
var features = sync.OnceValue(func() map[string]bool {
	has := func(d esock.Domain, t esock.Type, p esock.Protocol) bool {
		s, err := esock.Open(d, t, p, esock.Registered(false))
		if err == nil {
			s.Close()
		}
		// What needs a privilege is there.
		return err == nil || errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES)
	}
	_, err := os.Stat("/proc/self/ns/net")
	return map[string]bool{
		"ipv6":     has(esock.Inet6, esock.Stream, esock.TCP),
		"local":    has(esock.Local, esock.Stream, esock.Default),
		"sctp":     has(esock.Inet, esock.Stream, esock.SCTP),
		"mptcp":    has(esock.Inet, esock.Stream, esock.MPTCP),
		"vsock":    has(esock.VSock, esock.Stream, esock.Default),
		"packet":   has(esock.Packet, esock.Dgram, esock.Default),
		"netns":    err == nil,
		"sendfile": syscall.SYS_SENDFILE > 0,

		"completion": true,
		"io_uring":   ring(),
	}
})

// ring reports whether this process may have a completion queue with io_uring: the kernel has what it needs, and neither a
// setting of the system nor a filter of system calls forbids it.
func ring() bool {
	q, _, _, _, _, r := loopcall.New(1, 4096, loopcall.URing)
	if r < 0 {
		return false
	}
	loopcall.Free(q)
	return true
}

func supportedFeatures() map[string]bool {
	t := map[string]bool{}
	for name, on := range features() {
		t[name] = on
	}
	return t
}
