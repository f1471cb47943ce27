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

// wire is what crypto/tls takes for the network: a gentcp socket whose reads end as the esock.Wait of the call above
// says. The fields of reading belong to the goroutine that has the connection's turn.
type wire struct {
	raw      *gentcp.Socket
	delivery *active.Delivery
	wait     esock.Wait
	ended    bool // the stream has ended
	record   record

	send   atomic.Pointer[esock.Wait] // of the Send in progress
	until  atomic.Pointer[time.Time]  // not nil: writes end then
	hurry  atomic.Bool                // writes do not wait
	answer time.Duration              // of a write by a reader; 0, in the handshake: writes end with send_timeout
}

// answerTime is how long a reader may be held up by what TLS makes it answer, a new key for example, when the peer
// does not read. It is as long as crypto/tls waits with the end.
const answerTime = 5 * time.Second

var _ net.Conn = (*wire)(nil)

// pause is an error after which reading can go on; crypto/tls asks for Temporary before it gives a connection up.
type pause struct{ error }

func (pause) Timeout() bool   { return true }
func (pause) Temporary() bool { return true }

var _ net.Error = pause{}

// paused is the pause in an error, and whether it is one.
func paused(err error) (reason error, ok bool) {
	var p pause
	if errors.As(err, &p) {
		return p.error, true
	}
	return err, false
}

// Read receives what is there.
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

// record follows where the stream is in a TLS record: crypto/tls keeps the beginning of one to itself.
type record struct {
	header [recordHeader]byte
	have   int // bytes of the header
	left   int // bytes of the body that are to come
}

// recordHeader is its type, its version and the length of its body (RFC 8446, section 5.1).
const recordHeader = 5

// came notes the next bytes of the stream.
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

// Write sends all of p: the end, which has a deadline, a record of a Send, or an answer to what was read.
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

// Close closes the socket. Option linger holds up only whoever asks for the end: a handshake has a time of its own, and
// a connection in a hurry has waited already.
func (w *wire) Close() error {
	if w.hurry.Load() || w.answer == 0 {
		w.dontLinger()
	}
	return w.raw.Close()
}

// dontLinger makes closing not wait for unsent data. Abortive close stays that.
func (w *wire) dontLinger() {
	s := w.raw.Socket()
	if l, err := sockopt.SocketLinger.Get(s); err == nil && l.On && l.Time > 0 {
		sockopt.SocketLinger.Set(s, sockopt.Linger{})
	}
}

// SetWriteDeadline is called by crypto/tls before the last thing it writes.
func (w *wire) SetWriteDeadline(t time.Time) error {
	if t.IsZero() {
		w.until.Store(nil)
	} else {
		w.until.Store(&t)
	}
	return nil
}

// SetDeadline is of no use: every read brings its own.
func (w *wire) SetDeadline(time.Time) error { return os.ErrNoDeadline }

// SetReadDeadline is of no use: every read brings its own.
func (w *wire) SetReadDeadline(time.Time) error { return os.ErrNoDeadline }

// LocalAddr is for humans.
func (w *wire) LocalAddr() net.Addr {
	a, _ := w.raw.SockName()
	return w.named(a)
}

// RemoteAddr is for humans, and for keys of session caches.
func (w *wire) RemoteAddr() net.Addr {
	a, _ := w.raw.PeerName()
	return w.named(a)
}

func (w *wire) named(a esock.Addr) wireAddr { return wireAddr(w.raw.Socket().NameZone(a).String()) }

type wireAddr string

func (wireAddr) Network() string  { return "tcp" }
func (a wireAddr) String() string { return string(a) }
