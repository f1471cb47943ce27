package main

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock/internal/machine"
)

func TestOptValues(t *testing.T) {
	for _, c := range []struct {
		args []string
		want any
	}{
		{[]string{"get", "tcp", "nodelay"}, false},
		{[]string{"set", "tcp", "nodelay", "on"}, true},
		{[]string{"set", "tcp", "keepidle", "77"}, 77.},
		{[]string{"set", "tcp", "user_timeout", "3000"}, 3000.},
		{[]string{"set", "ip", "ttl", "9"}, 9.},
		{[]string{"set", "ip", "tos", "lowdelay"}, 16.},
		{[]string{"set", "ip", "ttl", "9", "--domain", "inet", "--type", "dgram", "--protocol", "udp"}, 9.},
		{[]string{"set", "ipv6", "v6only", "true"}, true},
		{[]string{"get", "socket", "type", "--type", "dgram"}, "dgram"},
		{[]string{"get", "socket", "domain", "--domain", "local"}, "local"},
		{[]string{"set", "socket", "linger", "5s"}, map[string]any{"onoff": true, "linger": 5.}},
		{[]string{"set", "socket", "linger", "7"}, map[string]any{"onoff": true, "linger": 7.}},
		{[]string{"set", "socket", "linger", "abort"}, map[string]any{"onoff": true, "linger": 0.}},
		{[]string{"set", "socket", "linger", "off"}, map[string]any{"onoff": false, "linger": 0.}},
		{[]string{"set", "socket", "passcred", "true"}, true},
		{[]string{"get", "otp", "rcvbuf"}, 8192.},
		{[]string{"set", "otp", "rcvbuf", "4:2048"}, map[string]any{"n": 4., "size": 2048.}},
		{[]string{"set", "otp", "rcvbuf", "default"}, 8192.},
		{[]string{"set", "otp", "sndctrlbuf", "99"}, 99.},
		{[]string{"set", "otp", "spin", "50us"}, "50µs"},
		{[]string{"set", "otp", "meta", "cookie"}, "cookie"},
		{[]string{"get", "otp", "controlling_process"}, nil},
		// Native.
		{[]string{"get", "6", "1"}, 0.},
		{[]string{"get", "tcp", "1", "--boolean"}, false},
		{[]string{"set", "6", "1", "1"}, 1.},
		{[]string{"set", "6", "1", "true", "--boolean"}, true},
		{[]string{"set", "tcp", "nodelay", "1", "--integer"}, 1.},
		{[]string{"set", "6", "1", "--hex", "01 00 00 00"}, "01000000"},
		{[]string{"set", "6", "1", "--hex", "0x01000000"}, "01000000"},
		{[]string{"set", "6", "1", "--hex", "0X 01 00 00 00"}, "01000000"},
		{[]string{"get", "1", "13", "--native-size", "8"}, "0000000000000000"},
		{[]string{"get", "0x29", "49"}, 0.},
		{[]string{"get", "6", "nodelay"}, false},
	} {
		if (c.args[1] == "ipv6" || c.args[1] == "0x29") && !machine.IPv6 {
			continue
		}
		code, out, errs := command(t, append(append([]string{"opt"}, c.args...), "--json")...)
		if !assert.Equal(t, 0, code, "%v: %s", c.args, errs) {
			continue
		}
		var doc map[string]any
		require.NoError(t, json.Unmarshal([]byte(out), &doc), out)
		assert.Equal(t, c.want, doc["value"], "%v", c.args)
	}
}

func TestOptText(t *testing.T) {
	code, out, _ := command(t, "opt", "set", "tcp", "nodelay", "true")
	assert.Equal(t, 0, code)
	assert.Equal(t, `option          tcp.nodelay, TCP_NODELAY (level 6, number 1), bool
about           Sends small segments at once, without Nagle's algorithm. tcp(7)
socket          inet, stream, tcp
before          false
set             true
value           true
`, out)
	code, out, _ = command(t, "opt", "get", "socket", "linger")
	assert.Equal(t, 0, code)
	assert.Contains(t, out, "value           linger 0, onoff false\n")
}

