package esock

import (
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/esock-go/esock/internal/kernel"
)

// Sockets in a simulated kernel, which package esocktest makes.
//
// Nothing in a simulated kernel waits, and it calls nobody. So each call on such a socket stands between enter, which tells the
// simulation the time, and leave, which hands out what the call has made ready, in the same goroutine. What the simulation does by
// itself happens when its one timer fires. There is no goroutine that would have to be stopped; and when no call can go on and
// no timer is set, testing/synctest says that all goroutines are blocked, which is the right report for a wake-up that was lost.
//
// A socket finds its kernel through its settings (otpOptions). A socket that has settings of its own never takes the quick path,
// so the calls of other sockets do not look for a kernel.

// simulation is what the hosts of a simulated kernel share. All methods but now do nothing for a nil simulation, which stands
// for the machine's kernel.
type simulation struct {
	words   *kernel.Words
	poller  *pollerHandle
	bubbled bool          // made in a bubble, whose clock it has; else it has the machine's
	start   time.Duration // now, when the simulation began
	timer   *time.Timer   // fires at words.Next
	pauses  pauseList
	waiters sync.Pool // of *waiter; used in a bubble, since what belongs to it must not leave it

	seen   atomic.Uint64 // words.Changes when events were last collected
	again  atomic.Bool   // somebody wants events to be collected
	mu     sync.Mutex    // whoever collects events has it
	events []cEvent      // room for a batch; guarded by mu
	ended  bool          // guarded by mu

	open struct {
		mu      sync.Mutex
		sockets map[*Socket]struct{}
		ended   bool
	}
}

// simHost is a host of a simulation.
type simHost struct {
	table *cSys
	*simulation
}

// simulated returns the simulated kernel in which the socket lives, nil for the machine's.
func (s *Socket) simulated() *simulation {
	if o := s.otp.Load(); o != nil && o.host != nil {
		return o.host.simulation
	}
	return nil
}

// bubbles counts the simulations in bubbles. While it is not 0, what is made in a bubble belongs to it, so that waits are
// durably blocked and the bubble's clock goes on.
var bubbles atomic.Int32

// inSimulation reports whether the caller is in a bubble, and a simulated kernel too.
func inSimulation() bool { return bubbles.Load() > 0 && inBubble() }

var beginning = time.Unix(0, 0)

// bubbleClock is the time of the caller's bubble.
func bubbleClock() time.Duration { return time.Since(beginning) }

// now is the time by the clock that the sockets of the kernel wait by.
func (k *simulation) now() time.Duration {
	if k != nil && k.bubbled {
		return bubbleClock()
	}
	return clock()
}

// moment is t by the same clock.
func (k *simulation) moment(t time.Time) time.Duration {
	if k != nil && k.bubbled {
		return t.Sub(beginning)
	}
	return momentOf(t)
}

// enter tells the simulation the time, before a call of it.
func (k *simulation) enter() {
	if k != nil {
		k.words.Now.Store(uint64(max(k.now()-k.start, 0)))
	}
}

// leave hands out what has become ready, after a call of the simulation and after each arming, which may find the socket ready.
// No lock is held.
func (k *simulation) leave() {
	if k != nil && k.words.Changes.Load() != k.seen.Load() {
		k.deliver()
	}
}

// deliver collects events and hands them out, unless another goroutine does: that one then looks once more.
func (k *simulation) deliver() {
	k.again.Store(true)
	for k.again.Load() && k.mu.TryLock() {
		for k.again.Swap(false) && !k.ended {
			k.collect()
		}
		k.mu.Unlock()
	}
}

// collect hands out all events, and sets the timer. k.mu is held.
func (k *simulation) collect() {
	for {
		changes := k.words.Changes.Load()
		k.seen.Store(changes)
		n := cPoll(k.poller, k.events)
		for i := range max(n, 0) {
			if s := named(k.events[i].user); s != nil {
				s.event(int(k.events[i].events))
			}
		}
		if n < len(k.events) && changes == k.words.Changes.Load() {
			break
		}
	}
	if next := k.words.Next.Load(); next < math.MaxInt64 {
		k.aim(k.timer, max(k.start+time.Duration(next)-k.now(), 0))
	}
}

// aim makes a timer fire after d.
func (k *simulation) aim(t *time.Timer, d time.Duration) {
	if k.bubbled {
		t.Reset(d)
	} else {
		resetTimer(t, d)
	}
}

// tick lets happen what is due.
func (k *simulation) tick() {
	k.enter()
	k.deliver()
}

// newChannel makes a channel for waits on a socket of the kernel.
func (k *simulation) newChannel(size int) chan struct{} {
	if k != nil && k.bubbled {
		return make(chan struct{}, size)
	}
	return newChannel(size)
}

// add lists an open socket. It reports false if the simulation has ended.
func (k *simulation) add(s *Socket) bool {
	k.open.mu.Lock()
	defer k.open.mu.Unlock()
	if !k.open.ended {
		k.open.sockets[s] = struct{}{}
	}
	return !k.open.ended
}

// remove takes a closed socket off the list.
func (k *simulation) remove(s *Socket) {
	if k != nil {
		k.open.mu.Lock()
		delete(k.open.sockets, s)
		k.open.mu.Unlock()
	}
}

// stop stops the timers, and collects no more events.
func (k *simulation) stop() {
	k.mu.Lock()
	k.ended = true
	k.mu.Unlock()
	k.timer.Stop()
	k.pauses.timer.Stop()
}

