package tests

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/sockopt"
)

// structures has a value of each type of the documents that is a map.
var structures = map[string]map[string]any{
	"linger()":         {"onoff": true, "linger": 5},
	"timeval()":        {"sec": 1, "usec": 500000},
	"ip_mreq()":        {"multiaddr": "239.1.2.3", "interface": "any"},
	"ip_mreq_source()": {"multiaddr": "232.1.2.3", "interface": "any", "sourceaddr": "127.0.0.1"},
	"ip_msfilter()": {"multiaddr": "239.1.2.3", "interface": "127.0.0.1", "mode": "include",
		"slist": []any{"127.0.0.1"}},
	"ip_pktinfo()":   {"ifindex": 1, "spec_dst": "127.0.0.1", "addr": "127.0.0.1"},
	"ipv6_mreq()":    {"multiaddr": "ff02::1:99", "interface": 1},
	"ipv6_pktinfo()": {"ifindex": 1, "addr": "::1"},
	"sctp_assocparams()": {"assoc_id": 0, "asocmaxrxt": 5, "numbe_peer_destinations": 0, "peer_rwnd": 0, "local_rwnd": 0,
		"cookie_life": 60000},
	"sctp_initmsg()": {"num_ostreams": 10, "max_instreams": 10, "max_attempts": 4, "max_init_timeo": 0},
	"sctp_rtoinfo()": {"assoc_id": 0, "initial": 3000, "max": 60000, "min": 1000},
	"sctp_event_subscribe()": {"data_io": true, "association": true, "address": false, "send_failure": false,
		"peer_error": false, "shutdown": false, "partial_delivery": false, "adaptation_layer": false,
		"authentication": false, "sender_dry": false},
}

// valuesOf are values of a form. A form that is not here is an atom.
func valuesOf(form string) []any {
	switch form {
	case "boolean()":
		return []any{true, false}
	case "integer()", "integer() >= 0", "integer() >= 1", "integer() > 0", "non_neg_integer()", "pos_integer()":
		return []any{1, 1.0, uint8(1)} // as Go has it, and JSON
	case "string()":
		return []any{"lo"}
	case "domain()":
		return []any{"inet", 2}
	case "in_addr()":
		return []any{"127.0.0.1"}
	case "ip_pmtudisc()", "ipv6_pmtudisc()":
		return []any{"want", "dont", "do", "probe"}
	case "ip_tos()":
		return []any{"lowdelay", "throughput", "reliability", "mincost"}
	case "ipv6_hops()":
		return []any{"default", 0, 255}
	case "null":
		return []any{nil}
	case "{N, default}":
		return []any{[]any{2, "default"}}
	case "{N, integer() > 0}":
		return []any{[]any{2, 100}}
	case "{boolean(), non_neg_integer()}", "{boolean(), integer() >= 0}":
		return []any{[]any{true, 5}, []any{false, 0}}
	case "timeout()":
		return []any{"infinity", 5000}
	case "inet:port_number()":
		return []any{0, 65535}
	case "0", "1", "2", "4":
		return []any{form, int(form[0] - '0')}
	case "true", "false":
		return []any{form == "true"}
	case "-32768..32767":
		return []any{-32768, 32767, 0}
	case "socket:sockaddr_in()":
		return []any{map[string]any{"family": "inet", "addr": "loopback", "port": 0}}
	case "socket:sockaddr_in6()":
		return []any{map[string]any{"family": "inet6", "addr": "loopback", "port": 0, "scope_id": 0}}
	case "inet:socket_address()":
		return []any{"any", "loopback", "127.0.0.1", "::1"}
	case "binary()":
		return []any{"lo", []byte("lo")}
	}
	if m := structures[form]; m != nil {
		return []any{m}
	}
	return []any{form}
}

// settable calls f for each option of module socket that the document sets, with each form of its value.
func settable(t *testing.T, f func(t *testing.T, s *esock.Socket, level, name, form string)) {
	for _, d := range documents(t, "socket.md") {
		for _, level := range append([]string{"otp"}, optionLevels...) {
			t.Run(d.name+" "+level, func(t *testing.T) {
				for _, n := range d.kinds["option of level "+level] {
					if n.access == "get" || setElsewhere[level+"."+n.name] != "" || isElsewhere(level, n.name) {
						continue
					}
					for _, form := range n.forms {
						f(t, ofLevel(t, level), level, n.name, form)
					}
				}
			})
		}
	}
}

