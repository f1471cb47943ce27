package esock

import (
	"os"
	"strconv"
	"syscall"
	"time"
)

// Close waits for the calls that are inside the socket. Waiting calls have been woken, and system calls do not sleep, with
// two exceptions. sendfile may wait for the disk; that ends by itself. And accept, connect and sendfile, which have no
// MSG_DONTWAIT, sleep if another process that shares the description clears O_NONBLOCK between the core's check and the
// system call. Close interrupts such a call.

// The pauses between attempts to interrupt a call.
const (
	firstKick = 20 * time.Millisecond
	lastKick  = time.Second
)

// awaitDrained waits until no call is inside the socket. Its caller closes the socket, so the handle stays meanwhile.
func (s *Socket) awaitDrained(drained <-chan struct{}) {
	if s.simulated() != nil {
		<-drained // no call sleeps in a simulated kernel
		return
	}
	callOut(drained, s.asleep, s.interrupt)
}

// asleep reports whether a call may sleep in the kernel for good. It sets O_NONBLOCK, which the call finds when it restarts.
func (s *Socket) asleep() bool {
	if s.lost() {
		return false
	}
	cleared := cNonblock(s.h)
	return cleared || s.state.Load()&(stExclusive(reading)|stExclusive(writing)) != 0
}

// interrupt interrupts the calls inside.
func (s *Socket) interrupt() {
	if !s.lost() {
		kickThreads()
	}
}

// lost reports that the number of a borrowed descriptor is another's by now. That one keeps its flags. Nor is a call
// interrupted that sleeps in the old one: it would restart with the number, and accept from the other socket or send to it.
func (s *Socket) lost() bool { return isAnothers(s.h, s.facts.Load(), s.lent()) }

// callOut repeats kick, which interrupts the calls inside, until drained is closed. asleep says whether there is a reason to.
func callOut(drained <-chan struct{}, asleep func() bool, kick func()) {
	pause := firstKick
	timer := newTimer(pause)
	defer timer.Stop()
	for {
		select {
		case <-drained:
			return
		case <-timer.C:
		}
		// A call that a signal interrupts restarts, and then finds O_NONBLOCK set. A sendfile that waits for the disk
		// would restart for ever, so without a reason it is interrupted only once, late.
		next, late := pauseAfter(pause)
		if asleep() || late {
			kick()
		}
		pause = next
		resetTimer(timer, pause)
	}
}

// pauseAfter returns the pause after another. late is true once, when the pause reaches its limit.
func pauseAfter(pause time.Duration) (next time.Duration, late bool) {
	next = min(2*pause, lastKick)
	return next, pause < next && next == lastKick
}

// kickThreads interrupts the system calls that the threads of the process sleep in. The signal is the one with which the
// runtime preempts goroutines: it is always handled, means nothing, and restarts what it interrupts.
func kickThreads() {
	threads, _ := os.ReadDir("/proc/self/task") // without /proc, none are known
	pid := syscall.Getpid()
	for _, t := range threads {
		tid, _ := strconv.Atoi(t.Name()) // all names are numbers, and no thread is 0
		_, _, _ = syscall.RawSyscall(syscall.SYS_TGKILL, uintptr(pid), uintptr(tid), uintptr(syscall.SIGURG))
	}
}
