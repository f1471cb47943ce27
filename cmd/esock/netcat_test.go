package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/machine"
	"github.com/esock-go/esock/internal/testwait"
	"github.com/esock-go/esock/packet"
)

// peer is a plain TCP listener to connect to.
func peer(t *testing.T) *net.TCPListener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	return l.(*net.TCPListener)
}

func accepted(t *testing.T, l *net.TCPListener) *net.TCPConn {
	t.Helper()
	c, err := l.AcceptTCP()
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

func dialed(t *testing.T, at string) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", at)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c.(*net.TCPConn)
}

// nothingLeft checks at the end of the test that no socket and no goroutine is left.
func nothingLeft(t *testing.T) {
	before, here := goleak.IgnoreCurrent(), esock.NumberOf()
	t.Cleanup(func() {
		assert.Equal(t, here, esock.NumberOf(), "all sockets are closed")
		goleak.VerifyNone(t, before, goleak.IgnoreAnyFunction("github.com/esock-go/esock.servePoller"))
	})
}

// running is a command that runs, with its ends.
type running struct {
	out bytes.Buffer // to be read when it has ended
	err <-chan error
}

// connecting runs connect to a listener. The input ends with the test.
func connecting(t *testing.T, ctx context.Context, l net.Listener, f framing, in io.Reader) *running {
	t.Helper()
	host, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	n, ended := &running{}, make(chan error, 1)
	c := &connectCmd{netcat: netcat{framing: f}, Address: []string{host, port}}
	go func() { ended <- c.connect(ctx, &output{Writer: &n.out}, terminals{in: in, err: io.Discard}) }()
	n.err = ended
	return n
}

// held is an input that has no end until the test has.
func held(t *testing.T) io.Reader {
	r, w := io.Pipe()
	t.Cleanup(func() { w.Close() })
	return r
}

