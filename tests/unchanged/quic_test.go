package unchanged

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock/netconn"
)

// The methods that quic-go asks for before it uses control messages, batches and segmentation offload.
var _ quic.OOBCapablePacketConn = (*netconn.UDPConn)(nil)

func TestQUIC(t *testing.T) {
	row(t, "github.com/quic-go/quic-go", "udp4, udp6: 16 MiB each way at once over two streams, datagrams, with ECN, GSO and recvmmsg")
	for _, network := range []string{"udp4", "udp6"} {
		t.Run(network, func(t *testing.T) {
			sc, cc := packets(t, network), packets(t, network)
			quicBothWays(t, sc, cc)
			for _, pc := range []netconn.PacketConn{sc, cc} {
				counters := pc.Socket().Counters()
				assert.Greater(t, counters.WritePkgMax, uint64(1500), "several packets in one send (UDP_SEGMENT)")
				assert.Zero(t, counters.ReadPkg, "recvmmsg(2) through SyscallConn")
			}
		})
	}
}

// quicBothWays sends 16 MiB each way at once from one transport to another, and a datagram.
func quicBothWays(t *testing.T, sc, cc net.PacketConn) {
	data, sum := content(16 << 20)
	server, trust := certificates(t, "esock")
	st, ct := &quic.Transport{Conn: sc}, &quic.Transport{Conn: cc}
	defer st.Close()
	defer ct.Close()
	config := &quic.Config{EnableDatagrams: true}
	l, err := st.Listen(server, config)
	require.NoError(t, err)
	defer l.Close()
	accepted := make(chan *quic.Conn, 1)
	go func() {
		c, err := l.Accept(background)
		assert.NoError(t, err)
		accepted <- c
	}()
	c, err := ct.Dial(background, l.Addr(), trust, config)
	require.NoError(t, err)
	s := result(t, "the connection", accepted)
	var wg sync.WaitGroup
	for _, end := range []struct{ out, in *quic.Conn }{{c, s}, {s, c}} {
		wg.Go(func() {
			w, err := end.out.OpenUniStreamSync(background)
			if assert.NoError(t, err) {
				_, err = w.Write(data)
				assert.NoError(t, err)
				assert.NoError(t, w.Close())
			}
		})
		wg.Go(func() {
			r, err := end.in.AcceptUniStream(background)
			if assert.NoError(t, err) {
				assert.Equal(t, sum, sumOf(t, r))
			}
		})
	}
	wg.Wait()
	require.NoError(t, c.SendDatagram([]byte("datagram")))
	got, err := s.ReceiveDatagram(background)
	require.NoError(t, err)
	assert.Equal(t, "datagram", string(got))
	require.NoError(t, c.CloseWithError(0, ""))
	<-s.Context().Done()
}

func TestHTTP3(t *testing.T) {
	row(t, "github.com/quic-go/quic-go", "http3: bodies, files, ranges, 16 requests at once, on a socket for all addresses")
	data, _ := content(4 << 20)
	server, trust := certificates(t)
	pc, err := netconn.ListenConfig{}.ListenPacket(background, "udp", ":0")
	require.NoError(t, err)
	defer pc.Close()
	srv := &http3.Server{Handler: site(t, fileWith(t, data)), TLSConfig: http3.ConfigureTLSConfig(server)}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(pc) }()
	ct := &quic.Transport{Conn: packets(t, "udp4")}
	defer ct.Close()
	to := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: pc.LocalAddr().(*net.UDPAddr).Port}
	tr := &http3.Transport{TLSClientConfig: trust, Dial: func(ctx context.Context, _ string, tc *tls.Config, qc *quic.Config) (*quic.Conn, error) {
		return ct.DialEarly(ctx, to, tc, qc)
	}}
	defer tr.Close()
	client := &http.Client{Transport: tr}
	transfers(t, client, "https://localhost", data)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			resp, err := client.Post("https://localhost/echo", "text/plain", bytes.NewReader(data[:100000]))
			if assert.NoError(t, err) {
				b, err := io.ReadAll(resp.Body)
				assert.NoError(t, err)
				assert.Equal(t, sha256.Sum256(data[:100000]), sha256.Sum256(b))
				resp.Body.Close()
			}
		})
	}
	wg.Wait()
	tr.Close()
	srv.Close()
	assert.ErrorIs(t, result(t, "the end of the server", done), http.ErrServerClosed)
}
