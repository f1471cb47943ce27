package gentcp

import (
	"bytes"
	"syscall"

	"github.com/esock-go/esock/packet"
)

// TakeInput takes what was received and not delivered, with the parser of the packets: for code that goes on with the
// socket beneath (Socket), such as a loop of package engine, whose AdoptFramed calls it. The socket must be passive.
// Unrecv puts bytes back when the socket is used here again. Errors: EINVAL in an active mode, while a Recv waits, and
// after an error of a receive; ENOTCONN on a listener; ErrClosed.
func (s *Socket) TakeInput() (packet.Parser, []byte, error) {
	const op = "recv"
	if !s.made() {
		return packet.Parser{}, nil, notMade(op)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.delivery.Over()
	switch {
	case err != nil:
	case s.delivery.Listener():
		err = syscall.ENOTCONN
	case !s.delivery.Take():
		err = syscall.EINVAL
	}
	if err != nil {
		return packet.Parser{}, nil, s.fail(op, err)
	}
	defer s.delivery.Done()
	in := &s.input
	b := bytes.Clone(in.data())
	in.drop()
	in.total, in.alone, in.fresh = 0, 0, false
	in.parser.Rewind()
	return in.parser, b, nil
}
