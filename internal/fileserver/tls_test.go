package fileserver

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock/internal/testkit"
	"github.com/esock-go/esock/internal/testwait"
)

// certified makes a certificate for 127.0.0.1, and the client's view of it.
func certified(t *testing.T) (server, client *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour),
		NotAfter:    time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	known := x509.NewCertPool()
	known.AddCert(cert)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		NextProtos: []string{"http/1.1"}}, &tls.Config{RootCAs: known}
}

func TestServeTLS(t *testing.T) {
	dir := site(t)
	want := testkit.BigFile(t, dir, 5<<20+1)
	server, trust := certified(t)
	log := make(lines, 100)
	at := serving(t, dir, log, func(c *Config) { c.TLS = server })
	client := browser(t)
	client.Transport.(*http.Transport).TLSClientConfig = trust
	client.Transport.(*http.Transport).ForceAttemptHTTP2 = true // it is content with HTTP/1.1
	url := "https://" + at
	for range 2 {
		res, body := ask(t, client, "GET", url+"/big")
		assert.Equal(t, 200, res.StatusCode)
		assert.Equal(t, 1, res.ProtoMajor)
		assert.Equal(t, want, sha256.Sum256([]byte(body)))
		assert.Regexp(t, `"GET /big HTTP/1.1" 200 5242881$`, <-log)
	}
	for _, c := range []struct {
		path, header, body string
		status             int
	}{
		{"/a.txt", "Range: bytes=2-3", "23", 206}, {"/a.txt", "If-None-Match: *", "", 304}, {"/empty", "X: y", "", 200},
		{"/none", "X: y", "404 Not Found\n", 404}, {"/a.txt", "X: y", "0123456789", 200},
	} {
		res, body := ask(t, client, "GET", url+c.path, c.header)
		assert.Equal(t, c.status, res.StatusCode)
		assert.Equal(t, c.body, body)
		<-log
	}

	// Pipelined requests, a body that is discarded, and a whole end.
	conn, err := tls.Dial("tcp", at, trust)
	require.NoError(t, err)
	defer conn.Close()
	_, err = conn.Write([]byte(request("POST /a.txt HTTP/1.1", "Content-Length: 5") + "12345" + request("GET /a.txt HTTP/1.1") +
		request("GET /a.txt HTTP/1.1", "X: "+strings.Repeat("a", maxLine))))
	require.NoError(t, err)
	got, err := io.ReadAll(conn)
	require.NoError(t, err, "the server announces the end")
	assert.Equal(t, []string{"405 405 Method Not Allowed\n", "200 0123456789", "431 431 Request Header Fields Too Large\n"},
		answers(t, string(got), "POST", "GET", "GET"))

	got2 := raw(t, at, request("GET /a.txt HTTP/1.1"))
	assert.Equal(t, []string{"400 400 This server speaks HTTPS only.\n"}, answers(t, got2, "GET"))
}

// A client without the handshake, or with one that never ends, has the time of a request's head.
func TestServeTLSDoesNotWaitForEver(t *testing.T) {
	dir := site(t)
	server, trust := certified(t)
	at := serving(t, dir, nil, func(c *Config) { c.TLS, c.Head = server, 50*time.Millisecond })
	for _, text := range []string{"", "\x16\x03\x01\x02\x00\x01", "nonsense that is not HTTP either\r\n\r\n"} {
		c := dialed(t, at)
		_, err := c.Write([]byte(text))
		require.NoError(t, err)
		require.NoError(t, c.SetReadDeadline(time.Now().Add(testwait.Patience)))
		_, err = io.Copy(io.Discard, c)
		assert.False(t, errors.Is(err, os.ErrDeadlineExceeded), "%q", text)
	}
	// A client that does not trust the certificate says so, and the next is served.
	_, err := tls.Dial("tcp", at, &tls.Config{RootCAs: x509.NewCertPool()})
	assert.Error(t, err)
	testwait.Retry(t, "the handshake is fast enough", func() {
		var c *tls.Conn
		if c, err = tls.Dial("tcp", at, trust); err == nil {
			c.Close()
		}
	}, func() bool { return err == nil })
}

func TestServeTLSFileThatShrinks(t *testing.T) {
	dir := site(t)
	testkit.BigFile(t, dir, 32<<20)
	server, trust := certified(t)
	log := make(lines, 10)
	at := serving(t, dir, log, func(c *Config) { c.TLS = server })
	conn, err := tls.Dial("tcp", at, trust)
	require.NoError(t, err)
	defer conn.Close()
	_, err = conn.Write([]byte(request("GET /big HTTP/1.1")))
	require.NoError(t, err)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	require.NoError(t, os.Truncate(filepath.Join(dir, "big"), 0))
	_, err = io.Copy(io.Discard, res.Body)
	assert.ErrorIs(t, err, io.ErrUnexpectedEOF)
	assert.Regexp(t, `aborted: the file ended after \d+ of 33554432 bytes$`, <-log)
}
