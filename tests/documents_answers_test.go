package tests

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/hackney"
	"github.com/esock-go/esock/netdevice"
	"github.com/esock-go/esock/sockopt"
	"github.com/esock-go/esock/supports"
)

// asker gives a name to the function that reads it, and returns its error; where nothing reads names, it looks for the name
// where the library writes it.
type asker func(t *testing.T, name string) error

// askers has how the names of each kind are asked that programs have as text.
var askers = map[string]map[string]asker{
	"socket.md": {
		"value of domain()":     parses(esock.ParseDomain),
		"value of type()":       parses(esock.ParseType),
		"value of protocol()":   parses(esock.ParseProtocol),
		"value of select_tag()": parses(esock.ParseOp),
		"value of info_keys()": func(t *testing.T, name string) error {
			return esock.WriteTable(io.Discard, []string{name})
		},
		"value of addr":          inAddress("inet", "addr"),
		"value of packet_type()": inAddress("packet", "pkttype"),
		"value of hatype()":      inAddress("packet", "hatype"),
		"value of msg_flag()":    parses(esock.ParseMsgFlags),
		"value of level()": func(t *testing.T, name string) error {
			option := map[string]string{"otp": "fd", "socket": "type", "ip": "ttl", "ipv6": "v6only", "tcp": "nodelay",
				"udp": "cork", "sctp": "nodelay"}
			_, err := sockopt.Get(open(t, esock.Inet, esock.Stream, esock.TCP), name, option[name])
			if name == "otp" { // which has no number
				return taken(err)
			}
			_, parseErr := sockopt.ParseLevel(name)
			return cmp.Or(parseErr, taken(err))
		},
		"value of ip_pmtudisc(), ipv6_pmtudisc()": func(t *testing.T, name string) error {
			return cmp.Or(setsTo(t, udp4(t), "ip", "mtu_discover", name), setsTo(t, udp6(t), "ipv6", "mtu_discover", name))
		},
		"value of ip_tos()": func(t *testing.T, name string) error {
			_, err := esock.ControlMessageFromMap(map[string]any{"level": "ip", "type": "tos", "value": name})
			return cmp.Or(err, taken(sockopt.Set(udp4(t), "ip", "tos", name)))
		},
		"value of ip_msfilter().mode": func(t *testing.T, name string) error {
			if err := parses(sockopt.ParseFilterMode)(t, name); err != nil {
				return err
			}
			filter := maps.Clone(structures["ip_msfilter()"])
			filter["mode"] = name
			return taken(sockopt.Set(udp4(t), "ip", "msfilter", filter))
		},
		"value of ipv6_hops()": func(t *testing.T, name string) error {
			s := udp6(t)
			return cmp.Or(sockopt.Set(s, "ipv6", "unicast_hops", name), sockopt.Set(s, "ipv6", "multicast_hops", name))
		},
		"value of icmp_dest_unreach()":   among(codesOf(esock.ICMPDestUnreach)),
		"value of icmpv6_dest_unreach()": among(codesOf(esock.ICMP6DestUnreach)),
		"value of ee_origin()":           parses(esock.ParseErrorOrigin),
		"value of extended_err().type": among(func() (names []string) {
			for _, typ := range []esock.ErrorType{esock.ICMPDestUnreach, esock.ICMPTimeExceeded, esock.ICMP6PktTooBig} {
				names = append(names, typ.String())
			}
			return names
		}),
		"value of How": parses(esock.ParseHow),
		"value of FilterRule": func(t *testing.T, name string) error {
			if strings.HasSuffix(name, "()") { // a value, and no name
				return nil
			}
			_, err := esock.FilterByName(name)
			return err
		},
		"value of the first key of supports": func(t *testing.T, name string) error {
			return has(supports.All().Map(), name)
		},
		"key of info()": func(t *testing.T, name string) error { return has(esock.Info().Map(), name) },
		"key of socket_counters()": func(t *testing.T, name string) error {
			c, err := esock.CountersFromMap(map[string]any{name: 7})
			return cmp.Or(err, has(c.Map(), name))
		},
		"key of socket_info()": func(t *testing.T, name string) error { return has(udp4(t).Info().Map(), name) },
		"key of sockaddr_in()": keyOfAddress(map[string]any{"family": "inet", "addr": "127.0.0.1", "port": 80}),
		"key of sockaddr_in6()": keyOfAddress(map[string]any{"family": "inet6", "addr": "::1", "port": 80, "flowinfo": 5,
			"scope_id": 1}),
		"key of sockaddr_un()": keyOfAddress(map[string]any{"family": "local", "path": "/run/s"}),
		"key of sockaddr_ll()": keyOfAddress(map[string]any{"family": "packet", "protocol": 3, "ifindex": 1, "pkttype": "host",
			"hatype": "ether", "addr": []byte{1, 2, 3, 4, 5, 6}}),
		"key of sockaddr_dl()": keyOfAddress(map[string]any{"family": "link", "index": 1, "type": 6, "nlen": 0, "alen": 0,
			"slen": 0, "data": []byte{}}),
		"key of sockaddr_unspec()": keyOfAddress(map[string]any{"family": "unspec", "addr": []byte{1, 2}}),
		"key of sockaddr_native()": keyOfAddress(map[string]any{"family": 30, "addr": []byte{1, 2}}),
		"key of linger()":          keyOfOption("socket", "linger", "linger()"),
		"key of timeval()": func(t *testing.T, name string) error {
			value := structures["timeval()"]
			_, err := esock.ControlMessageFromMap(map[string]any{"level": "socket", "type": "timestamp", "value": value})
			return cmp.Or(err, has(value, name), taken(sockopt.Set(udp4(t), "socket", "rcvtimeo", value)))
		},
		"key of ip_mreq()":          keyOfOption("ip", "add_membership", "ip_mreq()"),
		"key of ip_mreq_source()":   keyOfOption("ip", "add_source_membership", "ip_mreq_source()"),
		"key of ip_msfilter()":      keyOfOption("ip", "msfilter", "ip_msfilter()"),
		"key of ipv6_mreq()":        keyOfOption("ipv6", "add_membership", "ipv6_mreq()"),
		"key of ip_pktinfo()":       keyOfControl("ip", "pktinfo", "ip_pktinfo()"),
		"key of ipv6_pktinfo()":     keyOfControl("ipv6", "pktinfo", "ipv6_pktinfo()"),
		"key of sctp_assocparams()": keyOfOption("sctp", "associnfo", "sctp_assocparams()"),
		"key of sctp_initmsg()":     keyOfOption("sctp", "initmsg", "sctp_initmsg()"),
		"key of sctp_rtoinfo()":     keyOfOption("sctp", "rtoinfo", "sctp_rtoinfo()"),
		"key of msg_send()": func(t *testing.T, name string) error {
			m := map[string]any{"iov": []any{"data"}}
			m[name] = map[string]any{"iov": []any{"data"}, "ctrl": []any{},
				"addr": map[string]any{"family": "inet", "addr": "loopback", "port": 80}}[name]
			_, err := esock.MsgFromMap(m)
			return err
		},
		"key of msg_recv()": func(t *testing.T, name string) error {
			m := esock.Msg{Addr: esock.UnixAddr("/run/s")}
			return has(m.Map(), name)
		},
		"key of a control message": func(t *testing.T, name string) error {
			c, err := esock.ControlMessageFromMap(map[string]any{"level": "ip", "type": "ttl", "value": 5})
			m := c.Map()
			m["data"] = []byte{5, 0, 0, 0} // which a received one has
			return cmp.Or(err, has(m, name))
		},
		"key of extended_err()": func(t *testing.T, name string) error {
			return has(esock.ExtendedError{Offender: esock.UnixAddr("/run/s")}.Map(), name)
		},
		"key of an entry of gifconf": func(t *testing.T, name string) error { return has(netdevice.InterfaceAddr{}.Map(), name) },
		"open option": func(t *testing.T, name string) error {
			value, ok := map[string]any{"domain": "inet", "type": "stream", "protocol": "default", "netns": "/proc/self/ns/net"}[name]
			if !ok {
				value = true
			}
			opts, err := esock.OpenOptionsFromMap(map[string]any{name: value})
			if err == nil && len(opts) == 0 {
				return errors.New("no option is made of it")
			}
			return err
		},
		"option of level otp":      askOption("otp"),
		"option of level socket":   askOption("socket"),
		"option of level ip":       askOption("ip"),
		"option of level ipv6":     askOption("ipv6"),
		"option of level tcp":      askOption("tcp"),
		"option of level udp":      askOption("udp"),
		"option of level sctp":     askOption("sctp"),
		"control message to send":  askControl,
		"control message received": askControl,
		"request":                  askRequest,
		"reason":                   askReason(map[string]error{"already": esock.ErrAlready, "nosock": esock.ErrNoSocket}),
	},
	"gen-tcp.md": {
		"value of How": parses(esock.ParseHow),
		"option": func(t *testing.T, name string) error {
			if name == "pktoptions" { // getopts alone
				return nil
			}
			_, err := gentcp.Opt(name, samples[name])
			return err
		},
		"sendfile option": func(t *testing.T, name string) error {
			_, addr := listener(t, 1)
			s, err := hackney.Connect(nil, hackney.TCP, "127.0.0.1", int(addr.Port()))
			require.NoError(t, err)
			defer s.Close()
			_, err = s.SendFile(nil, fileOf(t, 1), 0, 0, hackney.SendFileOpt(name, struct{}{}))
			if err == nil || !strings.Contains(err.Error(), name) { // an unknown one is ignored
				return fmt.Errorf("no one reads it: %v", err)
			}
			return nil
		},
		"value of active": func(t *testing.T, name string) error {
			value := map[string]any{"true": true, "false": false, "once": "once", "-32768..32767": -5}[name]
			_, err := gentcp.Opt("active", value)
			return err
		},
		"value of packet": func(t *testing.T, name string) error {
			_, err := gentcp.Opt("packet", name)
			return err
		},
		"reason": askReason(nil),
	},
}

