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

// What the peer has read was not lost, though the command is interrupted.
func TestInterruptAfterEverythingWasRead(t *testing.T) {
	nothingLeft(t)
	l := peer(t)
	in, w := io.Pipe()
	defer w.Close()
	d := parsed(t, in, "connect", l.Addr().String())
	c := accepted(t, l)
	for range 3 {
		_, err := w.Write([]byte("0123456789"))
		require.NoError(t, err)
		_, err = io.ReadFull(c, make([]byte, 10))
		require.NoError(t, err)
	}
	d.cancel()
	assert.NoError(t, d.result(t))
}

// With -6 a listener is not reached over IPv4.
func TestListenOnIPv6Only(t *testing.T) {
	if !machine.IPv6 {
		t.Skip("no IPv6")
	}
	l := parsed(t, strings.NewReader(""), "listen", "-6", "0")
	_, err := net.Dial("tcp4", "127.0.0.1:"+l.port(t))
	assert.Error(t, err)
	d := parsed(t, held(t), "listen", "-u", "-6", "0")
	u, err := net.ListenPacket("udp4", "127.0.0.1:"+d.port(t))
	require.NoError(t, err, "the port is not taken")
	u.Close()
}

// A listener that goes on does not do so when what it receives cannot be printed.
func TestListenEndsWithItsOutput(t *testing.T) {
	nothingLeft(t)
	told, ended := make(lines, 1), make(chan error, 1)
	c := &listenCmd{netcat: netcat{framing: framing{Packet: "raw"}}, Keep: true}
	go func() {
		ended <- c.listen(context.Background(), &output{Writer: noWriter{}}, terminals{strings.NewReader(""), told})
	}()
	conn := dialed(t, strings.TrimPrefix(<-told, "listening on "))
	_, err := conn.Write([]byte("text"))
	require.NoError(t, err)
	assert.ErrorContains(t, testwait.Result(t, "the end", ended), "no room")
}

// A peer without an address is heard, and cannot be answered.
func TestDatagramOfAPeerWithoutAddress(t *testing.T) {
	nothingLeft(t)
	in, w := io.Pipe()
	defer w.Close()
	l := parsed(t, in, "listen", "-u", "-U", filepath.Join(t.TempDir(), "s"))
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: l.address(t), Net: "unixgram"})
	require.NoError(t, err)
	defer c.Close()
	_, err = c.Write([]byte("heard"))
	require.NoError(t, err)
	l.says(t, "heard")
	_, err = w.Write([]byte("x"))
	require.NoError(t, err)
	assert.EqualError(t, l.result(t), "the peer cannot be answered: its socket has no address")
}

func TestDatagramThatIsTooLarge(t *testing.T) {
	nothingLeft(t)
	d := parsed(t, strings.NewReader(strings.Repeat("x", 70000)+"\n"), "connect", "-u", "-p", "line", "127.0.0.1:9")
	assert.EqualError(t, d.result(t), "70001 bytes are too many for a datagram")
}

// The peer may answer from another address than the one that was connected to.
func TestAnswersFromAnotherAddress(t *testing.T) {
	nothingLeft(t)
	t.Chdir(t.TempDir())
	path, err := filepath.Abs("s")
	require.NoError(t, err)
	for _, test := range []struct{ listen, connect []string }{
		{[]string{"listen", "-u", "0.0.0.0:0"}, []string{"connect", "-u"}},
		{[]string{"listen", "-u", "-U", "s"}, []string{"connect", "-u", "-U", path}},
	} {
		answers, answer := io.Pipe()
		defer answer.Close()
		questions, question := io.Pipe()
		defer question.Close()
		l := parsed(t, answers, test.listen...)
		if at := l.address(t); len(test.connect) == 2 {
			test.connect = append(test.connect, at)
		}
		d := parsed(t, questions, test.connect...)
		_, err := question.Write([]byte("question"))
		require.NoError(t, err)
		l.says(t, "question")
		_, err = answer.Write([]byte("answer"))
		require.NoError(t, err)
		d.says(t, "answer")
	}
}

// What has taken the name of its unix socket is not listen's to remove.
func TestListenLeavesAnothersFile(t *testing.T) {
	nothingLeft(t)
	path := filepath.Join(t.TempDir(), "s")
	l := parsed(t, held(t), "listen", "-U", path)
	l.address(t)
	require.NoError(t, os.Rename(path, path+".old"))
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	l.cancel()
	require.NoError(t, l.result(t))
	assert.FileExists(t, path)
}

// Clients that stall in the handshake of TLS keep nobody out, and are let go when the command ends.
func TestClientsThatStallInTLSKeepNobodyOut(t *testing.T) {
	nothingLeft(t)
	_, _, cert := certificate(t)
	l := parsed(t, strings.NewReader("x"), "listen", "--tls", "-k", "--cert", cert)
	at := l.address(t)
	for i := range 3 {
		c := dialed(t, at)
		if i > 0 {
			_, err := c.Write([]byte{22, 3, 1, 1}[:i]) // the beginning of a record
			require.NoError(t, err)
		}
	}
	for _, want := range []string{"x", ""} { // the input goes to the first
		d := parsed(t, strings.NewReader(""), "connect", "--tls", "--insecure", at)
		require.NoError(t, d.result(t))
		assert.Equal(t, want, d.out.String())
	}
	assert.NotContains(t, l.err.String(), "TLS")
}

// When as many clients stall as may be in their handshakes at once, the first of them give way to those that come.
func TestClientsThatStallInTLSGiveWay(t *testing.T) {
	nothingLeft(t)
	_, _, cert := certificate(t)
	l := parsed(t, strings.NewReader("x"), "listen", "--tls", "-k", "-w", "1h", "--cert", cert)
	at := l.address(t)
	for range handshakes + 1 {
		dialed(t, at)
	}
	for _, want := range []string{"x", ""} {
		d := parsed(t, strings.NewReader(""), "connect", "--tls", "--insecure", at)
		require.NoError(t, d.result(t))
		assert.Equal(t, want, d.out.String())
	}
	l.cancel()
	require.NoError(t, l.result(t))
	lines := strings.Split(strings.TrimSpace(l.err.String()), "\n")
	// The address, and a line for each that gave way: not for the last client, if the one before it has left by then.
	assert.Contains(t, []int{1 + 2, 1 + 3}, len(lines), "%q", lines)
	for _, line := range lines[1:] {
		assert.Equal(t, "esock listen: TLS: the client did not end its handshake, and gave way to another client", line)
	}
}
