package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock/internal/machine"
	"github.com/esock-go/esock/internal/testwait"
)

// written is an output that can be read while a command writes it.
type written struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (w *written) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.Write(b)
}

func (w *written) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.String()
}

// ran is a listen or connect that runs until it ends or the test does.
type ran struct {
	out, err written
	cancel   context.CancelFunc
	ended    chan error
	done     bool
}

// parsed runs a command line, without signals.
func parsed(t *testing.T, in io.Reader, args ...string) *ran {
	t.Helper()
	parser, err := newParser(io.Discard, io.Discard, func(int) {})
	require.NoError(t, err)
	k, err := parser.Parse(args)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	r := &ran{cancel: cancel, ended: make(chan error, 1)}
	cli := k.Model.Target.Addr().Interface().(*commands)
	go func() {
		out, std := &output{Writer: &r.out}, terminals{in, &r.err}
		if args[0] == "listen" {
			r.ended <- cli.Listen.listen(ctx, out, std)
		} else {
			r.ended <- cli.Connect.connect(ctx, out, std)
		}
	}()
	t.Cleanup(func() {
		cancel()
		if !r.done {
			r.result(t)
		}
	})
	return r
}

// result waits until the command has ended.
func (r *ran) result(t *testing.T) error {
	t.Helper()
	r.done = true
	return testwait.Result(t, "the end of the command", r.ended)
}

// address waits until listen has said where it listens.
func (r *ran) address(t *testing.T) string {
	t.Helper()
	testwait.Until(t, "the address", func() bool { return strings.Contains(r.err.String(), "\n") })
	at, ok := strings.CutPrefix(strings.TrimSpace(r.err.String()), "listening on ")
	require.True(t, ok, r.err.String())
	return at
}

// port is that of the address.
func (r *ran) port(t *testing.T) string {
	_, port, err := net.SplitHostPort(r.address(t))
	require.NoError(t, err)
	return port
}

// says waits until the command has printed a text.
func (r *ran) says(t *testing.T, text string) {
	t.Helper()
	testwait.Until(t, text, func() bool { return strings.Contains(r.out.String(), text) })
}

// An address can be written in every way that people know, and means the same.
func TestAddressesOfListenAndConnect(t *testing.T) {
	for _, c := range []struct {
		six             bool
		listen, connect string // PORT is the port that was found
		at              string
	}{
		{false, "listen", "connect 127.0.0.1 PORT", "127.0.0.1:"},
		{false, "listen 0", "connect localhost PORT", "0.0.0.0:"},
		{false, "listen :0", "connect :PORT", "0.0.0.0:"},
		{false, "listen localhost:0", "connect localhost:PORT", "127.0.0.1:"},
		{false, "listen localhost 0 -4", "connect -4 localhost PORT", "127.0.0.1:"},
		{true, "listen -6", "connect [::1] PORT", "[::1]:"},
		{true, "listen -6 0", "connect -6 [::1]:PORT", "[::]:"},
		{true, "listen [::1]:0", "connect ::1 PORT", "[::1]:"},
		{true, "listen [::1] 0", "connect ::1 PORT -6", "[::1]:"},
	} {
		if c.six && !machine.IPv6 {
			continue
		}
		if _, err := net.LookupHost("localhost"); err != nil && strings.Contains(c.connect+c.listen, "localhost") {
			continue
		}
		nothingLeft(t)
		l := parsed(t, strings.NewReader("from listen"), strings.Fields(c.listen)...)
		assert.True(t, strings.HasPrefix(l.address(t), c.at), "%s: %s", c.listen, l.address(t))
		d := parsed(t, strings.NewReader("from connect"), strings.Fields(strings.ReplaceAll(c.connect, "PORT", l.port(t)))...)
		require.NoError(t, d.result(t), c.connect)
		require.NoError(t, l.result(t), c.listen)
		assert.Equal(t, "from connect", l.out.String())
		assert.Equal(t, "from listen", d.out.String())
	}
}

