package main

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock/internal/machine"
	"github.com/esock-go/esock/internal/testwait"
)

// A bad value of a flag or argument is refused before anything is done, with the flag's name, and in words of the command:
// no errors of the Go library.
func TestBadValues(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		name = filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
		return name
	}
	vectors := map[string]string{"array": file("a", "[]"), "type": file("t", `{"vectors": [{"id": 3}]}`),
		"text": file("x", "nope"), "none": file("n", "{}"), "cut": file("c", `{"vectors": [`)}
	type bad struct {
		args string // "_" is the empty text
		want []string
	}
	cases := []bad{
		{"watch --count=-1", []string{"--count", "not -1"}},
		{"watch --count x", []string{"--count", `not "x"`}},
		{"watch --count 1.5", []string{"--count", `not "1.5"`}},
		{"watch --count 99999999999999999999", []string{"--count", "64 bits"}},
		{"watch --count -1", []string{"--count", "--count=-"}},
		{"serve DIR --connections 0", []string{"--connections", "no client"}},
		{"serve DIR --connections=-1", []string{"--connections", "no client"}},
		{"serve DIR --connections many", []string{"--connections", `not "many"`}},
		{"serve _", []string{"directory is empty"}},
		{"serve DIR/nowhere", []string{"no such file"}},
		{"serve DIR/x", []string{"not a directory"}},
		{"demo _", []string{"file", "empty"}},
		{"connect _ 1", []string{"host is empty"}},
		{"connect 127.0.0.1 0", []string{"port 0"}},
		{"connect 127.0.0.1 _", []string{"no port"}},
		{"connect 127.0.0.1 8080x", []string{`no service "8080x"`}},
		{"connect 127.0.0.1 99999", []string{"99999"}},
		{"connect 127.0.0.1 99999999999999999999", []string{"not a port"}},
		{"sendfile 127.0.0.1 8080x DIR/x", []string{`no service "8080x"`}},
		{"sendfile 127.0.0.1 1 _", []string{"empty"}},
		{"packet decode --vectors DIR/nowhere", []string{"--vectors", "no such file"}},
		{"packet decode --vectors DIR", []string{"--vectors", "directory"}},
		{"packet decode --vectors " + vectors["array"], []string{"--vectors", "kind array"}},
		{"packet decode --vectors " + vectors["type"], []string{"--vectors", "vectors.id", "kind number"}},
		{"packet decode --vectors " + vectors["text"], []string{"--vectors", "not JSON", "byte 2"}},
		{"packet decode --vectors " + vectors["cut"], []string{"--vectors", "not JSON"}},
		{"packet decode --vectors " + vectors["none"], []string{"--vectors", "no vectors"}},
		{"packet decode --type line --line-delimiter x", []string{"--line-delimiter", `not "x"`}},
		{"packet decode --type line --packet-size _", []string{"--packet-size", `not ""`}},
		{"packet decode --type 4 --hex 6", []string{"--hex", "odd"}},
		{"opt get 6 1 --native-size x", []string{"--native-size", `not "x"`}},
		{"opt get ip dontfrag", []string{"Linux has no option ip.dontfrag", "BSDs and Windows", "ipv6.dontfrag"}},
		{"opt set socket setfib 1", []string{"Linux has no option socket.setfib", "FreeBSD"}},
		{"opt set socket attach_filter x", []string{"socket.attach_filter", "program"}},
		{"opt set socket attach_filter 1:2:3", []string{"socket.attach_filter", "program"}},
		{"opt set socket attach_filter 70000:0:0:0", []string{"socket.attach_filter", "program"}},
		{"opt set socket linger {x}", []string{"socket.linger", "not JSON from byte 2"}},
		{"opt set tcp congestion _", []string{`set to ""`}},
	}
	for _, flag := range []string{"serve DIR --idle", "serve DIR --head", "serve DIR --stall"} {
		name := strings.Fields(flag)[2]
		for _, v := range []string{"x", "5x", ".", "_", "99999999h", "1e9s", "99999999999"} {
			cases = append(cases, bad{flag + " " + v, []string{name, "a time"}})
		}
		for _, v := range []string{"0", "0s", "-1s"} {
			cases = append(cases, bad{flag + "=" + v, []string{name, "too short"}})
		}
	}
	for _, flag := range []string{"serve DIR --addr", "watch --addr"} {
		for v, want := range map[string]string{"_": "empty", "x": "missing port", "127.0.0.1": "missing port", "/x": "missing port",
			"127.0.0.1:": "no port", "127.0.0.1:8080x": `no service "8080x"`, "127.0.0.1:-1": "-1 is not a port",
			"127.0.0.1:65536": "65536 is not a port", "127.0.0.1:99999999999999999999": "is not a port",
			"[::1:0": "brackets", "::1:0": "brackets", "host..invalid:0": `"host..invalid"`, "[::1%a/b]:0": "zone"} {
			cases = append(cases, bad{flag + " " + v, []string{"--addr", want}})
		}
		if machine.IPv6 {
			cases = append(cases, bad{flag + " [::1%nosuch]:0", []string{"[::1%nosuch]:0", "zone", "namespace"}})
		}
	}
	if machine.IPv6 {
		cases = append(cases, bad{"listen [::1%nosuch]:0", []string{"[::1%nosuch]:0", "zone", "namespace"}})
		cases = append(cases, bad{"connect ::1%nosuch 1", []string{"nosuch", "zone", "namespace"}})
	}
	for args, want := range map[string]string{
		"": "missing", "127.0.0.1": "no port", "127.0.0.1:": "no port", "::1:80": "brackets", "a b c": "3 words", "_": "empty",
		"[::1%a/b] 80": "zone", "127.0.0.1 80 -6": "--ipv6: 127.0.0.1 is an IPv4 address", "::1 80 -4": "--ipv4: ::1 is an IPv6 address",
		"a:80 -4 -6": "--ipv4", "a b -U": "--unix", "/a -U -4": "--unix", "/a -U -u -c": "--tls", "a:80 -u --tls": "--tls",
		"a:80 -u -p 4": "--packet", "a:80 -w 0": "--wait", "a:80 -w=-1": "--wait", "a:80 -w x": "--wait", "a:80 --cert x": "--cert",
		"a:80 --insecure": "--insecure", "a:80 --tls --key x": "--key", "a:80 --tls --cert DIR/nowhere": "--cert",
		"a:80 --tls --ca DIR/nowhere": "--ca", "a:80 --tls --ca " + vectors["text"]: "no certificate", "a:80 -p x": "--packet",
		"127.0.0.1:nonsense": `no service "nonsense"`, "127.0.0.1 65536": "not a port", "127.0.0.1:nonsense -u": `no service "nonsense"`,
		"host..invalid 80 -u": `"host..invalid"`, "127.0.0.1 0 -u": "port 0", "_ 80 -u": "empty", "_ 80": "empty"} {
		if want == "missing" {
			want = "<address>"
		}
		cases = append(cases, bad{"connect " + args, []string{want}})
	}
	for args, want := range map[string]string{
		"127.0.0.1:": "no port", "x": `no service "x"`, "::1:80": "brackets", "a b c": "3 words", "_": "empty", "127.0.0.1:-1": "-1 is not a port",
		"65536": "65536 is not a port", "99999999999999999999": "is not a port", "host..invalid 0": `"host..invalid"`,
		"[::1%a/b]:0": "zone", "127.0.0.1:0 -6": "--ipv6", "[::1]:0 -4": "--ipv4", "-U": "--unix", "5678 --tls": "--cert is missing",
		"5678 --tls --cert " + vectors["text"]: "--cert", "DIR/no/such/path -U": "no such file", "DIR/no/such/path -U -u": "no such file",
		strings.Repeat("x", 200) + " -U": "--unix"} {
		cases = append(cases, bad{"listen " + args, []string{want}})
	}
	// All flags that take text: nothing is not the same as no flag.
	for _, flag := range []string{"i -f", "options --level", "opt get tcp nodelay --domain", "opt get tcp nodelay --type",
		"opt get tcp nodelay --protocol", "opt get packet hdrlen --ask", "packet decode --vectors", "packet decode --type"} {
		cases = append(cases, bad{flag + " _", []string{"empty"}})
	}
	for _, c := range cases {
		args := strings.Fields(strings.ReplaceAll(c.args, "DIR", dir))
		for i := range args {
			if args[i] == "_" {
				args[i] = ""
			}
		}
		code, out, errs := command(t, args...)
		assert.NotEqual(t, 0, code, c.args)
		assert.Empty(t, out, c.args)
		for _, want := range c.want {
			assert.Contains(t, errs, want, c.args)
		}
		for _, raw := range []string{"strconv", "lookup", "unmarshal", "time:", "Go value", "invalid character", "parse"} {
			assert.NotContains(t, errs, raw, c.args)
		}
		assert.Equal(t, 1, strings.Count(errs, "\n"), "one line: %s", errs)
	}
}