func TestConnectFrames(t *testing.T) {
	for _, c := range []struct {
		typ, in, sent, come, out string
		escape                   bool
	}{
		{"raw", "a\nb", "a\nb", "x\x00y\nz", "x\x00y\nz", false},
		{"0", "a\nb", "a\nb", "x\x00y\nz", "x\x00y\nz", false},
		{"line", "a\nb", "a\nb", "x\ny\x00\nz", "x\ny\x00\nz", false},
		{"raw", `a\x00\\` + "\n\\n\n", "a\x00\\\n", "x\n", "x\n", true},
		{"line", `a\tb` + "\n", "a\tb\n", "", "", true},
		{"1", "ab\n\nc", "\x02ab\x00\x01c", "\x01x\x03\x00\\\n\x00\x02\xc3\xbc", "x\n\\x00\\\\\\n\n\nü\n", false},
		{"2", "ab\n", "\x00\x02ab", "\x00\x03x\xffz", "x\\xffz\n", false},
		{"4", "ab\r\n\n", "\x00\x00\x00\x03ab\r\x00\x00\x00\x00", "\x00\x00\x00\x01x", "x\n", false},
		{"4", `\xff"` + "\n", "\x00\x00\x00\x02\xff\"", "", "", true},
		{"asn1", `\x30\x02ab` + "\n", "0\x02ab", "\x30\x01x", "0\\x01x\n", true},
		{"sunrm", `\x80\x00\x00\x01a` + "\n", "\x80\x00\x00\x01a", "\x80\x00\x00\x01x", "\\x80\\x00\\x00\\x01x\n",
			true},
		{"cdr", "GIOP\n", "GIOP", "GIOP\x01\x00\x00\x00\x00\x00\x00\x01x",
			`GIOP\x01\x00\x00\x00\x00\x00\x00\x01x` + "\n", false},
		{"fcgi", "a\n", "a", "\x01\x01\x00\x01\x00\x01\x01\x00x-", `\x01\x01\x00\x01\x00\x01\x01\x00x` + "\n", false},
		{"tpkt", "a\n", "a", "\x03\x00\x00\x05x", `\x03\x00\x00\x05x` + "\n", false},
		{"http", "GET / HTTP/1.0\n\r\n", "GET / HTTP/1.0\r\n\r\n",
			"HTTP/1.1 200 OK\r\ncontent-length: 3\r\nx-a: b\r\n\r\n" +
				"x\ny" +
				"HTTP/1.1 204 None\r\n\r\nHTTP/1.1 200 Rest\r\n\r\nto the end\n",
			"http_response version 1.1, status 200, phrase OK\nhttp_header   Content-Length: 3\n" +
				"http_header   X-A: b\n" +
				"http_eoh\nx\ny" +
				"http_response version 1.1, status 204, phrase None\nhttp_eoh\n" +
				"http_response version 1.1, status 200, phrase Rest\nhttp_eoh\nto the end\n", false},
		{"http_bin", "", "", "GET /\x01 HTTP/1.1\r\n\r\nPUT http://h:8/p HTTP/1.1\r\nContent-Length: 2\r\n\r\nab" +
			"OPTIONS * HTTP/1.1\r\n\r\n" +
			"CONNECT h:1 HTTP/1.1\r\n\r\nPUT p HTTP/1.1\r\n\r\nGET http://h HTTP/1.1\r\n\r\nnonsense\r\n",
			"http_request  method GET, abs_path /\\x01, version 1.1\nhttp_eoh\n" +
				"http_request  method PUT, absoluteURI http host h port 8 path /p, version 1.1\n" +
				"http_header   Content-Length: 2\nhttp_eoh\nab" +
				"http_request  method OPTIONS, star, version 1.1\nhttp_eoh\n" +
				"http_request  method CONNECT, scheme h path 1, version 1.1\nhttp_eoh\n" +
				"http_request  method PUT, abs_path p, version 1.1\nhttp_eoh\n" +
				"http_request  method GET, absoluteURI http host h port undefined path /, version 1.1\nhttp_eoh\n" +
				"http_error    nonsense\\r\\n\n", false},
		{"http", "", "",
			"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
			"http_response version 1.1, status 200, phrase OK\nhttp_header   Transfer-Encoding: chunked\n" +
				"http_header   Content-Length: 1\nhttp_eoh\n3\r\nabc\r\n0\r\n\r\n", false},
		{"http", "", "", "PUT /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
			"http_request  method PUT, abs_path /a, version 1.1\nhttp_header   Transfer-Encoding: chunked\n" +
				"http_eoh\n0\r\n\r\n", false},
		{"httph", "A: b\n", "A: b\r\n", "Host: x\r\n\r\n", "http_header   Host: x\nhttp_eoh\n", false},
		{"httph_bin", "", "", "Host: x\r\n\r\n", "http_header   Host: x\nhttp_eoh\n", false},
	} {
		nothingLeft(t)
		l := peer(t)
		n := connecting(t, context.Background(), l, framing{Packet: c.typ, Escape: c.escape}, strings.NewReader(c.in))
		p := accepted(t, l)
		sent, err := io.ReadAll(p) // the end of the input is the end of what is sent
		require.NoError(t, err)
		assert.Equal(t, c.sent, string(sent), c.typ)
		_, err = p.Write([]byte(c.come))
		require.NoError(t, err)
		p.Close()
		assert.NoError(t, <-n.err, c.typ)
		assert.Equal(t, c.out, n.out.String(), c.typ)
	}
}

func TestConnectKnowsAllPacketTypesOfSockets(t *testing.T) {
	for i := packet.Raw; ; i++ {
		name, err := i.MarshalText()
		if err != nil {
			break
		}
		code, _, errs := command(t, "connect", "127.0.0.1", "nonsense", "--packet", string(name))
		if i == packet.TLS {
			assert.Equal(t, 2, code)
			assert.Contains(t, errs, "--packet must be one of")
			continue
		}
		assert.Equal(t, exitUsage, code, errs)
		assert.Contains(t, errs, "no service")
	}
}

func TestConnectEndsWithThePeer(t *testing.T) {
	nothingLeft(t)
	l := peer(t)
	n := connecting(t, context.Background(), l, framing{Packet: "line"}, held(t))
	p := accepted(t, l)
	_, err := p.Write([]byte("bye\n"))
	require.NoError(t, err)
	p.Close()
	require.NoError(t, <-n.err, "the input still waits")
	assert.Equal(t, "bye\n", n.out.String())
}

func TestConnectSendsAllOfTheInputToAPeerThatOnlyReads(t *testing.T) {
	nothingLeft(t)
	l := peer(t)
	in := strings.Repeat("0123456789abcde\n", 1<<20)
	n := connecting(t, context.Background(), l, framing{Packet: "raw"}, strings.NewReader(in))
	p := accepted(t, l)
	require.NoError(t, p.CloseWrite())
	got, err := io.ReadAll(p)
	require.NoError(t, err)
	assert.True(t, in == string(got))
	assert.NoError(t, <-n.err)
}