// A name with addresses of both families is connected to by the one that answers.
func TestConnectTriesBothFamilies(t *testing.T) {
	ips, err := net.LookupHost("localhost")
	if err != nil || len(ips) < 2 || !machine.IPv6 {
		t.Skip("localhost does not have both families here")
	}
	l := parsed(t, strings.NewReader("six"), "listen", "-6")
	port := l.port(t)
	d := parsed(t, strings.NewReader(""), "connect", "localhost", port, "-4")
	assert.ErrorContains(t, d.result(t), "connection refused")
	d = parsed(t, strings.NewReader(""), "connect", "localhost", port)
	require.NoError(t, d.result(t))
	assert.Equal(t, "six", d.out.String())
}

func TestListenKeepsListening(t *testing.T) {
	nothingLeft(t)
	in, w := io.Pipe()
	defer w.Close()
	l := parsed(t, in, "listen", "-k", "-p", "2")
	at := l.address(t)
	for i, text := range []string{"first", "second"} {
		c := dialed(t, at)
		_, err := c.Write([]byte("\x00" + string(rune(len(text))) + text))
		require.NoError(t, err)
		l.says(t, text) // so this is the peer that the input goes to
		_, err = fmt.Fprintf(w, "to %d\n", i)
		require.NoError(t, err)
		got := make([]byte, 6)
		_, err = io.ReadFull(c, got)
		require.NoError(t, err)
		assert.Equal(t, fmt.Sprintf("\x00\x04to %d", i), string(got))
		c.Close()
	}
	// What one peer does wrong does not end it.
	c := dialed(t, at)
	_, err := c.Write([]byte("\x00\x09cut"))
	require.NoError(t, err)
	c.Close()
	testwait.Until(t, "the complaint", func() bool {
		return strings.Contains(l.err.String(), "esock listen: the peer ended in the middle of a packet of type 2, after 5 bytes")
	})
	// After the end of the input nothing is sent any more.
	require.NoError(t, w.Close())
	for range 2 {
		c := dialed(t, at)
		rest, err := io.ReadAll(c)
		require.NoError(t, err)
		assert.Empty(t, rest)
		c.Close()
	}
	l.cancel()
	require.NoError(t, l.result(t))
	_, err = net.Dial("tcp", at)
	assert.Error(t, err)
}

func TestDatagrams(t *testing.T) {
	nothingLeft(t)
	for _, args := range []string{"-u", "-u -6", "-u -p line", "-u -e", "-u -U"} {
		if strings.Contains(args, "-6") && !machine.IPv6 {
			continue
		}
		flags := strings.Fields(args)
		listen, connect := append([]string{"listen"}, flags...), append([]string{"connect"}, flags...)
		if args == "-u -U" {
			path := filepath.Join(t.TempDir(), "s")
			listen, connect = append(listen, path), append(connect, path)
		}
		answers, w := io.Pipe()
		defer w.Close()
		l := parsed(t, answers, listen...)
		at := l.address(t)
		if args != "-u -U" {
			connect = append(connect, at)
		}
		in, typed := io.Pipe()
		defer typed.Close()
		d := parsed(t, in, connect...)
		_, err := typed.Write([]byte("question\n"))
		require.NoError(t, err)
		l.says(t, "question")
		_, err = w.Write([]byte("answer\n"))
		require.NoError(t, err)
		d.says(t, "answer")
		if args == "-u" { // another one is not heard
			c, err := net.Dial("udp", at)
			require.NoError(t, err)
			_, err = c.Write([]byte("other"))
			require.NoError(t, err)
			c.Close()
		}
		_, err = typed.Write([]byte("more\n"))
		require.NoError(t, err)
		l.says(t, "more")
		assert.NotContains(t, l.out.String(), "other")
		d.cancel()
		require.NoError(t, d.result(t), "everything has been sent")
		l.cancel()
		require.NoError(t, l.result(t))
	}
}

