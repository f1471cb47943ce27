package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/testwait"
	"github.com/esock-go/esock/sockopt"
)

// What each command prints is in testdata/golden, for each kind of page. ESOCK_UPDATE=1 writes the files. Commands whose
// output depends on the machine print made-up values there.
func TestGolden(t *testing.T) {
	for name, print := range goldenOutputs(t) {
		t.Run(name, func(t *testing.T) {
			text, all := map[string]string{}, ""
			for _, p := range goldenPages {
				text[p.name] = p.of(t, print)
				if !p.derived {
					all += "### " + p.name + "\n" + strings.ReplaceAll(text[p.name], "\x1b", `\e`)
				}
			}
			file := filepath.Join("testdata", "golden", strings.ReplaceAll(name, " ", "-")+".txt")
			if os.Getenv("ESOCK_UPDATE") != "" {
				require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
				require.NoError(t, os.WriteFile(file, []byte(all), 0o644))
			}
			want, err := os.ReadFile(file)
			require.NoError(t, err)
			assert.Equal(t, string(want), all, "with ESOCK_UPDATE=1 the test writes what is printed now")
			assert.Equal(t, colourless(text["80 columns"]), text["80 columns, NO_COLOR"])
			assert.Equal(t, colourless(text["80 columns"]), text["80 columns, dumb"])
			assert.Equal(t, colourless(text["60 columns"]), text["no terminal, COLUMNS is 60"])
			assert.NotContains(t, text["no terminal"], "\x1b")
		})
	}
}

// The lines of all commands fit the page, and have no blanks at their ends.
func TestOutputFitsThePage(t *testing.T) {
	outputs := goldenOutputs(t)
	delete(outputs, "packet decode") // one line of JSON
	delete(outputs, "connect")       // what the peer sends is printed as it is
	for _, words := range commandPaths(t) {
		outputs["help "+strings.Join(words, " ")] = func(w io.Writer) { run(append(words, "--help"), w, w) }
	}
	for _, args := range []string{"demo", "i", "ifs", "info", "opt get tcp info", "options", "options --probe", "supports", "version"} {
		outputs["really "+args] = func(w io.Writer) {
			args := strings.Fields(args)
			if args[0] == "demo" {
				args = append(args, textFile(t, strings.Repeat(readme, 100000)))
			}
			assert.Equal(t, exitOK, run(args, w, w))
		}
	}
	outputs["really watch"] = func(w io.Writer) {
		at := net.JoinHostPort("127.0.0.1", freePort(t))
		stop := testwait.Repeat(func() {
			if c, err := net.Dial("udp", at); err == nil {
				c.Write([]byte(strings.Repeat("a datagram ", 30)))
				c.Close()
			}
		})
		defer stop()
		assert.Equal(t, exitOK, run([]string{"watch", "--addr", at, "--count", "1"}, w, w))
	}
	big := textFile(t, strings.Repeat(readme, 1000))
	outputs["really sendfile"] = func(w io.Writer) {
		l := peer(t)
		go func() {
			if c, err := l.Accept(); err == nil {
				io.Copy(io.Discard, c)
				c.Close()
			}
		}()
		assert.Equal(t, exitOK, run([]string{"sendfile", l.Addr().String(), big}, w, w))
	}
	outputs["really serve"] = func(w io.Writer) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // it listens, says so, and ends
		c := &serveCmd{Dir: ".", Connections: 1, Idle: 1, Head: 1, Stall: 1}
		assert.NoError(t, c.serve(ctx, newOutput(w), io.Discard))
	}
	for name, print := range outputs {
		for _, p := range goldenPages {
			columns := p.columns
			if p.env == "COLUMNS=60" {
				columns = 60
			}
			if columns == 0 {
				continue
			}
			for line := range strings.Lines(colourless(p.of(t, print))) {
				line = strings.TrimSuffix(line, "\n")
				for drawn := range strings.SplitSeq(line, "\r") { // a bar is drawn again and again
					assert.LessOrEqual(t, length(strings.TrimSpace(drawn)), columns, "%s, %s: %q", name, p.name, drawn)
				}
				if !strings.Contains(line, "\r") {
					assert.Equal(t, strings.TrimRight(line, " "), line, name)
				}
			}
		}
	}
}

// commandPaths are the words of all commands, and of the groups of them.
func commandPaths(t *testing.T) (paths [][]string) {
	parser, err := newParser(io.Discard, io.Discard, func(int) {})
	require.NoError(t, err)
	for _, c := range completedOf(parser.Model.Node) {
		paths = append(paths, c.words)
	}
	return paths
}

var colours = regexp.MustCompile("\x1b\\[[0-9;]*[mK]")

