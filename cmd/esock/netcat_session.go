package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/packet"
)

// maxPacket is the size of the largest packet accepted.
const maxPacket = 64 << 20

// afterwards is how long the input may pause once the peer has finished sending. What the input still holds is sent, but
// it does not wait for a person to type.
const afterwards = 500 * time.Millisecond

// session carries packets between the input and output here, and one peer.
type session struct {
	framing
	link link
	in   *feed
	out  io.Writer
	busy func() // something was sent or received
}

// A link is a connection with a peer. Closing it ends every wait on it.
type link interface {
	io.Reader
	send(parts ...[]byte) error
	endSending() error
	outstanding() bool // the peer's system has not acknowledged everything
	Close() error
}

// talk sends what is read from the input and prints what is received, until the peer ends or ctx does. It ends as well when
// nothing has happened for the time of idle, if that is not 0.
func (f framing) talk(ctx context.Context, l link, in *feed, out io.Writer, idle time.Duration) error {
	inner, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	x := &session{framing: f, link: l, in: in, out: out, busy: func() {}}
	if idle > 0 {
		timer := time.AfterFunc(idle, func() { cancel(errIdle) })
		defer timer.Stop()
		x.busy = func() { timer.Reset(idle) }
	}
	unsent := false
	end := sync.OnceFunc(func() { // a second call waits until the first is done
		if ctx.Err() != nil || context.Cause(inner) == errIdle {
			unsent = l.outstanding() // before the socket is closed
		}
		l.Close()
	})
	defer context.AfterFunc(inner, end)()
	defer end()

	peer := make(chan struct{}) // closed when the peer has ended
	sent := make(chan error, 1)
	go func() {
		err := x.send(inner, peer)
		if err != nil {
			cancel(err) // which ends receive
		}
		sent <- err
	}()
	err := x.receive()
	if err != nil {
		cancel(err)
	}
	close(peer)
	serr := <-sent
	switch cause := context.Cause(inner); {
	case ctx.Err() != nil || cause == errIdle:
		end()
		if unsent || in.waiting.Load() > 0 {
			return fmt.Errorf("%w: not all of the input has reached the peer", endCause(ctx))
		}
		return nil
	case err == nil, errors.Is(err, net.ErrClosed) && serr != nil:
		return serr
	}
	return err
}

// endCause is why a session ended that did not fail.
func endCause(ctx context.Context) error {
	if ctx.Err() != nil {
		return errInterrupted
	}
	return errIdle
}

// send sends the input, and ends sending with it. Once the peer has ended, it stops as soon as the input pauses.
func (x *session) send(ctx context.Context, peer <-chan struct{}) error {
	if x.in.ended {
		return x.end()
	}
	var pause *time.Timer
	var paused <-chan time.Time
	var frame []byte
	for {
		select {
		case i := <-x.in.items:
			switch {
			case i.err == io.EOF:
				x.in.ended = true
				return x.end()
			case i.err != nil:
				x.in.ended = true
				return fmt.Errorf("the input cannot be read: %w", i.err)
			}
			var err error
			if frame, err = packet.AppendHeader(frame[:0], x.typ(), len(i.data)); err == nil {
				err = x.link.send(frame, i.data)
			}
			if err != nil {
				return x.explain(err, len(i.data))
			}
			x.in.sent(i)
			x.busy()
			if pause != nil {
				pause.Reset(afterwards)
			}
		case <-peer:
			peer = nil
			pause = time.NewTimer(afterwards)
			defer pause.Stop()
			paused = pause.C
			if x.in.terminal() {
				return nil
			}
		case <-paused:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

func (x *session) end() error {
	err := x.link.endSending()
	if errors.Is(err, syscall.ENOTCONN) || errors.Is(err, gentcp.ErrClosed) {
		return nil // both directions have ended already
	}
	return err
}

// Read reads what the peer sends.
func (x *session) Read(b []byte) (int, error) {
	n, err := x.link.Read(b)
	if n > 0 {
		x.busy()
	}
	return n, err
}

// receive prints packets until the peer has ended.
func (x *session) receive() error {
	typ := x.typ()
	if x.asIs() {
		typ = packet.Raw // lines are printed as they are, the last even if it has no end
	}
	d, err := packet.NewDecoder(x, typ, packet.Options{PacketSize: maxPacket})
	if err != nil {
		return err
	}
	show := printer{typ: typ, out: x.out}
	for {
		p, err := d.Next()
		switch {
		case err == io.EOF:
			return nil
		case err == io.ErrUnexpectedEOF:
			return fmt.Errorf("the peer ended in the middle of a packet of type %v, after %s", x.typ(),
				count(len(d.Buffered()), "byte"))
		case err != nil:
			return x.explain(err, 0)
		}
		if err := show.packet(p); err != nil {
			return err
		}
		if show.body == 0 {
			continue
		}
		body, length := io.Reader(d), show.body
		if length > 0 {
			body = io.LimitReader(d, length)
		}
		show.body = 0
		n, err := io.Copy(x.out, body)
		if err != nil {
			return x.explain(err, 0)
		}
		if n < length {
			return fmt.Errorf("the peer ended in the middle of a body of %s, after %d", count(int(length), "byte"), n)
		}
	}
}

// explain says what an error means here. length is the length of the packet to send, 0 when receiving.
func (x *session) explain(err error, length int) error {
	switch {
	case errors.Is(err, syscall.EMSGSIZE) && length > 0:
		return fmt.Errorf("%s are too many for a packet of type %v", count(length, "byte"), x.typ())
	case errors.Is(err, syscall.EMSGSIZE):
		return fmt.Errorf("what was received is not a packet of type %v, or is too large", x.typ())
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return errors.New("the peer reset the connection")
	}
	return why(err)
}
