package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"syscall"
	"time"

	"github.com/esock-go/esock"
)

// datagrams carries datagrams between the input and output here, and the peers of a socket.
type datagrams struct {
	sock *esock.Socket
	in   *feed
	out  io.Writer
	all  bool // every peer is heard, and the input goes to the one that was heard last
	only bool // the socket is connected: the kernel lets nobody but the peer be heard
	busy func()

	mu    sync.Mutex
	peer  esock.Addr
	known chan struct{} // closed when there is a peer
}

// talkDatagrams sends the input, and prints what is received, until ctx ends or nothing has happened for the time of idle.
// peer is the one that the socket is connected to; it is the zero address if the first one that is heard is the peer.
func talkDatagrams(ctx context.Context, s *esock.Socket, peer esock.Addr, all bool, in *feed, out io.Writer, idle time.Duration) error {
	inner, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	x := &datagrams{sock: s, in: in, out: out, all: all, busy: func() {}, peer: peer, known: make(chan struct{})}
	if peer != (esock.Addr{}) {
		x.only = true
		close(x.known)
	}
	if idle > 0 {
		timer := time.AfterFunc(idle, func() { cancel(errIdle) })
		defer timer.Stop()
		if peer == (esock.Addr{}) {
			timer.Stop() // as long as nobody has come
		}
		x.busy = func() { timer.Reset(idle) }
	}
	sent := make(chan error, 1)
	go func() {
		err := x.send(inner)
		if err != nil {
			cancel(err)
		}
		sent <- err
	}()
	err := x.receive(inner)
	ended := inner.Err() != nil
	cancel(err)
	serr := <-sent
	switch {
	case serr != nil:
		return serr
	case !ended:
		return err
	case in.waiting.Load() > 0:
		return fmt.Errorf("%w: not all of the input has been sent", endCause(ctx))
	}
	return nil
}

// send sends each piece of the input as a datagram.
func (x *datagrams) send(ctx context.Context) error {
	select {
	case <-x.known:
	case <-ctx.Done():
		return nil
	}
	for {
		select {
		case i := <-x.in.items:
			switch {
			case i.err == io.EOF:
				return nil
			case i.err != nil:
				return fmt.Errorf("the input cannot be read: %w", i.err)
			}
			x.mu.Lock()
			to := x.peer
			x.mu.Unlock()
			_, err := x.sock.SendTo(i.data, to, 0, esock.Context(ctx))
			switch {
			case err == nil:
				x.in.sent(i)
				x.busy()
			case ctx.Err() != nil:
				return nil
			default:
				return x.explain(err, to, len(i.data))
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// receive prints what the peers send.
func (x *datagrams) receive(ctx context.Context) error {
	buf := make([]byte, 1<<16)
	for {
		n, from, err := x.sock.RecvFrom(buf, 0, esock.Context(ctx))
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return x.explain(err, esock.Addr{}, 0)
		case !x.heard(from):
			continue
		}
		x.busy()
		if _, err := x.out.Write(buf[:n]); err != nil {
			return err
		}
	}
}

// heard notes the sender of a datagram, and reports whether it is wanted. The peer of a connected socket may have another
// address than the one that was connected to: 127.0.0.1 and not 0.0.0.0, or another path to the same unix socket.
func (x *datagrams) heard(from esock.Addr) bool {
	if x.only {
		return true
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	select {
	case <-x.known:
		if x.all {
			x.peer = from
			return true
		}
		return from.String() == x.peer.String()
	default:
		x.peer = from
		close(x.known)
		return true
	}
}

// explain says what an error means here. length is that of the datagram to send, 0 when receiving.
func (x *datagrams) explain(err error, to esock.Addr, length int) error {
	switch {
	case length > 0 && (to == esock.Addr{} || to.Family() == esock.Local && to.Path() == ""):
		return errors.New("the peer cannot be answered: its socket has no address")
	case errors.Is(err, syscall.EMSGSIZE):
		return fmt.Errorf("%s are too many for a datagram", count(length, "byte"))
	case errors.Is(err, syscall.ECONNREFUSED):
		return errors.New("the peer refused a datagram: nobody receives at that address")
	}
	return errors.New(reason(err))
}