func TestConnectSaysWhatIsWrong(t *testing.T) {
	nothingLeft(t)
	for _, c := range []struct{ typ, in, come, want string }{
		{"1", strings.Repeat("a", 300) + "\n", "", "300 bytes are too many for a packet of type 1"},
		{"4", "", "\xff\xff\xff\xff", "what was received is not a packet of type 4, or is too large"},
		{"tpkt", "", "\x04\x00\x00\x00", "what was received is not a packet of type tpkt, or is too large"},
		{"http", "", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc",
			"the peer ended in the middle of a body of 5 bytes, after 3"},
		{"http", "", "PUT / HTTP/1.1\r\nContent-Length: 5\r\n\r\n",
			"the peer ended in the middle of a body of 5 bytes, after 0"},
		{"4", "", "\x00\x00\x00\x09abc", "the peer ended in the middle of a packet of type 4, after 7 bytes"},
	} {
		l := peer(t)
		n := connecting(t, context.Background(), l, framing{Packet: c.typ},
			io.MultiReader(strings.NewReader(c.in), held(t)))
		p := accepted(t, l)
		_, err := p.Write([]byte(c.come))
		require.NoError(t, err)
		if c.in == "" {
			require.NoError(t, p.CloseWrite())
		}
		assert.EqualError(t, <-n.err, c.want)
	}

	l := peer(t)
	n := connecting(t, context.Background(), l, framing{Packet: "raw"}, io.MultiReader(strings.NewReader("a"), held(t)))
	p := accepted(t, l)
	_, err := p.Read(make([]byte, 1))
	require.NoError(t, err)
	require.NoError(t, p.SetLinger(0))
	p.Close()
	assert.EqualError(t, <-n.err, "the peer reset the connection")

	n = connecting(t, context.Background(), l, framing{Packet: "4", Escape: true},
		io.MultiReader(strings.NewReader("\\q\n"), held(t)))
	accepted(t, l)
	assert.EqualError(t, <-n.err, `the input cannot be read: "\\q" is not an escape; use \x00, \n, \t, \\`)

	host, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	l.Close()
	for want, args := range map[string][]string{
		"cannot connect to 127.0.0.1:" + port + ": connection refused": {host, port},
		"there is no service \"nonsense\"":                             {host, "nonsense"},
		"99999 is not a port from 0 to 65535":                          {host, "99999"},
		"port 0 cannot be connected to":                                {host, "0"},
	} {
		code, out, errs := command(t, append([]string{"connect"}, args...)...)
		assert.Equal(t, refusedCode(want), code, want)
		assert.Empty(t, out)
		assert.Contains(t, errs, "esock connect: "+want)
		assert.Equal(t, 1, strings.Count(errs, "\n"), errs)
	}
	code, _, errs := command(t, "connect", host, port, "--packet", "5")
	assert.Equal(t, 2, code)
	assert.Contains(t, errs, "--packet must be one of")
	used := peer(t).Addr().String()
	code, _, errs = command(t, "listen", used)
	assert.Equal(t, 1, code)
	assert.Contains(t, errs, "cannot listen on "+used)
}

func TestConnectOutputThatCannotBeWritten(t *testing.T) {
	nothingLeft(t)
	l := peer(t)
	host, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	ended := make(chan error, 1)
	in := held(t)
	go func() {
		c := &connectCmd{netcat: netcat{framing: framing{Packet: "line"}}, Address: []string{host, port}}
		ended <- c.connect(context.Background(), &output{Writer: noWriter{}}, terminals{in, io.Discard})
	}()
	_, err = accepted(t, l).Write([]byte("line\n"))
	require.NoError(t, err)
	assert.ErrorContains(t, <-ended, "no room")
}

func TestConnectIsInterrupted(t *testing.T) {
	nothingLeft(t)
	l := peer(t)
	ctx, cancel := context.WithCancel(context.Background())
	typed, keys := io.Pipe()
	defer keys.Close()
	n := connecting(t, ctx, l, framing{Packet: "4"}, typed)
	p := accepted(t, l)
	_, err := keys.Write([]byte("x\n"))
	require.NoError(t, err)
	_, err = io.ReadFull(p, make([]byte, 4+1)) // so it is connected for its side, too
	require.NoError(t, err)
	cancel()
	assert.NoError(t, <-n.err)
	rest, err := io.ReadAll(p)
	assert.NoError(t, err)
	assert.Empty(t, bytes.TrimRight(rest, "\n"))

	// While it sends to a peer that does not read, what it has read is lost.
	raw, err := l.SyscallConn()
	require.NoError(t, err)
	require.NoError(t, raw.Control(func(fd uintptr) { // connections inherit it: the peer's system takes far less than 1 MiB
		err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096)
	}))
	require.NoError(t, err)
	for range 2 {
		ctx, cancel = context.WithCancel(context.Background())
		in, w := io.Pipe()
		n = connecting(t, ctx, l, framing{Packet: "raw"}, in)
		accepted(t, l)
		stuck := make(chan struct{})
		var read atomic.Int64
		go func() {
			defer close(stuck)
			for {
				n, err := w.Write(make([]byte, 1<<20))
				if read.Add(int64(n)); err != nil {
					return
				}
			}
		}()
		testwait.Until(t, "input", func() bool { return read.Load() > 0 })
		cancel()
		assert.EqualError(t, <-n.err, "interrupted: not all of the input has reached the peer")
		in.Close()
		<-stuck
	}
}

