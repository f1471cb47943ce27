package unchanged

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	mathrand "math/rand"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/esock-go/esock/netconn"
)

var (
	pid        = os.Getpid()
	background = context.Background()
)

// patience is how long a test waits for what must come. It measures nothing.
const patience = 2 * time.Minute

func TestMain(m *testing.M) {
	if what := os.Getenv(speedVariable); what != "" {
		speedMain(what)
		return
	}
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/esock-go/esock.servePoller"),
		// These live as long as the process, or up to ten seconds longer than what they serve.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*inMemoryCacheManager).handleCleanCache"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*HostClient).connsCleaner"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"))
}

// row says for the table in docs/unchanged.md which module a test runs, and what it does with it. "std" is Go's own
// library.
func row(t *testing.T, module, what string) {
	t.Logf("row\t%s\t%s", module, what)
}

// listen listens for the time of the test.
func listen(t testing.TB, network string) *netconn.Listener {
	name := network
	if network == "abstract" {
		name = "unix"
	}
	l, err := netconn.ListenConfig{}.Listen(background, name, addressOf(t, network))
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	return l.(*netconn.Listener)
}

// packets makes a socket of datagrams for the time of the test.
func packets(t testing.TB, network string) netconn.PacketConn {
	c, err := netconn.ListenConfig{}.ListenPacket(background, network, addressOf(t, network))
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c.(netconn.PacketConn)
}

// dialer dials what l listens on, whatever the address says.
func dialer(l net.Listener) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		return netconn.Dialer{}.DialContext(ctx, l.Addr().Network(), l.Addr().String())
	}
}

// content is n bytes without a pattern, and their sum.
func content(n int) ([]byte, [32]byte) {
	b := make([]byte, n)
	mathrand.New(mathrand.NewSource(int64(n))).Read(b)
	return b, sha256.Sum256(b)
}

// sumOf is the sum of all that comes from r.
func sumOf(t testing.TB, r io.Reader) [32]byte {
	h := sha256.New()
	_, err := io.Copy(h, r)
	require.NoError(t, err)
	return [32]byte(h.Sum(nil))
}

// certificates are a server's configuration with a certificate for localhost, and that of a client who trusts it.
func certificates(t testing.TB, protocols ...string) (server, client *tls.Config) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	parsed, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	server = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, NextProtos: protocols}
	client = &tls.Config{RootCAs: pool, ServerName: "localhost", NextProtos: protocols}
	return server, client
}

// result is what comes from a channel, or fails the test.
func result[R any](t testing.TB, what string, ch <-chan R) R {
	t.Helper()
	select {
	case r := <-ch:
		return r
	case <-time.After(patience):
		t.Fatalf("never came: %s", what)
		panic("unreachable")
	}
}