// A value of each form that the document gives is taken by the library; the kernel may still refuse it.
func TestOptionsTakeTheFormsOfTheDocuments(t *testing.T) {
	mb := esock.NewMailbox()
	defer mb.Close()
	settable(t, func(t *testing.T, s *esock.Socket, level, name, form string) {
		for _, v := range valuesOf(form) {
			if form == "pid()" {
				v = mb
			}
			assert.NoError(t, taken(sockopt.Set(s, level, name, v)), "{%s, %s}: %s, %#v", level, name, form, v)
		}
	})
}

// What a set took is read in the form in which the document has it.
func TestOptionsAreReadInTheFormsOfTheDocuments(t *testing.T) {
	read := 0
	settable(t, func(t *testing.T, s *esock.Socket, level, name, form string) {
		want := map[string]any{"boolean()": true, "integer()": 0, "string()": "", "linger()": map[string]any{},
			"in_addr()": "", "ip_pmtudisc()": "", "ipv6_pmtudisc()": "", "ipv6_hops()": 0}[form]
		if want == nil {
			return
		}
		for _, v := range valuesOf(form) {
			if form == "integer()" && name == "mtu_discover" { // a number that has a name is read as the name
				want = ""
			}
			if sockopt.Set(s, level, name, v) != nil {
				continue
			}
			if got, err := sockopt.Get(s, level, name); err == nil {
				assert.IsType(t, want, got, "{%s, %s} after %#v", level, name, v)
				read++
			}
		}
	})
	assert.NotZero(t, read)
	for _, d := range documents(t, "socket.md") {
		for _, level := range optionLevels {
			for _, n := range d.kinds["option of level "+level] {
				want := map[string]any{"domain()": "", "type()": "", "protocol()": "", "integer()": 0}
				if n.access != "get" {
					continue
				}
				if got, err := sockopt.Get(tcp4(t), level, n.name); err == nil {
					assert.IsType(t, want[n.forms[0]], got, "{%s, %s}", level, n.name)
				}
			}
		}
	}
}

// setElsewhere are options that the documents set and Linux does not.
var setElsewhere = map[string]string{
	"socket.acceptconn": "read only", "socket.sndlowat": "read only",
	"ipv6.tclass": "an integer: the document's boolean() is that of recvtclass",
}

func isElsewhere(level, name string) bool {
	for _, o := range sockopt.Others() {
		if o.Level == level && o.Name == name {
			return true
		}
	}
	return false
}

func TestControlMessagesTakeTheFormsOfTheDocuments(t *testing.T) {
	for _, d := range documents(t, "socket.md") {
		for _, n := range d.kinds["control message to send"] {
			for _, form := range n.forms {
				for _, v := range valuesOf(form) {
					level, typ := pairOf(n.name)
					_, err := esock.ControlMessageFromMap(map[string]any{"level": level, "type": typ, "value": v})
					if n.name != "{ip, hoplimit}" {
						assert.NoError(t, err, "%s: %s, %#v", n.name, form, v)
					}
				}
			}
		}
	}
}

func TestOptionsOfGenTCPTakeTheFormsOfTheDocuments(t *testing.T) {
	for _, d := range documents(t, "gen-tcp.md") {
		for kind := range whereOf {
			for _, n := range d.kinds[kind] {
				for _, form := range n.forms {
					values := valuesOf(form)
					switch form {
					case "module()", "file:filename_all()", "{Protocol, OptionNum, ValueBin}":
						values = []any{samples[n.name]}
					}
					if kind == "option_name" {
						continue // asked by GetOpts, which has no values
					}
					require.NotEmpty(t, values)
					for _, v := range values {
						_, err := gentcp.Opt(n.name, v)
						assert.NoError(t, err, "%s %s: %s, %#v", kind, n.name, form, v)
					}
				}
			}
		}
	}
}
