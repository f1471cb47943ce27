package main

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
)

// stream is a link over TCP or a unix socket.
type stream struct{ *gentcp.Socket }

// streamOptions are those of the socket of a stream. It receives raw bytes: package packet decodes them, so that an
// incomplete packet at the end of the stream is noticed. The socket stays open when the peer has finished sending, because
// the peer may still read.
func streamOptions() []gentcp.Option {
	return []gentcp.Option{gentcp.Buffer(chunk), gentcp.ExitOnClose(false), gentcp.ShowEconnreset(true)}
}

func (s stream) Read(b []byte) (int, error) {
	p, err := s.RecvInto(b[:len(b):len(b)], 0, esock.Forever)
	if errors.Is(err, io.EOF) {
		err = io.EOF
	}
	return len(p.Data()), err
}

func (s stream) send(parts ...[]byte) error { return s.Send(parts...) }

func (s stream) endSending() error { return s.Shutdown(esock.ShutWrite) }

// outstanding waits a moment: a system may delay what acknowledges the last bytes.
func (s stream) outstanding() bool {
	for end := time.Now().Add(ackDelay); ; time.Sleep(ackDelay / 50) {
		n, err := s.Socket.Socket().NWrite()
		if err != nil || n == 0 {
			return false
		}
		if time.Now().After(end) {
			return true
		}
	}
}

// ackDelay is how long an acknowledgement may take on a network that works.
const ackDelay = 250 * time.Millisecond

// secured is a link with TLS over a stream.
type secured struct {
	*tls.Conn
	wire *wire
}

func (s secured) send(parts ...[]byte) error {
	for _, p := range parts {
		if len(p) == 0 {
			continue
		}
		if _, err := s.Write(p); err != nil {
			return err
		}
	}
	return nil
}

func (s secured) endSending() error { return s.CloseWrite() }

func (s secured) outstanding() bool { return s.wire.outstanding() }

// Close closes the stream at once: a peer that does not read would keep the last message of TLS from being sent.
func (s secured) Close() error { return s.wire.Close() }

// wire is a stream as crypto/tls uses it. Its deadlines are not used: closing the stream ends every wait.
type wire struct {
	stream
	close func() error // a second call waits until the first is done
}

func newWire(s stream) *wire { return &wire{s, sync.OnceValue(s.Socket.Close)} }

func (w *wire) Close() error { return w.close() }

func (w *wire) Write(b []byte) (int, error) {
	if err := w.send(b); err != nil {
		return 0, err
	}
	return len(b), nil
}

func (w *wire) LocalAddr() net.Addr              { return nil }
func (w *wire) RemoteAddr() net.Addr             { return nil }
func (w *wire) SetDeadline(time.Time) error      { return nil }
func (w *wire) SetReadDeadline(time.Time) error  { return nil }
func (w *wire) SetWriteDeadline(time.Time) error { return nil }
