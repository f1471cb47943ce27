package fileserver

import (
	"os"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/packet"
)

// stream is the way to a client: a socket, or TLS on a socket.
type stream interface {
	// next receives the next packet of type http. It may use room for its bytes. Errors: syscall.EMSGSIZE for a line longer
	// than maxLine, esock.ErrTimeout; after another one the client is gone.
	next(room []byte, wait esock.Wait) (packet.Packet, error)
	// skip receives n bytes that are no packet, and discards them.
	skip(n int64, wait esock.Wait) error
	// send sends bytes, with more to follow if more is set. It fails once the client has read nothing for Config.Stall.
	send(b []byte, more bool) (sent int64, err error)
	// sendFile sends a part of a file, as send does. If the file ends before, the error is errFileShrank.
	sendFile(f *os.File, part span) (sent int64, err error)
	// shut tells the client that nothing more is sent.
	shut() error
}

// socket is the stream of a connection without TLS.
type socket struct {
	*gentcp.Socket
	stall esock.Wait
	raw   bool // the packet type is raw
}

// frame sets the packet type: raw, or http.
func (s *socket) frame(raw bool) error {
	if s.raw == raw {
		return nil
	}
	t := packet.HTTP
	if raw {
		t = packet.Raw
	}
	err := s.SetOpts(gentcp.PacketType(t))
	if err == nil {
		s.raw = raw
	}
	return err
}

func (s *socket) next(room []byte, wait esock.Wait) (packet.Packet, error) {
	if err := s.frame(false); err != nil {
		return packet.Packet{}, err
	}
	p, err := s.RecvInto(room, 0, wait)
	return p.Packet, err
}

func (s *socket) skip(n int64, wait esock.Wait) error {
	if err := s.frame(true); err != nil {
		return err
	}
	var room [1 << 10]byte
	for n > 0 {
		p, err := s.RecvInto(room[:], int(min(n, int64(len(room)))), wait)
		if err != nil {
			return err
		}
		n -= int64(len(p.Data()))
	}
	return nil
}

// send does not use gentcp's Send, which takes neither flags nor a wait. MSG_MORE lets the kernel send the head of a
// response together with the first bytes of the file.
func (s *socket) send(b []byte, more bool) (int64, error) {
	var flags esock.MsgFlags
	if more {
		flags = esock.MsgMore
	}
	return push(int64(len(b)), s.stall, func(done, n int64, wait esock.Wait) (int64, error) {
		sent, err := s.Socket.Socket().Send(b[done:done+n], flags, wait)
		return int64(sent), err
	})
}

func (s *socket) sendFile(f *os.File, part span) (int64, error) {
	return push(part.length, s.stall, func(done, n int64, wait esock.Wait) (int64, error) {
		n, err := s.Socket.Socket().SendFile(f, part.offset+done, n, wait)
		if n == 0 && err == nil {
			err = errFileShrank
		}
		return n, err
	})
}

func (s *socket) shut() error { return s.Shutdown(esock.ShutWrite) }

// push sends length bytes to a client that may be slow, and fails once the client has read nothing for the time of stall. It
// returns how many were sent. write sends n bytes after those done, or as many as it can within the wait. A call that waits
// does not show when its last byte was sent, so only calls for a single byte wait: the time runs from the moment the
// kernel's buffer was full to the next byte that fits.
func push(
	length int64, stall esock.Wait, write func(done, n int64, wait esock.Wait) (int64, error),
) (done int64, err error) {
	for done < length {
		n, err := write(done, length-done, esock.Within(0))
		if done += n; timedOut(err) {
			n, err = write(done, 1, stall)
			done += n
		}
		if err != nil {
			return done, err
		}
	}
	return done, nil
}
