package fileserver

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/packet"
)

// secure is the stream of a connection with TLS.
type secure struct {
	*packet.Decoder // of what is read from conn
	conn            *tls.Conn
	wire            *wire
	piece           []byte // of a file
}

// pieceSize is how much of a file is encrypted at once: four records.
const pieceSize = 64 << 10

// plainAnswer is the response to a request without TLS.
const plainAnswer = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n" +
	"Content-Length: 35\r\n\r\n400 This server speaks HTTPS only.\n"

// secured does the handshake with the client of a socket.
func secured(s *socket, config *tls.Config, wait esock.Wait) (*secure, error) {
	w := &wire{socket: s, wait: wait}
	conn := tls.Server(w, config)
	if err := conn.Handshake(); err != nil {
		var other tls.RecordHeaderError
		if errors.As(err, &other) && looksLikeHTTP(other.RecordHeader) {
			s.send([]byte(plainAnswer), false)
			s.shut()
		}
		return nil, err
	}
	d, err := packet.NewDecoder(conn, packet.HTTP, packet.Options{PacketSize: maxLine})
	return &secure{Decoder: d, conn: conn, wire: w}, err
}

// looksLikeHTTP reports whether a connection begins with a method instead of a TLS record.
func looksLikeHTTP(begin [5]byte) bool {
	for _, c := range begin {
		if (c < 'A' || c > 'Z') && c != ' ' && c != '/' {
			return false
		}
	}
	return true
}

func (s *secure) next(_ []byte, wait esock.Wait) (packet.Packet, error) {
	s.wire.wait = wait
	p, err := s.Next()
	if errors.Is(err, packet.ErrInvalid) {
		err = syscall.EMSGSIZE // as of gentcp
	}
	return p, err
}

func (s *secure) skip(n int64, wait esock.Wait) error {
	s.wire.wait = wait
	_, err := io.CopyN(io.Discard, s.Decoder, n)
	return err
}

func (s *secure) send(b []byte, _ bool) (int64, error) {
	n, err := s.conn.Write(b)
	return int64(n), err
}

// sendFile reads the file, because the kernel does not encrypt.
func (s *secure) sendFile(f *os.File, part span) (sent int64, err error) {
	if s.piece == nil {
		s.piece = make([]byte, pieceSize)
	}
	for sent < part.length {
		n, err := f.ReadAt(s.piece[:min(part.length-sent, pieceSize)], part.offset+sent)
		if n == 0 {
			if errors.Is(err, io.EOF) {
				err = errFileShrank
			}
			return sent, err
		}
		done, err := s.send(s.piece[:n], false)
		if sent += done; err != nil {
			return sent, err
		}
	}
	return sent, nil
}

func (s *secure) shut() error {
	if err := s.conn.CloseWrite(); err != nil {
		return err
	}
	return s.wire.shut()
}

// wire is the net.Conn beneath crypto/tls. Reads take the wait of the call above; writes fail once the client has read
// nothing for Config.Stall.
type wire struct {
	*socket
	wait esock.Wait
}

var _ net.Conn = (*wire)(nil)

func (w *wire) Read(b []byte) (int, error) { return w.Socket.Socket().Recv(b, 0, w.wait) }

func (w *wire) Write(b []byte) (int, error) {
	n, err := w.socket.send(b, false)
	return int(n), err
}

// The server uses none of these. crypto/tls asks for the addresses in an error.

func (w *wire) LocalAddr() net.Addr              { return nil }
func (w *wire) RemoteAddr() net.Addr             { return nil }
func (w *wire) SetDeadline(time.Time) error      { return nil }
func (w *wire) SetReadDeadline(time.Time) error  { return nil }
func (w *wire) SetWriteDeadline(time.Time) error { return nil }
