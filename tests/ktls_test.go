package tests

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/kernel"
	"github.com/esock-go/esock/sockopt"
)

// The numbers of <linux/tls.h> and of the types of records.
const (
	tls13        = 0x304
	aesGCM128    = 51
	recordAlert  = 21
	recordHandsh = 22
	recordData   = 23
	levelTLS     = 282
)

// direction is the key and the IV of one direction of TLS 1.3, and the number of its next record.
type direction struct {
	cipher uint16
	key    []byte
	iv     []byte // 12 bytes
	seq    uint64
}

func known(fill byte) *direction {
	d := &direction{cipher: aesGCM128, key: make([]byte, 16), iv: make([]byte, 12)}
	for i := range d.key {
		d.key[i] = fill + byte(i)
	}
	for i := range d.iv {
		d.iv[i] = fill ^ byte(i)
	}
	return d
}

// info is the value of the options: the kernel has the first bytes of the IV as the salt.
func (d *direction) info() sockopt.TLSCryptoInfo {
	salt, iv := d.iv[:4], d.iv[4:]
	if d.cipher == 54 {
		salt, iv = nil, d.iv
	}
	var b []byte
	for _, part := range [][]byte{iv, d.key, salt} {
		b = append(b, part...)
	}
	return sockopt.TLSCryptoInfo{Version: tls13, CipherType: d.cipher, Secrets: binary.BigEndian.AppendUint64(b, d.seq)}
}

// sealer is what makes and opens records in Go, and the nonce of the next one.
func (d *direction) sealer(t *testing.T) (cipher.AEAD, []byte) {
	t.Helper()
	block, err := aes.NewCipher(d.key)
	require.NoError(t, err)
	aead, err := cipher.NewGCM(block)
	require.NoError(t, err)
	nonce := append([]byte(nil), d.iv...)
	for i, b := range binary.BigEndian.AppendUint64(nil, d.seq) {
		nonce[4+i] ^= b
	}
	d.seq++
	return aead, nonce
}

// seal makes a record of TLS 1.3, RFC 8446 section 5.2.
func (d *direction) seal(t *testing.T, typ byte, data string) []byte {
	t.Helper()
	aead, nonce := d.sealer(t)
	inner := append([]byte(data), typ)
	header := []byte{recordData, 3, 3, 0, byte(len(inner) + aead.Overhead())}
	return aead.Seal(header, nonce, inner, header)
}

// open reads a record from a socket that knows nothing of TLS.
func (d *direction) open(t *testing.T, s *esock.Socket) (typ byte, data string) {
	t.Helper()
	header := make([]byte, 5)
	_, err := s.RecvFull(header, 0, esock.Within(patience))
	require.NoError(t, err)
	require.Equal(t, []byte{recordData, 3, 3}, header[:3])
	body := make([]byte, binary.BigEndian.Uint16(header[3:]))
	_, err = s.RecvFull(body, 0, esock.Within(patience))
	require.NoError(t, err)
	aead, nonce := d.sealer(t)
	inner, err := aead.Open(nil, nonce, body, header)
	require.NoError(t, err, "the record is not that of the key")
	return inner[len(inner)-1], string(inner[:len(inner)-1])
}

// speaksTLS switches the kernel's TLS on; the test is skipped where the kernel has none.
func speaksTLS(t *testing.T, s *esock.Socket) {
	t.Helper()
	if err := sockopt.TCPULP.Set(s, "tls"); err != nil {
		require.ErrorIs(t, err, unix.ENOENT)
		t.Skip("this kernel has no TLS: its module tls is not there")
	}
}

// takesKeys gives the kernel the keys to send with; the test is skipped where it lacks the cipher.
func takesKeys(t *testing.T, s *esock.Socket, tx *direction) {
	t.Helper()
	if err := sockopt.TLSTX.Set(s, tx.info()); err != nil {
		require.ErrorIs(t, err, unix.ENOENT)
		t.Skip("this kernel has no cipher ", tx.cipher, ": its modules are not there")
	}
}

// oneSide is a TCP connection whose first end has the kernel's TLS, with these keys.
func oneSide(t *testing.T, tx, rx *direction) (a, b *esock.Socket) {
	t.Helper()
	a, b = tcpPair(t)
	speaksTLS(t, a)
	takesKeys(t, a, tx)
	require.NoError(t, sockopt.TLSRX.Set(a, rx.info()))
	return a, b
}

