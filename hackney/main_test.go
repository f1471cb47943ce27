package hackney

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/big"
	"net"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/internal/testmain"
	"github.com/esock-go/esock/internal/testwait"
)

// patience is how long a test waits for what must come.
const patience = testwait.Patience

var soon = esock.Within(patience)

// TestMain checks that no goroutine and no descriptor is left behind.
func TestMain(m *testing.M) {
	if addrs, err := net.LookupHost("localhost"); !slices.Contains(addrs, "127.0.0.1") {
		fmt.Println("skipped: localhost, whose certificate the tests have, is not 127.0.0.1 here:", addrs, err)
		return
	}
	os.Exit(testmain.Run(m))
}

// certificate is a self-signed one for localhost, and the pool that trusts it.
var certificate, trusted = func() (tls.Certificate, *x509.CertPool) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"},
		NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	cert, _ := x509.ParseCertificate(der)
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}()

// Without tickets the peer sends nothing but what a test makes it send.
var serverConfig = &tls.Config{Certificates: []tls.Certificate{certificate}, SessionTicketsDisabled: true}

var overTLS = TLS(&tls.Config{RootCAs: trusted})

// transports are the two that behave alike.
var transports = map[string]Transport{"tcp": TCP, "ssl": overTLS}

// both runs a test with both of them.
func both(t *testing.T, f func(t *testing.T, tr Transport)) {
	for name, tr := range transports {
		t.Run(name, func(t *testing.T) { f(t, tr) })
	}
}

// peer is the other end: the TCP connection, and what speaks over it.
type peer struct {
	net.Conn
	tcp *net.TCPConn
}

// accepting listens, and hands over the first connection, after the handshake if the transport has one.
func accepting(t testing.TB, tr Transport) (port int, accepted <-chan peer) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	ch := make(chan peer, 1)
	go func() {
		defer close(ch)
		c, err := l.Accept()
		if err != nil {
			return
		}
		p := peer{c, c.(*net.TCPConn)}
		if tr != TCP {
			server := tls.Server(c, serverConfig)
			server.Handshake() // its failure is the client's too
			p.Conn = server
		}
		ch <- p
	}()
	return l.Addr().(*net.TCPAddr).Port, ch
}

// connect makes a Socket owned by mb, and its peer.
func connect(t testing.TB, mb *esock.Mailbox, tr Transport, opts ...gentcp.Option) (Socket, peer) {
	t.Helper()
	port, accepted := accepting(t, tr)
	s, err := ConnectWait(mb, tr, "localhost", port, soon, opts...)
	require.NoError(t, err)
	p := <-accepted
	require.NotNil(t, p.Conn)
	t.Cleanup(func() { s.Close(); p.tcp.Close() })
	return s, p
}

func mailbox(t testing.TB) *esock.Mailbox {
	mb := esock.NewMailbox()
	t.Cleanup(func() { mb.Close() })
	return mb
}

// next receives the next message of a mailbox, which must be about s.
func next(t testing.TB, mb *esock.Mailbox, s Socket) Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	msg, err := mb.Receive(ctx)
	require.NoError(t, err)
	e, ok := s.Event(msg)
	require.True(t, ok, "%T", msg)
	return e
}

// nextData is the data of the next message, which must be data.
func nextData(t testing.TB, mb *esock.Mailbox, s Socket) string {
	t.Helper()
	e := next(t, mb, s)
	require.Equal(t, s.Messages().Data, e.Tag)
	return string(e.Packet.Data())
}

// armed makes an active mode look once, so that from then on only what comes is announced.
func armed(t testing.TB, mb *esock.Mailbox) {
	t.Helper()
	_, ok := mb.Poll()
	require.False(t, ok)
	require.Zero(t, mb.Len())
}

// eventually waits until cond holds.
func eventually(t testing.TB, cond func() bool, what string) {
	t.Helper()
	testwait.Until(t, what, cond)
}

func reason(err error) string { return gentcp.Reason(err) }
