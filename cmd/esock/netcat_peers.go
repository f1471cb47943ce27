package main

import (
	"context"
	"crypto/tls"
	"sync"
	"time"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
)

const (
	// handshakes is how many clients of listen --tls -k may be in their handshake at once.
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
			select {
			case room <- struct{}{}:
			case <-ctx.Done():
				return
			}
			s, err := l.Accept(nil, esock.Context(ctx))
			if err != nil {
				tell(arrival{err: why(err), fatal: true})
				return
			}
			all.Go(func() {
				defer func() { <-room }()
				peer, err := c.server(ctx, stream{s}, config)
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