func colourless(text string) string { return colours.ReplaceAllString(text, "") }

// goldenPage is a kind of page that output is printed on.
type goldenPage struct {
	name    string
	columns int    // of a terminal; 0: no terminal
	env     string // NAME=VALUE
	derived bool   // it is not in the file, because it follows from another one
}

var goldenPages = []goldenPage{
	{"60 columns", 60, "", false}, {"80 columns", 80, "", false}, {"140 columns", 140, "", false}, {"no terminal", 0, "", false},
	{"80 columns, NO_COLOR", 80, "NO_COLOR=1", true}, {"80 columns, dumb", 80, "TERM=dumb", true},
	{"no terminal, COLUMNS is 60", 0, "COLUMNS=60", true},
}

// of returns what is printed on the page.
func (p goldenPage) of(t *testing.T, print func(io.Writer)) string {
	for _, name := range []string{"NO_COLOR", "COLUMNS"} {
		t.Setenv(name, "")
	}
	t.Setenv("TERM", "xterm")
	if name, value, ok := strings.Cut(p.env, "="); ok {
		t.Setenv(name, value)
	}
	if p.columns > 0 {
		return onTerminal(t, uint16(p.columns), func(terminal *os.File) { print(terminal) })
	}
	var b bytes.Buffer
	print(&b)
	return b.String()
}

// goldenOutputs are the outputs by the names of their files.
func goldenOutputs(t *testing.T) map[string]func(io.Writer) {
	outputs := map[string]func(io.Writer){}
	command := func(name string, code int, args ...string) {
		outputs[name] = func(w io.Writer) { assert.Equal(t, code, run(args, w, w)) }
	}
	made := func(name string, f func(*output) error) {
		outputs[name] = func(w io.Writer) { assert.NoError(t, f(newOutput(w))) }
	}

	command("nothing", exitUsage)
	command("help connect", exitOK, "help", "connect")
	command("help opt set", exitOK, "opt", "set", "--help")
	command("opt without command", exitUsage, "opt")
	command("opt get", exitOK, "opt", "get", "tcp", "nodelay")
	command("opt set", exitOK, "opt", "set", "socket", "linger", "onoff=true,linger=5")
	command("options tcp", exitOK, "options", "--level", "tcp")
	command("options sctp", exitOK, "options", "--level", "sctp")
	command("options otp", exitOK, "options", "--level", "otp")
	command("packet decode", exitOK, "packet", "decode", "--type", "http", "--hex", "474554202f20485454502f312e310d0a")
	outputs["connect"] = func(w io.Writer) {
		l := peer(t)
		go func() {
			if c, err := l.Accept(); err == nil {
				io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: "+strings.Repeat("long ", 20)+"\r\n\r\nbody\n")
				c.Close()
			}
		}()
		assert.Equal(t, exitOK, run([]string{"connect", "-p", "http", l.Addr().String()}, w, w))
	}
	made("demo", func(o *output) error { return madeUpReport(o).failed })
	made("i", func(o *output) error { return o.writeLines(o.lines(socketGrid(esock.TableColumns(), madeUpSockets))) })
	made("ifs", func(o *output) error { return o.writeLines(o.lines(ifGrid(madeUpInterfaces))) })
	made("info", func(o *output) error {
		return o.writePairs(infoPairs(esock.LibraryInfo{IOBackend: "unix_essio", IOVMax: 1024, NumCntBits: 64}))
	})
	made("serve", func(o *output) error {
		for _, c := range []struct {
			serve serveCmd
			at    esock.Addr
		}{
			{serveCmd{Dir: "public"}, esock.Inet4Addr(netip.MustParseAddr("127.0.0.1"), 8080)},
			{serveCmd{Dir: "public", Cert: "cert.pem"}, esock.Inet6Addr(netip.MustParseAddr("2001:db8::1"), 443, 0)},
			{serveCmd{Dir: "/home/somebody/with a directory/whose name/is long/and has blanks"}, esock.Inet4Addr(netip.MustParseAddr("192.0.2.17"), 54321)},
			{serveCmd{Dir: ".", Unix: "/run/web"}, esock.UnixAddr("/run/web")},
		} {
			if err := c.serve.writePlace(o, c.at); err != nil {
				return err
			}
		}
		return nil
	})
	made("sendfile", func(o *output) error {
		o.terminal = false // a bar is drawn with the time
		p := newProgress(&step{r: newReport(o, false)}, 5<<30)
		for n := range int64(6) {
			p.at(n << 30)
		}
		p.done()
		if err := writeSent(o, 1, time.Microsecond); err != nil {
			return err
		}
		return writeSent(o, 5<<30, 90*time.Second)
	})
	made("options probe", func(o *output) error { return (&optionsCmd{}).writeProbes(o, madeUpProbes()) })
	made("supports", func(o *output) error { return writeTables(o, madeUpSupport) })
	made("version", func(o *output) error {
		return o.writePairs(versions{"v1.2.3", "1.2.3", "go1.26.0", "Linux 6.12.0", "linux/amd64"}.pairs())
	})
	return outputs
}

