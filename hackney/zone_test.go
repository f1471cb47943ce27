package hackney

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock/gentcp"
)

// The zone of an address is no part of the name in the certificate (RFC 6874), wherever the name comes from, and the
// name is checked as ever.
func TestAZoneIsNoPartOfTheName(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv6loopback},
		NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(cert)

	l, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		t.Skip("no IPv6: ", err)
	}
	defer l.Close()
	names := make(chan string, 1)
	config := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
			names <- h.ServerName
			return nil, nil
		}}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			tls.Server(c, config).Handshake() // its failure is the client's, too
			c.Close()
		}
	}()
	port := l.Addr().(*net.TCPAddr).Port
	lo, err := net.InterfaceByIndex(1)
	require.NoError(t, err)

	for _, c := range []struct {
		host, name string
		ok         bool
	}{
		{"::1", "", true},
		{"::1%1", "", true},
		{"::1%" + lo.Name, "", true},
		{"0:0::1%" + lo.Name, "", true},
		{"::1", "::1%" + lo.Name, true},
		{"::1", "[::1%25]", true},
		{"::1%1", "::1", true},
		{"::1%1", "::2%1", false},
		{"::1%1", "localhost", false},
	} {
		s, err := ConnectWait(nil, TLS(&tls.Config{RootCAs: pool, ServerName: c.name}), c.host, port, soon, gentcp.Inet6())
		assert.NotContains(t, <-names, "%", "%v", c)
		if c.ok {
			if assert.NoError(t, err, "%v", c) {
				s.Close()
			}
			continue
		}
		assert.ErrorAs(t, err, new(x509.HostnameError), "%v", c)
	}
}
