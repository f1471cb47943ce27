package engine

import (
	"fmt"
	"syscall"
	"time"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/sockopt"
)

// busyPoll is what BusyPoll has set; zero: nothing.
type busyPoll struct {
	usecs, budget uint32
	prefer        bool
}

// longestBusyPoll is the longest time of BusyPoll.
const longestBusyPoll = 10 * time.Millisecond

// BusyPoll turns busy polling on: after something has come, and was handled, a loop that finds nothing more has the
// kernel take packets from the network device itself, for up to d, before it goes on to Spin and sleep. This saves the
// time of the device's interrupt and of a wake-up, and uses the processor meanwhile. d is from 1 µs to 10 ms, in whole
// microseconds. budget is how many packets are taken at a time, 0: Linux's default, 8; more than 64 need CAP_NET_ADMIN.
// With prefer the device's interrupts stay off between two polls, if its gro_flush_timeout and napi_defer_hard_irqs are
// set (SO_PREFER_BUSY_POLL, socket(7)).
//
// It needs Linux 6.9 (EPIOCSPARAMS, ioctl_eventpoll(2); IORING_REGISTER_NAPI). A loop that cannot have it does without:
// BusyPolling says why, and whether it can have an effect.
//
// With epoll the loop polls the queue of the device that the last event came through, so the connections of a loop
// should share one, and methods of the loop that other goroutines call wait meanwhile. With io_uring it polls the queues
// of all its connections, always with the default budget, and others do not wait.
//
// Errors of New: *esock.InvalidError.
func BusyPoll(d time.Duration, budget int, prefer bool) Option {
	return func(c *config) error {
		switch {
		case d < time.Microsecond || d > longestBusyPoll:
			return &esock.InvalidError{What: "busy poll", Value: d, Cause: "it is not from 1 µs to 10 ms"}
		case budget < 0 || budget > 1<<16-1:
			return &esock.InvalidError{What: "busy poll budget", Value: budget}
		}
		c.busy = busyPoll{uint32(d / time.Microsecond), uint32(budget), prefer}
		return nil
	}
}

// BusyPolling is what a loop does of BusyPoll, and for which connections that can have an effect.
type BusyPolling struct {
	// Time is for how long the loop polls; 0: it does not.
	Time time.Duration
	// Conns is how many connections the loop has.
	Conns int
	// Queues is how many of them have received their last packets through which queue of a device that the kernel can poll,
	// by its number (SO_INCOMING_NAPI_ID). A connection that is in none of them gains nothing: it is one of the loopback, of
	// a unix socket, or of a device that cannot be polled.
	Queues map[uint]int
}

// BusyPolling reports about busy polling. It asks each connection, with a system call, also when the loop does not
// poll. Any goroutine may call it. The error is nil unless BusyPoll was asked for and there is none: then it says why,
// and is a syscall.Errno for errors.Is.
func (l *Loop) BusyPolling() (BusyPolling, error) {
	b := BusyPolling{Queues: map[uint]int{}}
	if !l.made() {
		return b, nil
	}
	for _, s := range l.sockets() {
		b.Conns++
		if queue, err := sockopt.SocketIncomingNAPIID.Get(s); err == nil && queue > 0 {
			b.Queues[queue]++
		}
	}
	if l.refused != 0 {
		return b, busyPollError(l.refused)
	}
	b.Time = time.Duration(l.busy.usecs) * time.Microsecond
	return b, nil
}

// sockets returns those of the connections.
func (l *Loop) sockets() (sockets []*esock.Socket) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range l.members {
		if c, ok := m.(*Conn); ok && !c.gone.Load() {
			sockets = append(sockets, c.s)
		}
	}
	return sockets
}

// busyPollError says why there is no busy polling.
func busyPollError(errno syscall.Errno) error {
	why := "a filter refuses it"
	switch errno {
	case syscall.ENOTTY:
		why = "the kernel is older than Linux 6.9"
	case syscall.EOPNOTSUPP:
		why = "the kernel was built without it"
	case syscall.EPERM:
		why = "a budget above 64 without CAP_NET_ADMIN, or a filter"
	}
	return fmt.Errorf("engine: no busy polling: %s: %w", why, errno)
}
