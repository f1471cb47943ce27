package engine

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/sockopt"
)

// Shards are loops that share the work, each in a goroutine of its own. A connection stays in its loop. Its methods may
// be called from any goroutine.
type Shards struct {
	loops    []*Loop
	running  atomic.Bool // Run was called
	stopping atomic.Bool // Shutdown has begun

	mu        sync.Mutex
	listeners []*esock.Socket // of Listen
	steered   bool            // by CPU
}

// Sharded makes n loops with the same options. Errors: those of New; *esock.InvalidError "shards" for an n below 1 or
// above 1,024.
func Sharded(n int, options ...Option) (*Shards, error) {
	if n < 1 || n > 1024 {
		return nil, &esock.InvalidError{What: "shards", Value: n, Cause: "it is from 1 to 1024"}
	}
	s := &Shards{}
	for range n {
		l, err := New(options...)
		if err != nil {
			s.Close()
			return nil, err
		}
		s.loops = append(s.loops, l)
	}
	return s, nil
}

// Loops returns the loops, for sockets that are given to one of them.
func (s *Shards) Loops() []*Loop {
	if s == nil {
		return nil
	}
	return append([]*Loop(nil), s.loops...)
}

// Listen makes a TCP listener for each loop, all on the same address, among which the kernel spreads the connections
// by a hash of their addresses (SO_REUSEPORT, socket(7)). If the address has port 0, they share the port that the
// kernel chooses. h is called from all loops, at the same time. It returns the listeners, in the order of the loops.
// SteerByCPU, or sockopt.SocketAttachReusePortCBPF on one of them, spreads connections otherwise. They close when Run
// or Shutdown ends. Errors: ErrClosed; those of bind(2) and listen(2), and then nobody listens; *esock.InvalidError.
//
// The address is one of IP, as Inet4Addr, Inet6Addr and ParseAddr make it. esock.Any and esock.Loopback have no family.
func (s *Shards) Listen(address esock.Addr, backlog int, h Handler) ([]*esock.Socket, error) {
	switch f := address.Family(); {
	case h == nil:
		return nil, &esock.InvalidError{What: "handler", Cause: "it is nil"}
	case f != esock.Inet && f != esock.Inet6:
		return nil, &esock.InvalidError{What: "address", Value: address, Cause: "it is no IP address with a port"}
	case s == nil || len(s.loops) == 0:
		return nil, ErrClosed
	}
	s.mu.Lock() // until Close may close them
	defer s.mu.Unlock()
	var made []*esock.Socket
	err := func() error {
		for range s.loops {
			l, err := shard(address)
			if err != nil {
				return err
			}
			made = append(made, l)
			if address, err = l.SockName(); err != nil {
				return err
			}
		}
		for i, l := range made { // nobody listens before all have the address
			if err := l.Listen(backlog); err != nil {
				return err
			}
			if i == 0 && s.steered {
				if err := steer(l, len(s.loops)); err != nil {
					return err
				}
			}
			if err := s.loops[i].Serve(l, h); err != nil {
				return err
			}
		}
		return nil
	}()
	if err != nil {
		closeAll(made)
		return nil, err
	}
	s.listeners = append(s.listeners, made...)
	return append([]*esock.Socket(nil), made...), nil
}