func TestDatagramsOfEveryone(t *testing.T) {
	nothingLeft(t)
	in, w := io.Pipe()
	defer w.Close()
	l := parsed(t, in, "listen", "-u", "-k")
	for _, text := range []string{"one", "two"} {
		c, err := net.Dial("udp", l.address(t))
		require.NoError(t, err)
		defer c.Close()
		_, err = c.Write([]byte(text))
		require.NoError(t, err)
		l.says(t, text)
		_, err = w.Write([]byte("to " + text))
		require.NoError(t, err)
		b := make([]byte, 99)
		n, err := c.Read(b)
		require.NoError(t, err)
		assert.Equal(t, "to "+text, string(b[:n]))
	}
}

// A read of the input is a datagram: bytes in which there is a newline stay together.
func TestDatagramOfBytes(t *testing.T) {
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	defer pc.Close()
	d := parsed(t, strings.NewReader("a\nb"), "connect", "-u", pc.LocalAddr().String())
	b := make([]byte, 99)
	n, from, err := pc.ReadFrom(b)
	require.NoError(t, err)
	assert.Equal(t, "a\nb", string(b[:n]))
	_, err = pc.WriteTo(nil, from) // an empty one is nothing to print
	require.NoError(t, err)
	_, err = pc.WriteTo([]byte("c"), from)
	require.NoError(t, err)
	d.says(t, "c")
	assert.Equal(t, "c", d.out.String())

	in, w := io.Pipe()
	defer w.Close()
	d = parsed(t, in, "connect", "-u", "-e", pc.LocalAddr().String())
	_, err = w.Write([]byte("d\n"))
	require.NoError(t, err)
	_, _, err = pc.ReadFrom(b)
	require.NoError(t, err)
	d.cancel()
	require.NoError(t, d.result(t))
	w.Close()

	pc.Close()
	in, w = io.Pipe()
	defer w.Close()
	d = parsed(t, in, "connect", "-u", pc.LocalAddr().String())
	testwait.Retry(t, "a refusal", func() { go w.Write([]byte("x")) }, func() bool { return len(d.ended) > 0 })
	assert.ErrorContains(t, d.result(t), "the peer refused a datagram")
	w.Close()
}

func TestUnixSockets(t *testing.T) {
	nothingLeft(t)
	path := filepath.Join(t.TempDir(), "s")
	for _, at := range []string{path, path, "@esock-test-" + filepath.Base(t.TempDir()) + fmt.Sprint(os.Getpid())} {
		l := parsed(t, strings.NewReader("from listen"), "listen", "-U", at)
		assert.Equal(t, at, l.address(t))
		used := parsed(t, held(t), "listen", "-U", at)
		assert.EqualError(t, used.result(t), "cannot listen on "+at+": address already in use")
		d := parsed(t, strings.NewReader("from connect"), "connect", "-U", at)
		require.NoError(t, d.result(t))
		require.NoError(t, l.result(t))
		assert.Equal(t, "from connect", l.out.String())
		assert.Equal(t, "from listen", d.out.String())
		assert.NoFileExists(t, path)
	}
	d := parsed(t, held(t), "connect", "-U", path)
	assert.EqualError(t, d.result(t), "cannot connect to "+path+": no such file or directory")
}

func TestWaitEndsWhatIsIdle(t *testing.T) {
	nothingLeft(t)
	l := peer(t)
	d := parsed(t, held(t), "connect", "-w", "0.05", l.Addr().String())
	accepted(t, l)
	require.NoError(t, d.result(t), "nothing is left to send")

	// The peer does not read, so the input is not sent.
	d = parsed(t, bytes.NewReader(make([]byte, 64<<20)), "connect", "-w", "50ms", l.Addr().String())
	accepted(t, l)
	assert.EqualError(t, d.result(t), "idle: not all of the input has reached the peer")

	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	defer pc.Close()
	d = parsed(t, held(t), "connect", "-u", "-w", "50ms", pc.LocalAddr().String())
	require.NoError(t, d.result(t))
}

