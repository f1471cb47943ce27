package hackney

import (
	"errors"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/packet"
)

// The tags of messages, as gen_tcp and ssl have them.
const (
	tagTCP        = "tcp"
	tagSSL        = "ssl"
	suffixPassive = "_passive"
	suffixClosed  = "_closed"
	suffixError   = "_error"
)

// Event is a message of an active mode in a form that is the same for every transport. OTP: {Data, Sock, Bytes}, {Closed,
// Sock}, {Error, Sock, Reason}.
type Event struct {
	Tag    string        // one of Socket.Messages, "tcp_passive" or "ssl_passive"; over TCP also "http"
	Packet gentcp.Packet // with the tag of data: the packet
	Reason error         // with the tag of an error: the cause
}

// EventMsg is a message that Socket.Event understands. Messages of transports other than TCP implement it.
type EventMsg interface {
	esock.Message
	Event() Event
}

// About reports whether a message is about this socket. It is a match for Mailbox.ReceiveMatch and PollMatch.
func (s Socket) About(msg esock.Message) bool {
	return s.Sock != nil && msg != nil && s.Sock.About(msg)
}

// Event returns the parts of a message; ok is false if it is not about this socket, or if it is not an EventMsg of another
// transport.
func (s Socket) Event(msg esock.Message) (Event, bool) {
	if !s.About(msg) {
		return Event{}, false
	}
	switch m := msg.(type) {
	case gentcp.TCPMsg:
		return Event{Tag: tagTCP, Packet: m.Packet}, true
	case gentcp.HTTPMsg:
		return Event{Tag: "http", Packet: m.Packet}, true
	case gentcp.PortMsg:
		return Event{Tag: "data", Packet: m.Packet}, true
	case gentcp.PassiveMsg:
		return Event{Tag: tagTCP + suffixPassive}, true
	case gentcp.ClosedMsg:
		return Event{Tag: tagTCP + suffixClosed}, true
	case gentcp.ErrorMsg:
		return Event{Tag: tagTCP + suffixError, Reason: m.Reason}, true
	case EventMsg:
		return m.Event(), true
	}
	return Event{}, false
}

// Leftover reports whether an idle socket must be closed instead of being used again: data, an end or an error has come,
// also one that has not become a message, or another goroutine is reading. It makes the socket passive and takes the
// messages about it out of its owner's mailbox, without waiting. The message that a count has run out is dropped and does
// not count. With a transport other than TCP and TLS, only messages count. After an error the socket is of no use either.
// OTP: what hackney's pool does before it hands a socket out.
func (s Socket) Leftover(owner *esock.Mailbox) (bool, error) {
	if err := s.SetOpts(gentcp.Active(false)); err != nil {
		s.dropMessages(owner)
		return false, err
	}
	found := s.dropMessages(owner)
	switch c := s.Sock.(type) {
	case *gentcp.Socket:
		found = found || unread(c)
	case *TLSConn:
		found = found || c.unread()
	}
	return found, nil
}

// dropMessages takes the messages about the socket out of a mailbox, and reports whether one was about more than a count.
func (s Socket) dropMessages(owner *esock.Mailbox) (found bool) {
	if owner == nil || s.Sock == nil {
		return false
	}
	for {
		msg, ok := owner.PollMatch(s.About)
		if !ok {
			return found
		}
		switch msg.(type) {
		case gentcp.PassiveMsg, SSLPassiveMsg:
		default:
			found = true
		}
	}
}

// unread reports whether a passive TCP socket has something to receive. As raw bytes: the beginning of a packet counts.
func unread(s *gentcp.Socket) bool {
	was, err := s.Opt("packet")
	if err != nil {
		return true
	}
	if typ := was.(packet.Type); typ != packet.Raw {
		s.SetOpts(gentcp.PacketType(packet.Raw))
		defer s.SetOpts(gentcp.PacketType(typ))
	}
	_, err = s.Recv(0, esock.Within(0))
	return !errors.Is(err, esock.ErrTimeout) || readable(s.Socket())
}

// readable reports whether the kernel has data or an end for a socket, even after the socket's read deadline, which does not
// bound asynchronous calls.
func readable(s *esock.Socket) bool {
	mb := esock.NewMailbox()
	defer mb.Close()
	_, err := s.Recv(make([]byte, 1), esock.MsgPeek, esock.NoWait(mb))
	var sel *esock.Select
	if !errors.As(err, &sel) {
		return true
	}
	s.Cancel(sel)
	return false
}
