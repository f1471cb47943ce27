package unchanged

import (
	"crypto/sha256"
	"crypto/tls"
	"io"
	"net"
	"net/rpc"
	"net/rpc/jsonrpc"
	"net/smtp"
	"net/textproto"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock/netconn"
)

// connected is a connected pair.
func connected(t testing.TB, network string) (client, server net.Conn) {
	l := listen(t, network)
	c, err := dialer(l)(background, "", "")
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	s, err := l.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	return c, s
}

func TestTLS(t *testing.T) {
	row(t, "std crypto/tls", "handshake, 8 MiB each way at once, CloseWrite, ConnectionState, the socket beneath")
	for _, network := range []string{"tcp4", "unix"} {
		t.Run(network, func(t *testing.T) {
			data, sum := content(8 << 20)
			server, trust := certificates(t, "esock")
			a, b := connected(t, network)
			c, s := tls.Client(a, trust), tls.Server(b, server)
			var wg sync.WaitGroup
			for _, end := range []*tls.Conn{c, s} {
				wg.Go(func() {
					_, err := end.Write(data)
					assert.NoError(t, err)
					assert.NoError(t, end.CloseWrite())
				})
				wg.Go(func() { assert.Equal(t, sum, sumOf(t, end)) })
			}
			wg.Wait()
			assert.Equal(t, "esock", c.ConnectionState().NegotiatedProtocol)
			sock, ok := netconn.SocketOf(c)
			require.True(t, ok)
			assert.Same(t, a.(netconn.Conn).Socket(), sock)
		})
	}
}

// Arith is a service of net/rpc.
type Arith struct{}

func (Arith) Double(n int, out *int) error { *out = 2 * n; return nil }

func TestRPC(t *testing.T) {
	row(t, "std net/rpc", "gob and JSON codecs, 8 clients, 100 calls each")
	srv := rpc.NewServer()
	require.NoError(t, srv.Register(Arith{}))
	for what, codec := range map[string]struct {
		serve  func(net.Conn)
		client func(io.ReadWriteCloser) *rpc.Client
	}{
		"gob":  {func(c net.Conn) { srv.ServeConn(c) }, rpc.NewClient},
		"json": {func(c net.Conn) { srv.ServeCodec(jsonrpc.NewServerCodec(c)) }, jsonrpc.NewClient},
	} {
		t.Run(what, func(t *testing.T) {
			a, b := connected(t, "tcp4")
			done := make(chan bool, 1)
			go func() { codec.serve(b); done <- true }()
			client := codec.client(a)
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					for i := range 100 {
						var out int
						assert.NoError(t, client.Call("Arith.Double", i, &out))
						assert.Equal(t, 2*i, out)
					}
				})
			}
			wg.Wait()
			client.Close()
			result(t, "the end of the service", done)
		})
	}
}

func TestTextProtocols(t *testing.T) {
	row(t, "std net/textproto, net/smtp", "a mail through a scripted server")
	a, b := connected(t, "unix")
	mail := make(chan string, 1)
	go func() {
		c := textproto.NewConn(b)
		c.PrintfLine("220 ready")
		for {
			line, err := c.ReadLine()
			if err != nil {
				return
			}
			switch line[:4] {
			case "DATA":
				c.PrintfLine("354 go on")
				text, _ := c.ReadDotBytes()
				mail <- string(text)
				c.PrintfLine("250 taken")
			case "QUIT":
				c.PrintfLine("221 bye")
				return
			default:
				c.PrintfLine("250 yes")
			}
		}
	}()
	client, err := smtp.NewClient(a, "localhost")
	require.NoError(t, err)
	require.NoError(t, client.Mail("a@localhost"))
	require.NoError(t, client.Rcpt("b@localhost"))
	w, err := client.Data()
	require.NoError(t, err)
	_, err = w.Write([]byte("hello\n.\n"))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	require.NoError(t, client.Quit())
	assert.Equal(t, "hello\n.\n", result(t, "the mail", mail))
}

// net.Buffers, io.Copy and io.Pipe's users get along with the connections.
func TestCopies(t *testing.T) {
	row(t, "std io, net.Buffers", "Copy, CopyN, TeeReader, MultiWriter, Buffers.WriteTo")
	data, sum := content(2 << 20)
	a, b := connected(t, "tcp4")
	go func() {
		v := net.Buffers{data[:1000], data[1000:1001], data[1001:]}
		v.WriteTo(a)
		a.(interface{ CloseWrite() error }).CloseWrite()
	}()
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(h, io.Discard), io.TeeReader(b, io.Discard))
	require.NoError(t, err)
	assert.EqualValues(t, len(data), n)
	assert.Equal(t, sum, [32]byte(h.Sum(nil)))
}