// untold are the kinds whose names no program has as text: they are Go's.
var untold = map[string][]string{
	"socket.md":  {"function", "argument", "native value", "result", "type", "message"},
	"gen-tcp.md": {"function", "type", "message", "configuration"},
}

// system is what an error says about a name that Linux does not have.
var system = regexp.MustCompile(`not on Linux: it is for|Windows|BSD`)

// Each name is taken where the table has a Go name for it; where it has none, the error says which system has the name. A reason
// without a Go name is one that no error has.
func TestEveryNameOfTheDocumentsAnswers(t *testing.T) {
	for _, page := range documentPages {
		tables := documentTables(t, page)
		for _, d := range documents(t, page) {
			for kind, names := range d.kinds {
				if _, isOption := whereOf[kind]; isOption && page == "gen-tcp.md" {
					kind = "option"
				}
				ask, ok := askers[page][kind]
				if !ok {
					assert.Contains(t, untold[page], kind, "nothing asks the %s of %s", kind, d.name)
					continue
				}
				for _, n := range names {
					t.Run(d.name+" "+kind+" "+n.name, func(t *testing.T) {
						err := ask(t, n.name)
						if tables[kind][n.name].names != "-" || kind == "reason" {
							assert.NoError(t, err)
						} else if assert.Error(t, err) {
							assert.Regexp(t, system, err.Error())
						}
					})
				}
			}
		}
	}
}