func TestOptErrors(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"get", "tpc", "nodelay"}, `esock opt get: there is no level "tpc"; did you mean tcp or tipc?`},
		{[]string{"get", "tcp", "nodelya"}, `esock opt get: level tcp has no option "nodelya"; did you mean nodelay?`},
		{[]string{"get", "socket", "nodelay"}, `esock opt get: level socket has no option "nodelay"; did you mean tcp.nodelay, sctp.nodelay or tipc.nodelay?`},
		{[]string{"get", "otp", "spni"}, `esock opt get: level otp has no option "spni"; did you mean spin?`},
		{[]string{"get", "otp", "1"}, `esock opt get: the options of level otp are the library's own and have no numbers`},
		{[]string{"get", "otp", "spin", "--hex"}, `esock opt get: the options of level otp are the library's own and have no native form`},
		{[]string{"get", "99", "name"}, `esock opt get: level 99 has no options by name; give the option's number`},
		{[]string{"get", "6", "9999"}, `esock opt get: tcp.9999 cannot be read: protocol not available (ENOPROTOOPT)`},
		{[]string{"get", "6", "1", "--native-size=-1"}, `esock opt get: --native-size: must be from 1 to 1048576, not -1`},
		{[]string{"get", "tcp", "nodelay", "--domain", "inte"}, `esock opt get: there is no domain "inte"; did you mean inet?`},
		{[]string{"get", "tcp", "nodelay", "--type", "steam"}, `esock opt get: there is no type "steam"; did you mean stream?`},
		{[]string{"get", "tcp", "nodelay", "--protocol", "tpc"}, `esock opt get: there is no protocol "tpc"; did you mean tcp?`},
		{[]string{"get", "tcp", "nodelay", "--type", "dgram", "--protocol", "tcp"},
			`esock opt get: cannot open a socket of inet, dgram, tcp: protocol not supported (EPROTONOSUPPORT)`},
		{[]string{"set", "tcp", "nodelay", "maybe"}, `esock opt set: tcp.nodelay takes true or false, not "maybe"`},
		{[]string{"set", "tcp", "keepidle", "70000"}, `esock opt set: tcp.keepidle cannot be set to 70000: invalid argument (EINVAL)`},
		{[]string{"set", "tcp", "keepidle", "x"}, `esock opt set: tcp.keepidle cannot be set to x: not a time`},
		{[]string{"set", "socket", "type", "1"}, `esock opt set: socket.type can only be read`},
		{[]string{"set", "socket", "linger", "long"}, `esock opt set: socket.linger takes off, abort, or a number of seconds, not "long"`},
		{[]string{"set", "otp", "fd", "1"}, `esock opt set: otp.fd can only be read`},
		{[]string{"set", "otp", "spin", "x"}, `esock opt set: otp.spin takes a duration such as 50us, not "x"`},
		{[]string{"set", "otp", "rcvbuf", "a:b"}, `esock opt set: otp.rcvbuf takes SIZE, COUNT:SIZE, or default, not "a:b"`},
		{[]string{"set", "6", "1", "x"}, `esock opt set: "x" is not an integer that fits a C int; --boolean and --hex take other values`},
		{[]string{"set", "6", "1", "x", "--boolean"}, `esock opt set: "x" is not a boolean; use true or false`},
		{[]string{"set", "6", "1", "xyz", "--hex"}, `esock opt set: "xyz" is not an even number of hexadecimal digits`},
	} {
		code, out, errs := command(t, append([]string{"opt"}, c.args...)...)
		assert.Equal(t, refusedCode(c.want), code, c.args)
		assert.Empty(t, out)
		assert.Equal(t, c.want+"\n", errs)
	}
}
