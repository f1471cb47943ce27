package main

import (
	"context"
	"fmt"
	"time"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/sockopt"
	"github.com/esock-go/esock/tests/bench/sockets"
)

// What is done in the rows. Ready: the call finds everything there. Parked: the goroutine waits. With: a handle of the
// caller's is armed, its message received and the call repeated. NoWait: the same with a *Select made each time.
var allocRows = []allocRow{
	{"send+recv ready", 0, readyStream},
	{"sendto+recvfrom ready", 0, readyDatagram},
	{"sendmsg+recvmsg ready", 0, readyMessage},
	{"recv parked", 0, parkedRecv(with(esock.Forever))},
	{"recv parked, time", 0, parkedRecv(with(esock.Within(time.Hour)))},
	{"recv parked, context", 0, parkedRecv(cancellable)},
	{"recvfrom parked", 0, parkedDatagram(recvFrom)},
	{"recvmsg parked", 0, parkedDatagram(recvMsg)},
	{"send parked", 0, parkedSend(send, unixStream)},
	{"sendto parked", 0, parkedSend(sendTo, tcpStream)},
	{"sendmsg parked", 0, parkedSend(sendMsg, unixStream)},
	{"recv With", 0, firedRecv(recvOne, false)},
	{"recvfrom With", 0, firedRecv(recvFrom, false)},
	{"recvmsg With", 0, firedRecv(recvMsg, false)},
	{"recv NoWait", 1, firedRecv(recvOne, true)},
	{"send With", 0, firedSend(send, unixStream)},
	{"sendto With", 0, firedSend(sendTo, tcpStream)},
	{"sendmsg With", 0, firedSend(sendMsg, unixStream)},
}

// A receiver is one of the receiving calls, with what it uses again.
type receiver func() func(s *esock.Socket, w esock.Wait) error

func recvOne() func(*esock.Socket, esock.Wait) error {
	buf := make([]byte, sockets.Message)
	return func(s *esock.Socket, w esock.Wait) error {
		_, err := s.Recv(buf, 0, w)
		return err
	}
}

func recvFrom() func(*esock.Socket, esock.Wait) error {
	buf := make([]byte, sockets.Message)
	return func(s *esock.Socket, w esock.Wait) error {
		_, _, err := s.RecvFrom(buf, 0, w)
		return err
	}
}

func recvMsg() func(*esock.Socket, esock.Wait) error {
	m := &esock.Msg{Buf: make([]byte, sockets.Message)}
	return func(s *esock.Socket, w esock.Wait) error { return s.RecvMsg(m, 0, w) }
}

// A sender is one of the sending calls, made for a peer and an amount. It returns how much went.
type sender func(to esock.Addr, size int) func(s *esock.Socket, w esock.Wait) (int, error)

func send(_ esock.Addr, size int) func(*esock.Socket, esock.Wait) (int, error) {
	buf := make([]byte, size)
	return func(s *esock.Socket, w esock.Wait) (int, error) { return s.Send(buf, 0, w) }
}

func sendTo(to esock.Addr, size int) func(*esock.Socket, esock.Wait) (int, error) {
	buf := make([]byte, size)
	return func(s *esock.Socket, w esock.Wait) (int, error) { return s.SendTo(buf, to, 0, w) }
}

func sendMsg(_ esock.Addr, size int) func(*esock.Socket, esock.Wait) (int, error) {
	m := &esock.Msg{Iov: [][]byte{make([]byte, size/2), make([]byte, size-size/2)}}
	return func(s *esock.Socket, w esock.Wait) (int, error) { return s.SendMsg(m, 0, w) }
}

func readyStream() (func() error, func(), error) {
	a, b, err := sockets.EsockPair(esock.Stream)
	buf := make([]byte, sockets.Message)
	return func() error {
		if _, err := a.Send(buf, 0, esock.Forever); err != nil {
			return err
		}
		_, err := b.Recv(buf, 0, esock.Forever)
		return err
	}, closer(a, b), err
}

// udpPair is a receiver, its address, and a sender.
func udpPair() (in *esock.Socket, at esock.Addr, out *esock.Socket, err error) {
	if in, err = sockets.EsockUDP(); err == nil {
		if at, err = in.SockName(); err == nil {
			out, err = sockets.EsockUDP()
		}
	}
	return in, at, out, err
}

func readyDatagram() (func() error, func(), error) {
	in, at, out, err := udpPair()
	if err != nil {
		return nil, nil, err
	}
	write, read := sendTo(at, sockets.Message), recvFrom()
	return func() error {
		if _, err := write(out, esock.Forever); err != nil {
			return err
		}
		return read(in, esock.Forever)
	}, closer(in, out), nil
}

// readyMessage has a control message that goes out, and three that come.
func readyMessage() (func() error, func(), error) {
	in, at, out, err := udpPair()
	if err != nil {
		return nil, nil, err
	}
	if err := sockets.AskEsock(in); err != nil {
		return nil, nil, err
	}
	outgoing := &esock.Msg{Addr: at, Iov: [][]byte{make([]byte, sockets.Message)}}
	if err := outgoing.SetControl(esock.TTL(33)); err != nil {
		return nil, nil, err
	}
	incoming := new(esock.Msg)
	return func() error {
		if _, err := out.SendMsg(outgoing, 0, esock.Forever); err != nil {
			return err
		}
		if err := in.RecvMsg(incoming, 0, esock.Forever); err != nil {
			return err
		}
		for c := range incoming.Control() {
			if ttl, ok := c.TTL(); ok && ttl == 33 {
				return nil
			}
		}
		return fmt.Errorf("the time to live did not come")
	}, closer(in, out), nil
}

