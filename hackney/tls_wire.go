package hackney

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/internal/active"
	"github.com/esock-go/esock/sockopt"
)

// wire is the net.Conn under crypto/tls: a gentcp socket whose reads take the esock.Wait of the call above. The fields for
// reading belong to the goroutine that has the connection's turn.
type wire struct {
	raw      *gentcp.Socket
	delivery *active.Delivery
	wait     esock.Wait
	ended    bool // the stream has ended
	record   record

	send   atomic.Pointer[esock.Wait] // of the Send in progress
	until  atomic.Pointer[time.Time]  // the end of writes; nil: none
	hurry  atomic.Bool                // writes do not wait
	answer time.Duration              // for writes by a reader; 0 in the handshake, where send_timeout limits writes
}

// answerTime limits how long a reader waits to send an answer of TLS, such as a new key, when the peer does not read.
// crypto/tls waits as long to send the closing alert.
const answerTime = 5 * time.Second

var _ net.Conn = (*wire)(nil)

// pause is an error after which reading can go on: crypto/tls keeps a connection whose error is Temporary.
type pause struct{ error }

func (pause) Timeout() bool   { return true }
func (pause) Temporary() bool { return true }

var _ net.Error = pause{}

// paused returns the reason of a pause, and whether err is one.
func paused(err error) (reason error, ok bool) {
	var p pause
	if errors.As(err, &p) {
		return p.error, true
	}
	return err, false
}

// Read receives available bytes, as w.wait says.
func (w *wire) Read(p []byte) (int, error) {
	n, err := w.delivery.Recv(p, w.wait)
	w.record.came(p[:max(n, 0)])
	w.ended = w.ended || err == io.EOF
	if err != nil {
		if reason, lasts := active.Lasts(err, w.wait); lasts {
			return n, pause{reason}
		}
	}
	return n, err
}

// record tracks the position of the stream in a TLS record, because crypto/tls does not show a part of a record that it has
// read.
type record struct {
	header [recordHeader]byte
	have   int // bytes of the header
	left   int // bytes of the body that are to come
}

// recordHeader is the size of type, version and length of a record (RFC 8446, section 5.1).
const recordHeader = 5

// came advances the position by the next bytes of the stream.
func (r *record) came(b []byte) {
	for len(b) > 0 {
		if r.have < recordHeader {
			n := copy(r.header[r.have:], b)
			r.have, b = r.have+n, b[n:]
			if r.have == recordHeader {
				r.left = int(binary.BigEndian.Uint16(r.header[3:]))
			}
		}
		n := min(r.left, len(b))
		r.left, b = r.left-n, b[n:]
		if r.have == recordHeader && r.left == 0 {
			r.have = 0
		}
	}
}

// begun reports whether a part of a record has come and the rest has not.
func (r *record) begun() bool { return r.have > 0 }

// Write sends all of p: the closing alert, which has a deadline, a record of a Send, or an answer to what was read.
func (w *wire) Write(p []byte) (int, error) {
	until, send := w.until.Load(), w.send.Load()
	switch {
	case w.hurry.Load():
		return w.raw.Socket().Send(p, 0, esock.Within(0))
	case until != nil:
		return w.raw.Socket().Send(p, 0, esock.Until(*until))
	case send != nil:
		return w.raw.Socket().Send(p, 0, *send)
	case w.answer > 0:
		return w.raw.Socket().Send(p, 0, esock.Within(w.answer))
	}
	if err := w.raw.Send(p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Close closes the socket. Option linger delays only a call that asks for the close: a handshake has its own time limit, and
// a connection in a hurry has waited already.
func (w *wire) Close() error {
	if w.hurry.Load() || w.answer == 0 {
		w.dontLinger()
	}
	return w.raw.Close()
}

// dontLinger switches linger off, so that closing does not wait. A linger time of 0, which aborts, stays.
func (w *wire) dontLinger() {
	s := w.raw.Socket()
	if l, err := sockopt.SocketLinger.Get(s); err == nil && l.On && l.Time > 0 {
		sockopt.SocketLinger.Set(s, sockopt.Linger{})
	}
}

// SetWriteDeadline is for crypto/tls, which calls it before it writes the closing alert.
func (w *wire) SetWriteDeadline(t time.Time) error {
	if t.IsZero() {
		w.until.Store(nil)
	} else {
		w.until.Store(&t)
	}
	return nil
}

// SetDeadline is not supported: every read has its own wait.
func (w *wire) SetDeadline(time.Time) error { return os.ErrNoDeadline }

// SetReadDeadline is not supported: every read has its own wait.
func (w *wire) SetReadDeadline(time.Time) error { return os.ErrNoDeadline }

// LocalAddr returns the local address as text.
func (w *wire) LocalAddr() net.Addr {
	a, _ := w.raw.SockName()
	return w.named(a)
}

// RemoteAddr returns the peer's address as text. crypto/tls uses it as a key of session caches.
func (w *wire) RemoteAddr() net.Addr {
	a, _ := w.raw.PeerName()
	return w.named(a)
}

func (w *wire) named(a esock.Addr) wireAddr { return wireAddr(w.raw.Socket().NameZone(a).String()) }

type wireAddr string

func (wireAddr) Network() string  { return "tcp" }
func (a wireAddr) String() string { return string(a) }