// The documents name the type of the flags of interfaces, and not the flags. OTP's are all in the table of what is supported.
func TestEveryFlagOfAnInterfaceAnswers(t *testing.T) {
	flags := supports.All().IOCtlFlags
	require.NotEmpty(t, flags)
	for name, here := range flags {
		_, err := netdevice.ParseFlag(name)
		switch {
		case !here:
			assert.ErrorContains(t, err, "not on Linux: it is for ", name)
			assert.Regexp(t, `BSD`, err.Error(), name)
		case err != nil: // Linux has it, and the request has no room for it
			assert.ErrorContains(t, err, "room for 16 bits", name)
		}
	}
}

// parses is for names of a type with a function that reads them and a String that writes them. A value with two names, such as
// protocol 0, is written by one of them.
func parses[T interface {
	comparable
	fmt.Stringer
}](parse func(string) (T, error)) asker {
	return func(t *testing.T, name string) error {
		v, err := parse(name)
		if err != nil {
			return err
		}
		if back, err := parse(v.String()); err != nil || back != v {
			return fmt.Errorf("it is printed as %v, which is read as %v, %v", v, back, err)
		}
		if _, err := strconv.Atoi(v.String()); err == nil {
			return fmt.Errorf("it is printed as %v", v)
		}
		return nil
	}
}

// among is for names that the library only writes.
func among(all func() []string) asker {
	return func(t *testing.T, name string) error {
		if slices.Contains(all(), name) {
			return nil
		}
		return errors.New("nothing has that name")
	}
}

// codesOf has the names of the codes of an ICMP message.
func codesOf(typ esock.ErrorType) func() []string {
	return func() (names []string) {
		for code := range esock.ErrorCode(256) {
			names = append(names, (esock.ErrorCode(typ)<<8 | code).String())
		}
		return names
	}
}

// inAddress is for names of a value in the map of an address.
func inAddress(family, key string) asker {
	return func(t *testing.T, name string) error {
		_, err := esock.AddrFromMap(map[string]any{"family": family, key: name})
		return err
	}
}

// keyOfAddress is for the keys of a map that is an address.
func keyOfAddress(whole map[string]any) asker {
	return func(t *testing.T, name string) error {
		a, err := esock.AddrFromMap(whole)
		return cmp.Or(err, has(whole, name), has(a.Map(), name))
	}
}