func with(w esock.Wait) func() (esock.Wait, func()) {
	return func() (esock.Wait, func()) { return w, func() {} }
}

func cancellable() (esock.Wait, func()) {
	ctx, cancel := context.WithCancel(background)
	return esock.Context(ctx), cancel
}

func parkedRecv(wait func() (esock.Wait, func())) func() (func() error, func(), error) {
	return func() (func() error, func(), error) {
		a, b, err := sockets.EsockTCP()
		if err != nil {
			return nil, nil, err
		}
		w, end := wait()
		go echoEsock(b, w)
		buf := make([]byte, sockets.Message)
		return func() error { return roundEsock(a, buf, w) }, func() { end(); a.Close(); b.Close() }, nil
	}
}

// parkedDatagram parks in a receive while another goroutine has yet to send.
func parkedDatagram(kind receiver) func() (func() error, func(), error) {
	return func() (func() error, func(), error) {
		in, at, out, err := udpPair()
		if err != nil {
			return nil, nil, err
		}
		read, write := kind(), sendTo(at, sockets.Message)
		next := make(chan struct{})
		go func() {
			for range next {
				if _, err := write(out, esock.Forever); err != nil {
					return
				}
			}
		}()
		return func() error {
			next <- struct{}{}
			return read(in, esock.Forever)
		}, func() { close(next); in.Close(); out.Close() }, nil
	}
}

// parkedSend sends more than the kernel holds, so that it waits for the goroutine that receives.
func parkedSend(kind sender, pair streamPair) func() (func() error, func(), error) {
	return func() (func() error, func(), error) {
		a, b, to, size, err := pair()
		if err != nil {
			return nil, nil, err
		}
		write := kind(to, 4*size)
		go func() {
			buf := make([]byte, size/4)
			for {
				if _, err := b.Recv(buf, 0, esock.Forever); err != nil {
					return
				}
			}
		}()
		return func() error {
			_, err := write(a, esock.Forever)
			return err
		}, closer(a, b), nil
	}
}

// A streamPair is a connection, the address of its second end, and about how much the kernel holds.
type streamPair func() (a, b *esock.Socket, to esock.Addr, size int, err error)

// unixStream holds little, and so a send soon waits.
func unixStream() (a, b *esock.Socket, to esock.Addr, size int, err error) {
	if a, b, err = sockets.EsockPair(esock.Stream); err == nil {
		err = sockopt.SocketSndBuf.Set(a, 16<<10)
	}
	return a, b, to, 32 << 10, err
}

// tcpStream is for SendTo: unix streams refuse an address. Small buffers would make TCP wait for its timers.
func tcpStream() (a, b *esock.Socket, to esock.Addr, size int, err error) {
	if a, b, err = sockets.EsockTCP(); err == nil {
		to, err = a.PeerName()
	}
	return a, b, to, 1 << 20, err
}

func firedRecv(kind receiver, nowait bool) func() (func() error, func(), error) {
	return func() (func() error, func(), error) {
		in, at, out, err := udpPair()
		if err != nil {
			return nil, nil, err
		}
		mb := esock.NewMailbox()
		w := esock.With(mb.NewHandle())
		if nowait {
			w = esock.NoWait(mb)
		}
		read, write := kind(), sendTo(at, sockets.Message)
		return func() error {
			if err := selected(read(in, w)); err != nil {
				return err
			}
			if _, err := write(out, esock.Forever); err != nil {
				return err
			}
			if err := fired(mb); err != nil {
				return err
			}
			return read(in, w)
		}, func() { mb.Close(); in.Close(); out.Close() }, nil
	}
}

// firedSend fills the connection until a send would block, empties it, and waits for the message.
func firedSend(kind sender, pair streamPair) func() (func() error, func(), error) {
	return func() (func() error, func(), error) {
		a, b, to, size, err := pair()
		if err != nil {
			return nil, nil, err
		}
		mb := esock.NewMailbox()
		w := esock.With(mb.NewHandle())
		write := kind(to, size/2)
		buf := make([]byte, size)
		return func() error {
			sent := 0
			for {
				n, err := write(a, w)
				sent += n
				if err != nil {
					if err := selected(err); err != nil {
						return err
					}
					break
				}
			}
			for sent > 0 {
				n, err := b.Recv(buf, 0, esock.Forever)
				if err != nil {
					return err
				}
				sent -= n
			}
			return fired(mb)
		}, func() { mb.Close(); a.Close(); b.Close() }, nil
	}
}

// selected wants err to be a *Select.
func selected(err error) error {
	if _, ok := err.(*esock.Select); ok {
		return nil
	}
	return fmt.Errorf("not selected: %v", err)
}

// fired waits for the message of the one handle.
func fired(mb *esock.Mailbox) error {
	msg, err := mb.Receive(background)
	if err != nil {
		return err
	}
	if _, ok := msg.(esock.SelectMsg); !ok {
		return fmt.Errorf("got %T", msg)
	}
	return nil
}