// recordType is what a received message says of its record.
func recordType(t *testing.T, m *esock.Msg) any {
	t.Helper()
	for c := range m.Control() {
		if c.Level == levelTLS {
			v := c.Map()
			assert.Equal(t, "tls", v["level"])
			assert.Equal(t, "get_record_type", v["type"])
			return v["value"]
		}
	}
	return nil
}

func TestTLSRecordsOfTheKernelAreOnTheWire(t *testing.T) {
	a, b := oneSide(t, known(7), known(99))
	tx, rx := known(7), known(99)
	for _, text := range []string{"hello", "a second record"} {
		_, err := a.Send([]byte(text), 0, esock.Within(patience))
		require.NoError(t, err)
		typ, data := tx.open(t, b)
		assert.EqualValues(t, recordData, typ)
		assert.Equal(t, text, data)
	}
	for i, text := range []string{"answer", "and another"} {
		_, err := b.Send(rx.seal(t, recordData, text), 0, esock.Within(patience))
		require.NoError(t, err)
		var m esock.Msg
		require.NoError(t, a.RecvMsg(&m, 0, esock.Within(patience)))
		assert.Equal(t, text, string(m.Data()), "record %d", i)
		keepControl(t, &m)
		assert.Equal(t, recordData, recordType(t, &m))
	}
}

func TestTLSRecordTypesAreControlMessages(t *testing.T) {
	a, b := oneSide(t, known(1), known(2))
	tx, rx := known(1), known(2)
	c, err := esock.ControlMessageFromMap(map[string]any{"level": "tls", "type": "set_record_type", "value": recordHandsh})
	require.NoError(t, err)
	sendWith(t, a, "a handshake's message", c)
	typ, data := tx.open(t, b)
	assert.EqualValues(t, recordHandsh, typ)
	assert.Equal(t, "a handshake's message", data)

	sendWith(t, a, "!", esock.ControlMessage{Level: levelTLS, Type: 1, Data: []byte{recordAlert}})
	typ, data = tx.open(t, b)
	assert.EqualValues(t, recordAlert, typ)
	assert.Equal(t, "!", data)

	_, err = b.Send(rx.seal(t, recordAlert, "\x01\x00"), 0, esock.Within(patience))
	require.NoError(t, err)
	var m esock.Msg
	require.NoError(t, a.RecvMsg(&m, 0, esock.Within(patience)))
	assert.Equal(t, "\x01\x00", string(m.Data()))
	keepControl(t, &m)
	assert.Equal(t, recordAlert, recordType(t, &m))
}

func TestTLSOptionsRead(t *testing.T) {
	a, _ := oneSide(t, known(3), known(4))
	for name, o := range map[string]sockopt.Option[sockopt.TLSCryptoInfo]{"tx": sockopt.TLSTX, "rx": sockopt.TLSRX} {
		if name == "rx" && !kernel.From(5, 7) {
			continue // reads no TLS_RX yet
		}
		v, err := o.Get(a)
		require.NoError(t, err, name)
		assert.Equal(t, sockopt.TLSCryptoInfo{Version: tls13, CipherType: aesGCM128, Secrets: []byte{}}, v, name)
		m, err := sockopt.Get(a, "tls", name)
		require.NoError(t, err)
		assert.Equal(t, map[string]any{"version": tls13, "cipher_type": aesGCM128, "secrets": []byte{}}, m)
	}
	for name, o := range map[string]sockopt.Option[bool]{"tx_zerocopy_ro": sockopt.TLSTXZeroCopyRO, "rx_expect_no_pad": sockopt.TLSRXExpectNoPad} {
		err := o.Set(a, true)
		if from := map[string][2]int{"tx_zerocopy_ro": {5, 19}, "rx_expect_no_pad": {6, 0}}[name]; !kernel.From(from[0], from[1]) {
			assert.ErrorIs(t, err, unix.ENOPROTOOPT, name)
			continue
		}
		require.NoError(t, err, name)
		on, err := o.Get(a)
		require.NoError(t, err, name)
		assert.True(t, on, name)
	}
	err := sockopt.TLSTX.Set(a, sockopt.TLSCryptoInfo{Version: tls13, CipherType: aesGCM128, Secrets: make([]byte, 3)})
	assert.Error(t, err, "too few bytes for the cipher, and there are keys")
}