func TestListenTakesOneConnection(t *testing.T) {
	nothingLeft(t)
	addrs := []string{"127.0.0.1:0", ":0"}
	if machine.IPv6 {
		addrs = append(addrs, "[::1]:0")
	}
	if _, err := net.LookupHost("localhost"); err == nil { // it is not everywhere known
		addrs = append(addrs, "localhost:0")
	}
	for _, addr := range addrs {
		var out bytes.Buffer
		told, ended := make(lines, 1), make(chan error, 1)
		c := &listenCmd{netcat: netcat{framing: framing{Packet: "2"}}, Address: []string{addr}}
		go func() {
			ended <- c.listen(context.Background(), &output{Writer: &out}, terminals{strings.NewReader("hi\n"), told})
		}()
		var line string
		select {
		case line = <-told:
		case err := <-ended:
			require.NoError(t, err)
		}
		at, ok := strings.CutPrefix(line, "listening on ")
		require.True(t, ok, line)
		conn := dialed(t, at)
		_, err := conn.Write([]byte("\x00\x03you"))
		require.NoError(t, err)
		require.NoError(t, conn.CloseWrite())
		got, err := io.ReadAll(conn)
		require.NoError(t, err)
		assert.Equal(t, "\x00\x02hi", string(got))
		require.NoError(t, <-ended)
		assert.Equal(t, "you\n", out.String())
		_, err = net.Dial("tcp", at)
		assert.ErrorIs(t, err, syscall.ECONNREFUSED)
	}
}

func TestListenIsInterrupted(t *testing.T) {
	told, code := make(lines, 1), make(chan int, 1)
	go func() { code <- run([]string{"listen", "--packet", "line"}, io.Discard, told) }()
	assert.Contains(t, <-told, "listening on 127.0.0.1:")
	require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGTERM))
	assert.Equal(t, 0, <-code)
}

func TestListenAndConnectTalk(t *testing.T) {
	nothingLeft(t)
	for _, typ := range []string{"raw", "line", "1", "2", "4"} {
		var a, b bytes.Buffer
		told, ended := make(lines, 1), make(chan error, 1)
		c := &listenCmd{netcat: netcat{framing: framing{Packet: typ}}}
		go func() {
			ended <- c.listen(context.Background(), &output{Writer: &a},
				terminals{strings.NewReader("from listen\n"), told})
		}()
		host, port, err := net.SplitHostPort(strings.TrimPrefix(<-told, "listening on "))
		require.NoError(t, err)
		d := &connectCmd{netcat: netcat{framing: framing{Packet: typ}}, Address: []string{host, port}}
		ctx, cancel := context.WithTimeout(context.Background(), testwait.Patience)
		require.NoError(t, d.connect(ctx, &output{Writer: &b},
			terminals{strings.NewReader("from connect\n"), io.Discard}))
		cancel()
		require.NoError(t, <-ended)
		assert.Equal(t, "from connect\n", a.String(), typ)
		assert.Equal(t, "from listen\n", b.String(), typ)
	}
}

func TestEscapesComeBack(t *testing.T) {
	for _, s := range []string{"", "text ü", "\\", "\x00\xff\n\r\t\"'", "a\u202eb", string([]byte{0xe2, 0x80})} {
		line := escaped([]byte(s))
		assert.NotContains(t, line, "\n")
		back, err := unescape(line)
		assert.NoError(t, err)
		assert.Equal(t, s, back)
	}
	for text, want := range map[string]string{`\"`: `"`, `a"'\\`: `a"'\`, `\u00fc\t\101`: "ü\tA"} {
		got, err := unescape(text)
		assert.NoError(t, err)
		assert.Equal(t, want, got)
	}
	for _, text := range []string{`\'`, `\`, `\x0`, `\q`} {
		_, err := unescape(text)
		assert.Error(t, err, text)
	}
	assert.Contains(t, netcatHelp, "raw and 0 send it without its newline", "as TestConnectFrames has it")
}