// shard is a socket that shares its address.
func shard(address esock.Addr) (*esock.Socket, error) {
	l, err := esock.Open(address.Family(), esock.Stream, esock.TCP)
	if err != nil {
		return nil, err
	}
	err = sockopt.SocketReuseAddr.Set(l, true)
	if err == nil {
		err = sockopt.SocketReusePort.Set(l, true)
	}
	if err == nil {
		err = l.Bind(address)
	}
	if err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// SteerByCPU makes new connections of Listen, of calls before and after it, go to the loop whose number is that of
// the CPU on which the kernel receives them, modulo the loops, where a hash would choose. It pays where the network
// card spreads its queues over the CPUs, and each loop is kept on its own: the program sets that, with
// sched_setaffinity(2). When a loop has ended the kernel numbers the others anew. Errors: those of setsockopt(2),
// SO_ATTACH_REUSEPORT_CBPF; ErrClosed for zero Shards.
func (s *Shards) SteerByCPU() error {
	if s == nil || len(s.loops) == 0 {
		return ErrClosed
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := 0; i < len(s.listeners); i += len(s.loops) {
		if err := steer(s.listeners[i], len(s.loops)); err != nil {
			return err
		}
	}
	s.steered = true
	return nil
}

// steer gives the group of a listener a program: the number of the CPU, modulo n. <linux/filter.h>.
func steer(l *esock.Socket, n int) error {
	const (
		load      = 0x20            // BPF_LD | BPF_W | BPF_ABS
		modulo    = 0x94            // BPF_ALU | BPF_MOD | BPF_K
		result    = 0x16            // BPF_RET | BPF_A
		processor = 0xfffff000 + 36 // SKF_AD_OFF + SKF_AD_CPU
	)
	return sockopt.SocketAttachReusePortCBPF.Set(l, []sockopt.SockFilter{
		{Code: load, K: processor}, {Code: modulo, K: uint32(n)}, {Code: result}})
}

func closeAll(sockets []*esock.Socket) {
	for _, s := range sockets {
		s.Close()
	}
}

// closeListeners closes those of Listen.
func (s *Shards) closeListeners() {
	s.mu.Lock()
	defer s.mu.Unlock()
	closeAll(s.listeners)
	s.listeners = nil
}

// all calls f for each loop, at the same time, and returns the first error that one of them returned.
func (s *Shards) all(f func(*Loop) error) error {
	var group sync.WaitGroup
	var once sync.Once
	var first error
	for _, l := range s.loops {
		group.Go(func() {
			if err := f(l); err != nil {
				once.Do(func() { first = err })
			}
		})
	}
	group.Wait()
	return first
}

// Run runs all loops until ctx ends, or Close, or Shutdown, or until one of them fails, which ends the others. It
// returns why, as Loop.Run does: ErrClosed after Shutdown. Shards run once.
func (s *Shards) Run(ctx context.Context) error {
	if ctx == nil {
		return &esock.InvalidError{What: "context", Cause: "it is nil"}
	}
	if s == nil || len(s.loops) == 0 || !s.running.CompareAndSwap(false, true) {
		return ErrClosed
	}
	defer s.closeListeners()
	return s.all(func(l *Loop) error {
		err := l.runApart(ctx)
		if !s.stopping.Load() {
			s.halt(err)
		}
		return err
	})
}

// runApart is Run in a goroutine of its own, which a function of the program may have ended with runtime.Goexit.
func (l *Loop) runApart(ctx context.Context) (err error) {
	returned, over := false, make(chan struct{})
	go func() {
		defer close(over)
		err = l.Run(ctx)
		returned = true
	}()
	<-over
	if !returned {
		l.mu.Lock()
		err = l.stop
		l.mu.Unlock()
	}
	return err
}

// halt ends all loops, for the same reason.
func (s *Shards) halt(err error) {
	for _, l := range s.loops {
		l.halt(err)
	}
}

// Shutdown closes the listeners of Listen, and ends the loops when their connections have ended, at the latest when ctx
// does: see Loop.Shutdown.
func (s *Shards) Shutdown(ctx context.Context) error {
	if ctx == nil {
		return &esock.InvalidError{What: "context", Cause: "it is nil"}
	}
	if s == nil {
		return nil
	}
	s.stopping.Store(true)
	s.closeListeners()
	return s.all(func(l *Loop) error { return l.Shutdown(ctx) })
}

// Close ends Run, and does not wait for it. Shards that do not run are closed by Close itself.
func (s *Shards) Close() error {
	if s == nil {
		return nil
	}
	for _, l := range s.loops {
		l.Close()
	}
	s.closeListeners()
	return nil
}