// Records are no longer than the option says.
func TestTLSRecordsHaveAtMostTheBytesOfTheOption(t *testing.T) {
	a, b := oneSide(t, known(5), known(6))
	if err := sockopt.TLSTXMaxPayloadLen.Set(a, 100); errors.Is(err, unix.ENOPROTOOPT) {
		t.Skip("this kernel is before 6.19: ", err)
	} else {
		require.NoError(t, err)
	}
	n, err := sockopt.TLSTXMaxPayloadLen.Get(a)
	require.NoError(t, err)
	assert.EqualValues(t, 100, n)
	assert.ErrorIs(t, sockopt.TLSTXMaxPayloadLen.Set(a, 62), unix.EINVAL)
	assert.ErrorIs(t, sockopt.TLSTXMaxPayloadLen.Set(a, 16385), unix.EINVAL)
	assert.ErrorIs(t, sockopt.TLSTXMaxPayloadLen.Set(a, 1<<16), &esock.InvalidError{What: "socket_option"})
	text := string(pattern(250))
	send(t, a, text)
	tx := known(5)
	for _, want := range []string{text[:100], text[100:200], text[200:]} {
		typ, data := tx.open(t, b)
		assert.EqualValues(t, recordData, typ)
		assert.Equal(t, want, data)
	}
}

// The handshake is crypto/tls's on both ends. Then the kernel takes over one of them, with the keys of the handshake.
func TestTLSOfTheKernelSpeaksWithCryptoTLS(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	served := start(func() (int, error) {
		c, err := l.Accept()
		if err != nil {
			return 0, err
		}
		s := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
			MinVersion: tls.VersionTLS13, SessionTicketsDisabled: true}) // a ticket would be a record before the first
		defer s.Close()
		n, err := io.Copy(s, io.LimitReader(s, 11))
		return int(n), err
	})
	c, err := net.Dial("tcp4", l.Addr().String())
	require.NoError(t, err)
	defer c.Close()
	var log strings.Builder
	h := tls.Client(c, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13, KeyLogWriter: &log})
	require.NoError(t, h.Handshake())
	file, err := c.(*net.TCPConn).File()
	require.NoError(t, err)
	defer file.Close()
	fd, err := unix.FcntlInt(file.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	require.NoError(t, err)
	s := adopt(t, fd)
	speaksTLS(t, s)
	suite := h.ConnectionState().CipherSuite
	takesKeys(t, s, traffic(t, log.String(), "CLIENT_TRAFFIC_SECRET_0", suite))
	require.NoError(t, sockopt.TLSRX.Set(s, traffic(t, log.String(), "SERVER_TRAFFIC_SECRET_0", suite).info()))
	_, err = s.Send([]byte("hello there"), 0, esock.Within(patience))
	require.NoError(t, err)
	got := make([]byte, 11)
	_, err = s.RecvFull(got, 0, esock.Within(patience))
	require.NoError(t, err)
	assert.Equal(t, "hello there", string(got))
	o := result(t, served)
	assert.NoError(t, o.err)
	assert.Equal(t, 11, o.n)
}

// traffic makes the keys of a direction of a secret in the log, RFC 8446 section 7.3.
func traffic(t *testing.T, log, label string, suite uint16) *direction {
	t.Helper()
	_, after, ok := strings.Cut(log, label+" ")
	require.True(t, ok, "no %s", label)
	line, _, _ := strings.Cut(after, "\n")
	secret, err := hex.DecodeString(strings.Fields(line)[1])
	require.NoError(t, err)
	sum, size, d := func() hash.Hash { return sha256.New() }, 16, &direction{cipher: aesGCM128}
	switch suite {
	case tls.TLS_AES_256_GCM_SHA384:
		sum, size, d.cipher = func() hash.Hash { return sha512.New384() }, 32, 52
	case tls.TLS_CHACHA20_POLY1305_SHA256:
		size, d.cipher = 32, 54
	}
	expand := func(label string, n int) []byte {
		info := append([]byte{0, byte(n), byte(len("tls13 " + label))}, "tls13 "+label+"\x00"...)
		b, err := hkdf.Expand(sum, secret, string(info), n)
		require.NoError(t, err)
		return b
	}
	d.key, d.iv = expand("key", size), expand("iv", 12)
	return d
}