// A zone may be a name wherever an address is given, and is printed as net prints it; in a URL it is escaped.
func TestZonesOfFlags(t *testing.T) {
	lo, err := net.InterfaceByIndex(1)
	if err != nil {
		t.Skip("no loopback interface: ", err)
	}
	if l, err := net.Listen("tcp6", "[::1]:0"); err != nil {
		t.Skip("no IPv6: ", err)
	} else {
		l.Close()
	}
	for _, zone := range []string{"1", lo.Name} {
		t.Run(zone, func(t *testing.T) { // the server ends with it
			line := serving(t, "[::1%"+zone+"]:0")
			_, at, ok := strings.Cut(line, " on http://")
			require.True(t, ok, line)
			_, port, err := net.SplitHostPort(at)
			require.NoError(t, err)
			s, err := dial(t.Context(), "::1%"+zone, port)
			require.NoError(t, err)
			s.Close()
			s, err = dial(t.Context(), "[::1%"+zone+"]", port)
			require.NoError(t, err)
			s.Close()
		})
	}
}

// serving runs serve until the test ends, and gives its first line.
func serving(t *testing.T, addr string) string {
	t.Helper()
	nothingLeft(t)
	ctx, cancel := context.WithCancel(context.Background())
	first, ended := make(lines, 1), make(chan error, 1)
	c := &serveCmd{Dir: site(t), Addr: addr, Connections: 10, Idle: testwait.Patience, Head: testwait.Patience, Stall: testwait.Patience}
	go func() { ended <- c.serve(ctx, &output{Writer: first}, io.Discard) }()
	t.Cleanup(func() {
		cancel()
		assert.NoError(t, <-ended)
	})
	return <-first
}