// keyOfOption is for the keys of a structure that is the value of an option.
func keyOfOption(level, option, structure string) asker {
	return func(t *testing.T, name string) error {
		value := structures[structure]
		return cmp.Or(has(value, name), taken(sockopt.Set(ofLevel(t, level), level, option, value)))
	}
}

// keyOfControl is for the keys of the value of a control message.
func keyOfControl(level, typ, structure string) asker {
	return func(t *testing.T, name string) error {
		c, err := esock.ControlMessageFromMap(map[string]any{"level": level, "type": typ, "value": structures[structure]})
		value, _ := c.Map()["value"].(map[string]any)
		return cmp.Or(err, has(structures[structure], name), has(value, name))
	}
}

func has(m map[string]any, key string) error {
	if _, ok := m[key]; ok {
		return nil
	}
	return fmt.Errorf("there is no key %s in %v", key, slices.Sorted(maps.Keys(m)))
}

// taken returns the library's own refusal of a name or a value. What the kernel answers does not matter.
func taken(err error) error {
	if invalid := new(esock.InvalidError); errors.As(err, &invalid) {
		return err
	}
	return nil
}

func setsTo(t *testing.T, s *esock.Socket, level, name string, value any) error {
	err := sockopt.Set(s, level, name, value)
	got, getErr := sockopt.Get(s, level, name)
	if err := cmp.Or(err, getErr); err != nil {
		return err
	}
	if got != value {
		return fmt.Errorf("it is read as %v", got)
	}
	return nil
}

// ofLevel is a socket that has the options of a level, where the kernel has such a socket.
func ofLevel(t *testing.T, level string) *esock.Socket {
	switch level {
	case "ip", "udp":
		return udp4(t)
	case "ipv6":
		return udp6(t)
	}
	return tcp4(t)
}

func askOption(level string) asker {
	return func(t *testing.T, name string) error {
		_, err := sockopt.Get(ofLevel(t, level), level, name)
		if err != nil && isSetOnly(level, name) {
			return nil
		}
		return taken(err)
	}
}

func isSetOnly(level, name string) bool {
	for o := range sockopt.All() {
		if o.Level == level && o.Name == name {
			return !o.CanGet
		}
	}
	return false
}

// askControl makes the message from a map with its names, and finds them in the message's own map.
func askControl(t *testing.T, name string) error {
	level, typ := pairOf(name)
	c, err := esock.ControlMessageFromMap(map[string]any{"level": level, "type": typ, "data": []byte{1, 0, 0, 0}})
	if err != nil {
		return err
	}
	if m := c.Map(); m["level"] != level || m["type"] != typ {
		return fmt.Errorf("it is printed as {%v, %v}", m["level"], m["type"])
	}
	return nil
}

// pairOf takes {ip, ttl} apart.
func pairOf(name string) (level, typ string) {
	level, typ, _ = strings.Cut(strings.Trim(name, "{}"), ", ")
	return level, typ
}

// askRequest makes a request about the loopback interface, and changes nothing: a request that sets something gets what it does
// not take.
func askRequest(t *testing.T, name string) error {
	var args []any
	switch {
	case name == "gifname":
		args = []any{1}
	case strings.HasPrefix(name, "gif") && name != "gifconf":
		args = []any{"lo"}
	case strings.HasPrefix(name, "sif"):
		args = []any{"lo", struct{}{}}
	}
	_, err := netdevice.IOCtl(tcp4(t), name, args...)
	if errors.Is(err, &esock.InvalidError{What: "ioctl_argument"}) && strings.HasPrefix(name, "sif") {
		return nil
	}
	return taken(err)
}

// askReason finds the atom of an error.
func askReason(more map[string]error) asker {
	of := map[string]error{"closed": net.ErrClosed, "timeout": esock.ErrTimeout, "not_owner": gentcp.ErrNotOwner,
		"badarg": gentcp.ErrBadArg, "einval": syscall.EINVAL, "enotsup": syscall.ENOTSUP, "enotconn": syscall.ENOTCONN,
		"econnreset": syscall.ECONNRESET, "etimedout": syscall.ETIMEDOUT, "eprotonosupport": syscall.EPROTONOSUPPORT}
	maps.Copy(of, more)
	return func(t *testing.T, name string) error {
		err, ok := of[name]
		if !ok { // a term with parts, or one that has another form here: the table says which
			return nil
		}
		if atom := gentcp.Reason(err); atom != name {
			return fmt.Errorf("its atom is %q", atom)
		}
		return nil
	}
}
