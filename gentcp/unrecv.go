package gentcp

import "syscall"

// Unrecv puts bytes back: they are the next bytes of the stream, ahead of all that was read and not delivered. It copies
// them. They are cut into packets as if they had arrived, so bytes of the types 1, 2 and 4 need their header; for http
// whether a start line or a header comes next stays as it is. In an active mode they become messages, after those that are
// in the mailbox. A Recv that waits already gets them together with the next bytes that arrive.
//
// At the end of the stream they still come before the end, until it was reported. Errors: ENOTCONN on a listener; ErrClosed
// when the socket was closed or the end was reported. OTP: gen_tcp:unrecv/2.
func (s *Socket) Unrecv(data []byte) error {
	const op = "unrecv"
	if !s.made() {
		return notMade(op)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch err := s.delivery.Over(); {
	case err != nil:
		return s.fail(op, err)
	case s.delivery.Listener():
		return s.fail(op, syscall.ENOTCONN)
	}
	s.input.push(data)
	s.delivery.Changed()
	s.delivery.Deliver()
	return nil
}
