package esock

import (
	"math"
	"syscall"
	"time"
	"unsafe"
)

// Waits are for what the kernel does, so they use the machine's monotonic clock. They do so in a bubble of testing/synctest
// too, where the time package has a clock of its own: see bubble.go.

// Moments are counted from epoch. machineEpoch is the same moment by the kernel's clock.
var (
	epoch        = time.Now()
	machineEpoch = machineClock()
)

// clock is the machine's time since epoch.
func clock() time.Duration {
	if since, real := realClock(); real {
		return since
	}
	return machineClock() - machineEpoch
}

// realClock is the time since epoch, and whether it is the machine's. A bubble's clock begins in the year 2000, so that it is
// before epoch. Where it might not be, because a test has slept for decades or the machine's date is wrong, the slower check
// decides.
func realClock() (since time.Duration, real bool) {
	const years = 10 * 365 * 24 * time.Hour
	since = time.Since(epoch)
	return since, since >= 0 && (since < years || !inBubble())
}

// momentOf is t as clock has it. A time without a monotonic reading counts by its distance from now, because a wall clock
// jumps.
// Times of a bubble have none, and so count by the bubble's clock.
func momentOf(t time.Time) time.Duration {
	if bubbled(t) {
		return later(clock(), time.Until(t))
	}
	return t.Sub(epoch)
}

// later is d after t, or the end of time.
func later(t, d time.Duration) time.Duration {
	return t + min(d, math.MaxInt64-t)
}

// earlier is the earlier of two deadlines, of which 0 is none.
func earlier(a, b time.Duration) time.Duration {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// realTime converts a deadline of clock for a File, which asks the time package how far away the deadline is.
func realTime(deadline time.Duration) time.Time {
	if _, real := realClock(); !real {
		return time.Now().Add(deadline - (machineClock() - machineEpoch))
	}
	return epoch.Add(deadline)
}

// machineClock asks the kernel for the clock that the runtime uses too.
func machineClock() time.Duration {
	var t syscall.Timespec
	const monotonic = 1 // CLOCK_MONOTONIC
	syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, monotonic, uintptr(unsafe.Pointer(&t)), 0)
	return time.Duration(t.Nano())
}

// nap sleeps by the machine's clock.
func nap(d time.Duration) {
	if inBubble() {
		t := syscall.NsecToTimespec(int64(d))
		syscall.Nanosleep(&t, nil)
		return
	}
	time.Sleep(d)
}