var madeUpSockets = []esock.SocketRow{
	{Domain: "inet", Type: "STREAM", Protocol: "TCP", FD: 5, LocalAddress: "localhost:36029", State: "BD:LG, -"},
	{Domain: "inet", Type: "STREAM", Protocol: "TCP", FD: 6, LocalAddress: "localhost:41846", RemoteAddress: "localhost:36029",
		Sent: 1234567, State: " - , CD"},
	{Domain: "inet6", Type: "STREAM", Protocol: "TCP", FD: 112, Owner: "#Mailbox<1>",
		LocalAddress: "[2001:db8:1234:5678:9abc:def0:1234:5678]:50000", RemoteAddress: "[2001:db8::1]:https (443)", State: "SD , CD"},
	{Domain: "local", Type: "DGRAM", Protocol: "UNKNOWN", FD: 8,
		LocalAddress: "local:/run/user/1000/a-directory-with-a-long-name/and-another-one/socket"},
}

var madeUpInterfaces = []netIf{
	{Index: 1, Name: "lo", Flags: []string{"up", "loopback", "running"}, MTU: 65536, TxQLen: 1000, HWAddr: "00:00:00:00:00:00",
		Addr: "127.0.0.1", Netmask: "255.0.0.0"},
	{Index: 2, Name: "wlp0s20f3", Flags: []string{"up", "broadcast", "notrailers", "running", "promisc", "allmulti", "master", "slave",
		"multicast", "portsel", "automedia", "dynamic", "lower_up"}, MTU: 1500, TxQLen: 1000, HWAddr: net.HardwareAddr{2, 0, 0, 0, 0, 1}.String(),
		Addr: "192.168.178.123", Netmask: "255.255.255.0", Broadcast: "192.168.178.255"},
}

var madeUpSupport = map[string]any{
	"sendfile": true, "sctp": false,
	"msg_flags": map[string]any{"peek": true, "trunc": true, "eof": false},
	"options":   map[string]any{"tcp": map[string]any{"nodelay": "works", "ao_info": "known", "nopush": "elsewhere"}},
}

// madeUpProbes are results of every kind, for options of two levels.
func madeUpProbes() (probes []sockopt.Probe) {
	results := []sockopt.ProbeResult{sockopt.ProbeRoundTrips, sockopt.ProbeReads, sockopt.ProbeSets, sockopt.ProbePrivilege,
		sockopt.ProbeState, sockopt.ProbeDiffers, sockopt.ProbeRefused, sockopt.ProbeLacks, sockopt.ProbeNoSocket}
	for o := range sockopt.All() {
		if o.Level != "udp" && (o.Level != "socket" || len(probes) == 12) {
			continue
		}
		r := results[len(probes)%len(results)]
		p := sockopt.Probe{Option: o, Result: r}
		if !r.Works() {
			p.Why = "this is why it does not work with this kernel, in a sentence of some length"
		}
		for _, k := range sockopt.AllKinds() {
			if o.Kinds.Has(k) {
				p.Answers = append(p.Answers, sockopt.ProbeAnswer{Kind: k, Result: r})
			}
		}
		probes = append(probes, p)
	}
	return probes
}

// madeUpReport has every part that a step of the demonstration can have.
func madeUpReport(o *output) *report {
	r := newReport(o, false)
	st := r.step("echo", "Echo over TCP, IPv4", echoText)
	st.between("server", "client")
	st.call("server", "open(inet, stream, tcp)", "#Socket<2>")
	st.call("client", "connect", "127.0.0.1:36029")
	st.call("server", "bind", "/tmp/a-directory-with-a-long-name/and-a-socket")
	r.line("")
	st.fact("address", "127.0.0.1:36029")
	st.fact("sha256 of file", sha("file"))
	st.fact("elapsed", 1, "837 us, from the first open to the last close, which is longer than on most other machines")
	r.step("skipped", "Echo over TCP, IPv6", "The same.").skip("this machine has no IPv6 (open: address family not supported by protocol)")
	st = r.step("counters", "Their counters", "A dot is 0.")
	keys := append([]string{"socket", "role"}, readWriteCounters...)
	row := []any{12, "udp4 sender"}
	for i := range readWriteCounters {
		row = append(row, uint64(i*i*i))
	}
	st.table("counters", keys, [][]any{row})
	return r
}
