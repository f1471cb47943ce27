package engine

import (
	"net"
	"os"
	"time"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/loopcall"
)

// Timer is a call of a function that a loop is to make later.
type Timer struct {
	timer
	l *Loop
	f func()
}

// After calls f in the goroutine of Run when d has passed, by the machine's clock, in steps of a millisecond. It does
// so even if d is not positive; the call is never made within After. A loop that is closed makes no more calls. Any
// goroutine may call After and the methods of the Timer. Errors: *esock.InvalidError; ErrClosed.
func (l *Loop) After(d time.Duration, f func()) (*Timer, error) {
	if f == nil {
		return nil, &esock.InvalidError{What: "function", Cause: "it is nil"}
	}
	if !l.made() {
		return nil, ErrClosed
	}
	t := &Timer{l: l, f: f}
	t.who = t
	if !l.setTimer(&t.timer, loopcall.Clock(), d) {
		return nil, ErrClosed
	}
	return t, nil
}

// Reset makes the call when d has passed from now, instead of or again after the call before. It reports false if the
// loop is closed. It allocates nothing.
func (t *Timer) Reset(d time.Duration) bool {
	return t != nil && t.l != nil && t.l.setTimer(&t.timer, loopcall.Clock(), d)
}

// Stop prevents the call. It reports false if there is none to prevent.
func (t *Timer) Stop() bool {
	if t == nil || t.l == nil {
		return false
	}
	t.l.mu.Lock()
	defer t.l.mu.Unlock()
	return t.l.wheel.remove(&t.timer)
}

func (t *Timer) expired() { t.l.do(nil, t.f) }

// setTimer sets a timer to d after now. It reports false if the loop is closed.
func (l *Loop) setTimer(t *timer, now, d time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stop != nil {
		return false
	}
	at := now + max(d, 0)
	if at < now {
		at = 1<<63 - 1
	}
	if l.wheel.set(t, ticks(at)) {
		l.moved = true
		l.wake()
	}
	return true
}

// expire calls those whose time has come. Their number is bounded, so that a timer which sets itself again for now does
// not keep the loop.
func (l *Loop) expire() {
	for n := l.due(); n > 0; n-- {
		t := l.nextDue()
		if t == nil {
			return
		}
		t.who.expired()
	}
}

// due moves the wheel on to now, and returns how many timers it has.
func (l *Loop) due() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.wheel.count > 0 {
		l.wheel.advance(int64(l.now / tick))
	}
	return l.wheel.count
}

// nextDue takes one out whose time has come, nil if there is none.
func (l *Loop) nextDue() *timer {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.wheel.due
	if t == nil || l.stop != nil {
		return nil
	}
	l.wheel.remove(t)
	l.did.Timers++
	return t
}

// setAlarm makes a sleep end when the next timer is due. It reports false if that is now. The File's deadline is that
// of the whole loop, and one that comes too early does no harm, so it moves only to an earlier time, or when it has
// passed.
func (l *Loop) setAlarm() bool {
	l.mu.Lock()
	l.moved = false
	if l.wheel.count == 0 {
		l.mu.Unlock()
		return l.disarm()
	}
	next := l.wheel.next()
	l.mu.Unlock()
	l.now = loopcall.Clock()
	if next <= int64(l.now/tick) {
		return false
	}
	if l.alarm == 0 || next < l.alarm || l.alarm <= int64(l.now/tick) {
		l.alarm = next
		l.file.SetReadDeadline(loopcall.RealTime(time.Duration(next) * tick))
	}
	return true
}

// disarm takes the alarm away, so that it cannot keep a loop without timers awake.
func (l *Loop) disarm() bool {
	if l.alarm != 0 {
		l.alarm = 0
		l.file.SetReadDeadline(time.Time{})
	}
	return true
}

// timeouts are the limits of a connection. Its traffic only notes the time; the timer, when it has expired, looks how
// long there was none, and is set again for the rest.
type timeouts struct {
	timer
	c           *Conn
	idle, write time.Duration // 0: none
	traffic     time.Duration // when bytes were last received or sent
	progress    time.Duration // when the kernel last took some, or Write began to wait for that
	done        uintptr       // bytes of the first send that it had taken
	set         bool          // the timer is set
}

