package main

import (
	"container/list"
	"context"
	"crypto/tls"
	"errors"
	"sync"
	"time"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
)

const (
	// handshakes is how many clients of listen --tls -k may be in their handshake, or wait for their turn after it, at once.
	// A client that comes then takes the place of the one that has been in its handshake for the longest time.
	handshakes = 64
	// handshakeTime limits each of them, unless --wait does.
	handshakeTime = 30 * time.Second
)

// arrival is a client that has connected, or the reason why one could not.
type arrival struct {
	peer  link
	err   error
	fatal bool // nobody can connect any more
}

// arrivals returns a function that waits for the next client, and one that ends the waiting for others. With TLS and -k
// clients go through their handshakes beside one another, so that one that stalls does not keep the others out.
func (c *listenCmd) arrivals(ctx context.Context, l *gentcp.Socket, config *tls.Config) (next func() arrival, stop func()) {
	if !c.Keep || !c.TLS {
		return func() arrival {
			s, err := l.Accept(nil, esock.Context(ctx))
			if err != nil {
				return arrival{err: why(err), fatal: true}
			}
			if !c.Keep {
				l.Close() // others are refused from now on
			}
			peer, err := c.server(ctx, stream{s}, config)
			return arrival{peer: peer, err: err}
		}, func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	come := make(chan arrival)
	room := make(chan struct{}, handshakes)
	var shaking handshaking
	tell := func(a arrival) {
		select {
		case come <- a:
		case <-ctx.Done():
			if a.peer != nil {
				a.peer.Close()
			}
		}
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			s, err := l.Accept(nil, esock.Context(ctx))
			if err != nil {
				tell(arrival{err: why(err), fatal: true})
				return
			}
			if len(room) == cap(room) {
				shaking.endOldest()
			}
			select {
			case room <- struct{}{}:
			case <-ctx.Done():
				s.Close()
				return
			}
			within, leave := shaking.begin(ctx)
			all.Go(func() {
				defer func() { <-room }()
				peer, err := c.server(within, stream{s}, config)
				if leave(); err != nil && context.Cause(within) == errGaveWay {
					err = errGaveWay
				}
				tell(arrival{peer: peer, err: err})
			})
		}
	})
	next = func() arrival {
		select {
		case a := <-come:
			return a
		case <-ctx.Done():
			return arrival{err: ctx.Err(), fatal: true}
		}
	}
	return next, func() {
		cancel()
		all.Wait()
	}
}

var errGaveWay = errors.New("TLS: the client did not end its handshake, and gave way to another client")

// handshaking knows the handshakes that are going on.
type handshaking struct {
	mu   sync.Mutex
	list list.List // of context.CancelCauseFunc, the oldest first
}

// begin adds a handshake, and returns the context that ends it. leave says that it is over.
func (h *handshaking) begin(ctx context.Context) (within context.Context, leave func()) {
	within, cancel := context.WithCancelCause(ctx)
	h.mu.Lock()
	defer h.mu.Unlock()
	e := h.list.PushBack(cancel)
	return within, func() {
		h.mu.Lock()
		h.list.Remove(e)
		h.mu.Unlock()
		cancel(nil)
	}
}

// endOldest ends the handshake that has taken the longest time, if there is one.
func (h *handshaking) endOldest() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if e := h.list.Front(); e != nil {
		h.list.Remove(e).(context.CancelCauseFunc)(errGaveWay)
	}
}
