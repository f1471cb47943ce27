package esock

import (
	"os"
	"strconv"
	"syscall"
	"time"
)

// Close waits for the calls that are inside the socket. Those that wait have been woken, and no system call of theirs
// sleeps, with two exceptions: sendfile may wait for the disk, and accept, connect and sendfile, which know no
// MSG_DONTWAIT, sleep when somebody who shares the description clears O_NONBLOCK at the very moment between the core's
// look at it and the call. The former comes out by itself. The latter is called out here.

// The pauses between attempts to call somebody out.
const (
	firstKick = 20 * time.Millisecond
	lastKick  = time.Second
)

// awaitDrained waits until nobody is inside the socket any more. The caller closes it, so the handle stays meanwhile.
func (s *Socket) awaitDrained(drained <-chan struct{}) {
	callOut(drained, s.asleep, kickThreads)
}

// asleep reports that a call may sleep in the kernel for good, and sets the flag that it finds when it begins anew.
func (s *Socket) asleep() bool {
	cleared := cNonblock(s.h)
	return cleared || s.state.Load()&(stExclusive(reading)|stExclusive(writing)) != 0
}

// callOut kicks those who are inside, again and again, until drained is closed. asleep says whether there is a reason to.
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
		// A call that a signal interrupts begins anew, and then finds the flag set. A sendfile that waits for the disk
		// would begin anew for ever: without a reason to, it is interrupted once, late.
		next, late := pauseAfter(pause)
		if asleep() || late {
			kick()
		}
		pause = next
		resetTimer(timer, pause)
	}
}

// pauseAfter is the pause after another. late is true once: when they have got as long as they get.
func pauseAfter(pause time.Duration) (next time.Duration, late bool) {
	next = min(2*pause, lastKick)
	return next, pause < next && next == lastKick
}

// kickThreads interrupts the system calls that the threads of the process sleep in. The signal is the one with which the
// runtime preempts goroutines: it is always handled, means nothing, and restarts what it interrupts.
func kickThreads() {
	threads, _ := os.ReadDir("/proc/self/task") // without /proc there are none that are known
	pid := syscall.Getpid()
	for _, t := range threads {
		tid, _ := strconv.Atoi(t.Name()) // there are no other names, and no thread 0
		_, _, _ = syscall.RawSyscall(syscall.SYS_TGKILL, uintptr(pid), uintptr(tid), uintptr(syscall.SIGURG))
	}
}
