package sctp

import "github.com/esock-go/esock"

// RecvV receives a message into m, or a notification, which it returns. m.Flags has esock.MsgEOR when the message is
// complete; without it, the next RecvV returns more of the same message. RcvInfo and NxtInfo tell what is known of it.
// sctp_recvv of RFC 6458; OTP: gen_sctp:recv/1.
//
// A notification is complete, however short m.Buf is; its parts are read one after the other, so that only one
// goroutine at a time may receive on the socket where notifications are longer than the buffer. m then has the last
// part.
//
// With esock.Complete the message of the call has m, and where m.Flags has MsgNotification, Decode(m.Data()) is the
// notification: give m.Buf room for it.
//
// Errors: those of esock.Socket.RecvMsg; *esock.InvalidError "notification" for one that Decode does not know, whose
// bytes are in m.
func RecvV(s *esock.Socket, m *esock.Msg, w esock.Wait) (Notification, error) {
	if err := s.RecvMsg(m, 0, w); err != nil || m.Flags&MsgNotification == 0 {
		return nil, err
	}
	b := m.Data()
	if m.Flags&esock.MsgEOR == 0 {
		b = append([]byte(nil), b...)
	}
	for m.Flags&esock.MsgEOR == 0 {
		if err := s.RecvMsg(m, 0, esock.Within(0)); err != nil {
			return nil, err
		}
		b = append(b, m.Data()...)
	}
	n, err := Decode(b)
	if err != nil {
		return nil, failed("recvv", s, err)
	}
	return n, nil
}

// RcvInfo returns how a message came: its stream, its number there, its association. The option SCTPRecvRcvInfo asks
// for it.
func RcvInfo(m *esock.Msg) (esock.SCTPRcvInfo, bool) {
	for c := range m.Control() {
		if v, ok := c.SCTPRcvInfo(); ok {
			return v, true
		}
	}
	return esock.SCTPRcvInfo{}, false
}

// NxtInfo describes the message after this one, if it is there already. The option SCTPRecvNxtInfo asks for it.
func NxtInfo(m *esock.Msg) (esock.SCTPNxtInfo, bool) {
	for c := range m.Control() {
		if v, ok := c.SCTPNxtInfo(); ok {
			return v, true
		}
	}
	return esock.SCTPNxtInfo{}, false
}
