package sctp

import (
	"fmt"
	"reflect"
	"sync"

	"github.com/esock-go/esock"
)

var messages = sync.Pool{New: func() any { return new(esock.Msg) }}

// SendV sends data, of up to esock.Info().IOVMax buffers, as one message, in the way that the infos say, none for the
// socket's defaults. To is where to: no address on a one-to-one socket, on a socket of PeelOff, and with the
// association's number in an SCTPSndInfo. Several addresses begin an association with a peer that has all of them,
// whose ports are that of the first. sctp_sendv of RFC 6458; OTP: gen_sctp:send/3.
//
// Errors: *esock.InvalidError "msg" (an info that is nil, or a nil pointer), "iov" and "sockaddr"; EPIPE when the
// association has ended; those of esock.Socket.SendMsg.
func SendV(s *esock.Socket, data [][]byte, to []esock.Addr, w esock.Wait, infos ...Info) (int, error) {
	m := messages.Get().(*esock.Msg)
	n, err := sendV(s, m, data, to, w, infos)
	if _, carried := err.(*esock.Completion); !carried { // else the library still sends m
		m.Reset()
		messages.Put(m)
	}
	return n, err
}

// sendV is SendV with a message to use.
func sendV(s *esock.Socket, m *esock.Msg, data [][]byte, to []esock.Addr, w esock.Wait, infos []Info) (int, error) {
	m.Iov = data
	controls := make([]esock.ControlMessage, 0, len(infos)+len(to))
	for i, info := range infos {
		if p := reflect.ValueOf(info); info == nil || p.Kind() == reflect.Pointer && p.IsNil() {
			return 0, failed("sendv", s, invalid("msg", nil, fmt.Sprintf("info %d is nil", i+1)))
		}
		controls = append(controls, info.Control())
	}
	for i, a := range to {
		switch {
		case i == 0:
			m.Addr = a
		case !a.IP().IsValid():
			return 0, failed("sendv", s, invalid("sockaddr", a, "SCTP takes addresses of inet and inet6"))
		case a.Port() != 0 && a.Port() != m.Addr.Port():
			return 0, failed("sendv", s, invalid("sockaddr", a, "the port differs from that of the first address"))
		default:
			controls = append(controls, DstAddr{a}.Control())
		}
	}
	if err := m.SetControl(controls...); err != nil {
		return 0, failed("sendv", s, err)
	}
	return s.SendMsg(m, 0, w)
}

// EOF ends an association gracefully: what was sent is delivered, then the peer gets a Shutdown. On a one-to-one socket
// it is esock.Socket.Shutdown: the peer's receives end with io.EOF, and those here do not, on Linux. In both styles an
// AssocChange with ShutdownComp says when it is over. OTP: gen_sctp:eof/2. Errors: EINVAL or EPIPE for no such
// association.
func EOF(s *esock.Socket, assoc int32, w esock.Wait) error {
	if s.Type() == esock.Stream {
		return s.Shutdown(esock.ShutWrite)
	}
	_, err := SendV(s, nil, nil, w, esock.SCTPSndInfo{Flags: FlagEOF, AssocID: assoc})
	return err
}

// Abort ends an association at once: what was not delivered is lost, and the peer gets an AssocChange with CommLost,
// which has the reason. On a one-to-one socket it fails with EINVAL: set sockopt.SocketLinger to 0 seconds and close.
// OTP: gen_sctp:abort/2. Errors: EINVAL or EPIPE for no such association.
func Abort(s *esock.Socket, assoc int32, reason []byte, w esock.Wait) error {
	_, err := SendV(s, [][]byte{reason}, nil, w, esock.SCTPSndInfo{Flags: FlagAbort, AssocID: assoc})
	return err
}