// SetIdleTimeout ends the connection when nothing has been received or sent for d; 0 or less: never. Closed gets an
// error that is os.ErrDeadlineExceeded. A peer whose bytes have arrived is not idle, however late the loop looks; nor is
// one that sends a byte now and then: Loop.After limits the time of a whole request. It is for the handler.
func (c *Conn) SetIdleTimeout(d time.Duration) {
	if t := c.limits(); t != nil {
		t.idle, t.traffic = max(d, 0), c.l.now
		t.arm()
	}
}

// SetWriteTimeout ends the connection when bytes are unsent and the kernel takes none for d, at the latest after twice
// that; 0 or less: never. Closed gets an error that is os.ErrDeadlineExceeded. It also limits how long Close waits. It
// is for the handler.
func (c *Conn) SetWriteTimeout(d time.Duration) {
	if t := c.limits(); t != nil {
		t.write, t.progress = max(d, 0), c.l.now
		t.arm()
	}
}

// limits is the connection's timeouts, nil if it has ended.
func (c *Conn) limits() *timeouts {
	if !c.made() || c.gone.Load() {
		return nil
	}
	c.l.now = loopcall.Clock()
	if c.timeouts == nil {
		c.timeouts = &timeouts{c: c, traffic: c.l.now, progress: c.l.now}
		c.timeouts.who = c.timeouts
	}
	return c.timeouts
}

// writes is whether the limit for writing runs.
func (t *timeouts) writes() bool { return t.write > 0 && len(t.c.sending) > 0 }

// arm sets the timer for the next limit.
func (t *timeouts) arm() {
	d := time.Duration(1<<63 - 1)
	if t.idle > 0 {
		d = max(t.idle-(t.c.l.now-t.traffic), 0)
	}
	if t.writes() {
		d = min(d, max(t.write-(t.c.l.now-t.progress), 0))
	}
	t.set = d < 1<<63-1
	if !t.set {
		t.stop()
		return
	}
	t.c.l.setTimer(&t.timer, t.c.l.now, d)
}

func (t *timeouts) stop() {
	t.c.l.mu.Lock()
	t.c.l.wheel.remove(&t.timer)
	t.c.l.mu.Unlock()
}

// received notes traffic.
func (t *timeouts) received() {
	if t != nil {
		t.traffic = t.c.l.now
	}
}

// sent notes that a send has ended.
func (t *timeouts) sent() {
	if t != nil {
		t.traffic, t.progress, t.done = t.c.l.now, t.c.l.now, 0
	}
}

// writing notes that bytes are unsent which were not.
func (t *timeouts) writing() {
	if t == nil || t.write == 0 {
		return
	}
	now := loopcall.Clock()
	t.progress, t.done = now, 0
	if !t.set || t.at > ticks(now+min(t.write, 1<<62)) { // else it looks in time
		t.c.l.setTimer(&t.timer, now, t.write)
		t.set = true
	}
}

// expired looks whether a limit has passed. A loop that was held up, by a handler or with its machine, may not have
// seen yet what has happened in time. So it asks the kernel before it ends anything, and looks again soon if there is
// something to do.
func (t *timeouts) expired() {
	c, l := t.c, t.c.l
	if c.gone.Load() {
		return
	}
	if len(c.sending) > 0 && c.sending[0].op.Done != t.done {
		t.traffic, t.progress, t.done = l.now, l.now, c.sending[0].op.Done
	}
	op := ""
	switch {
	case t.writes() && l.now-t.progress >= t.write:
		op = "write"
	case t.idle > 0 && l.now-t.traffic >= t.idle:
		op = "read"
	default:
		t.arm()
		return
	}
	in, out := loopcall.Ready(c.s)
	if out && len(c.sending) > 0 || op == "read" && in && !c.paused {
		l.setTimer(&t.timer, l.now, tick)
		return
	}
	l.drop(c, &net.OpError{Op: op, Net: "esock", Err: os.ErrDeadlineExceeded})
}