// TLS never ends its handshake with a peer that says nothing, and -w bounds that, too.
func TestWaitEndsConnecting(t *testing.T) {
	nothingLeft(t)
	l := peer(t)
	d := parsed(t, held(t), "connect", "--tls", "-w", "50ms", l.Addr().String())
	assert.EqualError(t, d.result(t), "cannot connect to "+l.Addr().String()+": no answer within 50ms")
	_, _, cert := certificate(t)
	server := parsed(t, held(t), "listen", "--tls", "--cert", cert, "-w", "50ms")
	dialed(t, server.address(t))
	assert.EqualError(t, server.result(t), "TLS: the client did not begin within 50ms")
}

func TestTLS(t *testing.T) {
	nothingLeft(t)
	_, _, cert := certificate(t)
	unix := filepath.Join(t.TempDir(), "s")
	text := strings.Repeat("0123456789abcdef", 1<<14)
	for _, c := range []struct{ listen, connect string }{
		{"--cert " + cert, "--ca " + cert},
		{"--cert " + cert + " --key " + cert, "--insecure"},
		{"--cert " + cert, "--ca " + cert + " --server-name esock.example"},
		{"--cert " + cert + " --ca " + cert, "--insecure --cert " + cert},
		{"--cert " + cert + " -U " + unix, "--ca " + cert + " --server-name esock.example -U"},
	} {
		l := parsed(t, strings.NewReader(text), strings.Fields("listen --tls -p line "+c.listen)...)
		d := parsed(t, strings.NewReader("from connect"), strings.Fields("connect -c "+c.connect+" "+l.address(t))...)
		require.NoError(t, d.result(t), c.connect)
		require.NoError(t, l.result(t), c.listen)
		assert.Equal(t, "from connect", l.out.String())
		assert.True(t, text == d.out.String())
	}

	for connect, want := range map[string]string{
		"": "the certificate of the server is not accepted: x509: certificate signed by unknown authority; --ca FILE",
		"--server-name other.example --ca " + cert: "valid for esock.example, not other.example",
	} {
		l := parsed(t, held(t), "listen", "--tls", "--cert", cert)
		d := parsed(t, held(t), strings.Fields("connect --tls "+connect+" "+l.address(t))...)
		assert.ErrorContains(t, d.result(t), want)
		assert.ErrorContains(t, l.result(t), "bad certificate")
	}
	// A client without TLS does not end a listener that goes on.
	l := parsed(t, strings.NewReader("x"), "listen", "--tls", "-k", "--cert", cert)
	c := dialed(t, l.address(t))
	_, err := c.Write([]byte("GET / HTTP/1.0\r\n\r\n"))
	require.NoError(t, err)
	testwait.Until(t, "the complaint", func() bool { return strings.Contains(l.err.String(), "esock listen: TLS: ") })
	at, _, _ := strings.Cut(l.address(t), "\n")
	d := parsed(t, strings.NewReader(""), "connect", "--tls", "--insecure", at)
	require.NoError(t, d.result(t))
	assert.Equal(t, "x", d.out.String())
}

func TestFamiliesOfAHost(t *testing.T) {
	for _, c := range []struct {
		network, host string
		want          []string
	}{
		{"ip", "example.org", []string{"inet", "inet6"}}, {"ip4", "example.org", []string{"inet"}}, {"ip6", "example.org", []string{"inet6"}},
		{"ip", "127.0.0.1", []string{"inet"}}, {"ip", "::1", []string{"inet6"}},
	} {
		var got []string
		for _, o := range familiesOf(c.network, c.host) {
			got = append(got, o.Name())
		}
		assert.Equal(t, c.want, got, "%s %s", c.network, c.host)
	}
}