// try makes a call's system call.
func (s *Socket) try(c *call, how uint) int {
	if k := s.simulated(); k != nil {
		return k.try(s, c, how)
	}
	return c.try(s, how)
}

func (k *simulation) try(s *Socket, c *call, how uint) int {
	k.enter()
	r := c.try(s, how)
	k.leave()
	return r
}

// moment of a bubble's clock, beside that of the machine's: what Until and Begin put into a Wait in a bubble, because they
// cannot tell yet which of the two the call's socket has.
type bubbleMoment struct{ at time.Duration }

// inBubbleToo adds to a waitUntil the same moment by the bubble's clock, if there is a simulated kernel in a bubble.
func (w Wait) inBubbleToo(at func() time.Duration) Wait {
	if !inSimulation() {
		return w
	}
	m := &bubbleMoment{at()}
	if x := w.amendment(); x != nil {
		c := *x
		c.ref = m
		w.ref = &c
	} else {
		w.ref = m
	}
	return w
}

// end is the moment of a waitUntil by the clock of k.
func (w *Wait) end(k *simulation) time.Duration {
	if k != nil && k.bubbled {
		if m, ok := w.base().(*bubbleMoment); ok {
			return m.at
		}
	}
	return w.d
}

// left is the time to the end of a waitUntil whose socket is not known.
func (w *Wait) left() time.Duration {
	if m, ok := w.base().(*bubbleMoment); ok && inSimulation() {
		return m.at - bubbleClock()
	}
	return w.d - clock()
}

func init() {
	kernel.Begin = func(s *kernel.Simulation, table unsafe.Pointer) int {
		p, r := cPollerNew((*cSys)(table))
		if r < 0 {
			return r
		}
		k := &simulation{words: s.Words, poller: p, bubbled: inBubble(), events: cNewEvents(64)}
		k.start = k.now()
		k.open.sockets = map[*Socket]struct{}{}
		k.pauses.sim = k
		k.timer = time.AfterFunc(math.MaxInt64, k.tick)
		k.pauses.timer = time.AfterFunc(math.MaxInt64, k.pauses.due)
		if k.bubbled {
			k.waiters.New = func() any { return makeWaiter(time.NewTimer(time.Hour), make(chan struct{}, 1)) }
			bubbles.Add(1)
		}
		s.State = k
		return 0
	}
	kernel.End = func(s *kernel.Simulation) (open []string) {
		k := s.State.(*simulation)
		k.open.mu.Lock()
		k.open.ended = true
		var left []*Socket
		for s := range k.open.sockets {
			left = append(left, s)
		}
		k.open.mu.Unlock()
		slices.SortFunc(left, func(a, b *Socket) int { return int(int64(a.id - b.id)) })
		for _, s := range left {
			open = append(open, s.described())
		}
		for _, s := range left {
			s.close(nil, false)
		}
		k.stop()
		cPollerFree(k.poller)
		if k.bubbled {
			bubbles.Add(-1)
		}
		return open
	}
	kernel.Bound = func(h *kernel.Host) any {
		host := &simHost{(*cSys)(h.Table), h.Simulation.State.(*simulation)}
		return openOption(func(c *openConfig) { c.host = host })
	}
	kernel.Enter = func(s *kernel.Simulation) { s.State.(*simulation).enter() }
	kernel.Leave = func(s *kernel.Simulation) { s.State.(*simulation).leave() }
}

// described says what an open socket is, for the report that it was not closed.
func (s *Socket) described() string {
	text := fmt.Sprintf("%v: %v %v", s, s.Domain(), s.Type())
	if a, err := s.SockName(); err == nil {
		text += " at " + a.String()
	}
	if a, err := s.PeerName(); err == nil {
		text += ", connected to " + a.String()
	}
	s.mu.Lock()
	for d := reading; d <= s.lastLane(); d++ {
		if op := s.current(d); op != OpNone {
			text += fmt.Sprintf(", in %v", op)
		}
	}
	s.mu.Unlock()
	return text
}

// errSimulationEnded refuses a socket of a host whose test is over.
var errSimulationEnded = &InvalidError{What: "options", Cause: "the simulated kernel has ended"}

// enterHost is enter for a socket that is to be made. It refuses a host whose simulation has ended.
func (c *openConfig) enterHost() error {
	if c.host == nil {
		return nil
	}
	c.host.open.mu.Lock()
	ended := c.host.open.ended
	c.host.open.mu.Unlock()
	if ended {
		return c.fail(errSimulationEnded)
	}
	c.host.enter()
	return nil
}

// table is the table of system calls of the kernel, nil for the machine's.
func (c *openConfig) table() *cSys {
	if c.host == nil {
		return nil
	}
	return c.host.table
}

// openSimulated opens a socket in a simulated kernel.
func openSimulated(cfg *openConfig, d Domain, t Type, p Protocol) (*Socket, error) {
	if cfg.netns != "" {
		return nil, cfg.fail(&InvalidError{What: "options", Cause: "a simulated host has no other network namespace"})
	}
	if err := cfg.enterHost(); err != nil {
		return nil, err
	}
	m := cOpen(int(d), int(t), int(p), cfg.host.table)
	cfg.host.leave()
	if err := errnoOf(int(m.r)); err != nil {
		return nil, cfg.refused(err, d, t, p)
	}
	return finishOpen(&m, 0, cfg)
}
