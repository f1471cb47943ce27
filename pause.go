package esock

import (
	"container/heap"
	"os"
	"sync"
	"time"
)

// Readiness that is false, and ends that raise no event.
//
// Linux reports some sockets as writable although a send would block: it checks the sender's own buffer, and the full queue is
// the receiver's (unix datagrams to an address that the socket is not connected to, netlink to another process). Each refused
// send frees its buffer, which is a new event, so a wait for events never sleeps. Some ends raise no event: the peer of a full
// unix stream shuts its reading.
//
// esock therefore makes events of its own. It records an empty wake-up (pace). If the next wake-up comes at once, poll(2)
// still reports readiness, and the try is empty again, the wait goes on with pauses that double. This depends on what a socket
// does, not on its family. A wake-up later than the pause is believed, unless poll(2) has reported readiness right after the
// empty try: a slow machine may need longer than the pause for each wake-up. One that poll(2) does not confirm is believed, too:
// another process took the connection, or the event was about the error queue. Where no event reports the end of a wait, the call looks
// for itself, at intervals that double (silence).
//
// The poller's goroutine makes these events: its descriptor's deadline is the time of the next. No wait has a timer or a
// goroutine of its own.
const (
	shortestPause = 100 * time.Microsecond
	longestPause  = 50 * time.Millisecond
	// If only a try can answer a look, the mailbox of an asynchronous caller gets a message. Such messages begin at this
	// interval, because the end that they look for hardly ever comes.
	firstLookMessage = 100 * time.Millisecond
)

// longestSimulated is the time of the last look at a simulated socket: a bubble in which time goes on never says that all
// goroutines are blocked.
const longestSimulated = time.Hour

// silence is the time to the first look of a wait that may end without an event, and the longest time between looks.
type silence struct{ first, longest time.Duration }

// silence returns the silence of a wait for the operation. It is zero if events report every end.
func (s *Socket) silence(op Op) silence {
	if op.direction() != writing || op == OpConnect {
		return silence{}
	}
	switch s.Domain() {
	case Inet, Inet6, Packet, VSock:
		return silence{}
	case Local: // the peer may shut its reading
		if s.simulated() != nil {
			return silence{10 * time.Millisecond, longestSimulated}
		}
		return silence{10 * time.Millisecond, time.Second}
	}
	// Netlink does not charge the sender: poll(2) always reports it as writable, and no event says that the receiver has room
	// again. Families unknown here may do the same.
	return silence{shortestPause, longestPause}
}

// pace records the empty wake-ups of one wait. On the runtime's poller it belongs to the lane's owner; on the C poller s.mu
// guards it.
type pace struct {
	last time.Duration // the last empty wake-up; 0: none since the last pause
	gap  time.Duration // the next pause; 0: no event has come too early yet
	lied bool          // poll(2) reported readiness right after the last empty try
}

// empty records an empty wake-up.
func (p *pace) empty(s *Socket, d direction) {
	p.last, p.lied = max(s.simulated().now(), 1), cReady(s.h, d.bits())&d.bits() != 0
}

// early returns the pause for an event that comes now, 0 if the call should try at once.
func (p *pace) early(s *Socket, d direction) time.Duration {
	if p.last == 0 {
		return 0
	}
	since := s.simulated().now() - p.last
	if since >= longestPause || since >= max(p.gap, shortestPause) && !p.lied {
		p.gap = 0
		return 0
	}
	if cReady(s.h, d.bits())&d.bits() == 0 {
		return 0
	}
	var pause time.Duration // none the first time: the socket may just have become ready
	if p.gap > 0 {
		pause = max(p.gap-since, 0)
	}
	p.last, p.gap = 0, min(max(2*p.gap, shortestPause), longestPause)
	return pause
}

// pausing is the state of a lane that has had a pause or a look. s.mu guards it, except at and place.
type pausing struct {
	pace                  // of waits on the C poller
	silence               // of the wait
	look    time.Duration // from the last look to the next
	off     bool          // the event is the end of a pause, not a look
	wanted  bool          // the event has not been taken back, which can happen after its time has come
	s       *Socket
	d       direction

	at    time.Duration // when the event comes; guarded by pauses.mu
	place int           // in the heap, -1: not there
}

// pausing returns the lane's pausing, made when it is first needed. s.mu is held.
func (s *Socket) pausing(d direction) *pausing {
	l := s.lane(d)
	if l.pausing == nil {
		l.pausing = &pausing{s: s, d: d, place: -1}
	}
	return l.pausing
}

// tried records an empty try, before the call waits on the C poller or its requester waits for a message. woken says that the
// try followed an event. s.mu is held.
func (s *Socket) tried(d direction, woken bool) {
	if woken {
		s.pausing(d).empty(s, d)
	} else if x := s.lane(d).pausing; x != nil {
		x.pace, x.look = pace{}, 0
	}
}

// early returns the pause for an event of the C poller that comes now. s.mu is held.
func (s *Socket) early(d direction) time.Duration {
	if x := s.lane(d).pausing; x != nil {
		return x.early(s, d)
	}
	return 0
}

// defers replaces an event that came too early by a pause, and reports whether it did. s.mu is held.
func (s *Socket) defers(d direction) bool {
	pause := s.early(d)
	return pause > 0 && s.pauseFor(d, pause) == nil
}

// pauseFor makes an event in a lane after a pause. s.mu is held.
func (s *Socket) pauseFor(d direction, pause time.Duration) error {
	if err := s.startPoller(); err != nil {
		return err
	}
	x := s.pausing(d)
	x.off, x.wanted = true, true
	s.pauses().add(x, pause)
	return nil
}

// lookOut plans the next look of a silent wait. s.mu is held.
func (s *Socket) lookOut(d direction, q silence) {
	if q.first == 0 || s.startPoller() != nil {
		return // the call waits for events alone
	}
	x := s.pausing(d)
	x.silence, x.off, x.wanted = q, false, true
	if q.longest == longestSimulated && x.look >= q.longest {
		return
	}
	x.look = min(max(2*x.look, q.first), q.longest)
	s.pauses().add(x, x.look)
}

// beginLook plans the first look of a blocking call.
func (s *Socket) beginLook(d direction, q silence) {
	s.mu.Lock()
	s.pausing(d).look = 0
	s.lookOut(d, q)
	s.mu.Unlock()
}

// endLook takes back the look of a blocking call.
func (s *Socket) endLook(d direction) {
	s.mu.Lock()
	s.lane(d).unpause()
	s.mu.Unlock()
}

// unpause takes back the lane's event. s.mu is held.
func (l *lane) unpause() {
	if l.pausing != nil {
		l.pausing.wanted = false
		l.pausing.s.pauses().remove(l.pausing)
	}
}

// paused makes the event. Like any event it is a hint: the call may have ended meanwhile.
func (s *Socket) paused(x *pausing) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing() || !x.wanted {
		return
	}
	l := s.lane(x.d)
	switch {
	case l.cur == nil && s.state.Load()&stParked(x.d) != 0:
		s.wake(x.d) // the call tries for itself
	case l.cur == nil && !x.off: // the call is about to park, and needs the looks that follow
	case l.cur == nil || l.cur.state != handleArmed:
		return
	case x.off, s.Domain() != Local, s.typ == Dgram && x.look >= firstLookMessage, cSendEnded(s.h):
		s.rouse(x.d)
		return // the requester's next call plans the next look
	}
	s.lookOut(x.d, x.silence)
}

// rouse makes the call that waits in a lane try again, with a message or a wake-up. s.mu is held.
func (s *Socket) rouse(d direction) {
	l := s.lane(d)
	if l.cur == nil || l.cur.state != handleArmed {
		s.wake(d)
		return
	}
	cDisarm(s.poller(), s.h, d.bits())
	if l.cur.completes {
		go s.carry(s.beginCarry(d))
		return
	}
	l.cur.state = handleSelected
	s.keepArmed()
	l.cur.mb.selected(l.cur)
}

// tellShut makes the calls that wait in the shut directions try again, because not every family has an event for it.
func (s *Socket) tellShut(how How) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if how != ShutWrite {
		s.state.Or(stNote(reading)) // for a call that is about to wait
		s.rouse(reading)
	}
	if how != ShutRead {
		s.state.Or(stNote(writing))
		s.rouse(writing)
	}
}

// seesEnd reports, after an empty wake-up, whether a datagram socket's reading was shut by a process that shares its
// description. The kernel reports that once, and only to a sleeping call.
func (s *Socket) seesEnd(d direction) bool {
	if d != reading || s.typ == Stream || s.typ == SeqPacket || cReady(s.h, 0) != eventEnd {
		return false
	}
	s.facts.Or(factShutRead | factReadEnded)
	return true
}

// pauses lists the events to come, soonest first.
var pauses pauseList

type pauseList struct {
	mu   sync.Mutex
	heap pauseHeap
	next time.Duration // the poller's deadline; 0: none

	sim   *simulation // whose sockets these are, nil for the machine's
	timer *time.Timer // of a simulation, instead of the poller's deadline
}

// pauses is the list for the events of the socket.
func (s *Socket) pauses() *pauseList {
	if k := s.simulated(); k != nil {
		return &k.pauses
	}
	return &pauses
}

func (l *pauseList) add(x *pausing, after time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.sim.now()
	x.at = now + after
	if x.place < 0 {
		heap.Push(&l.heap, x)
	} else {
		heap.Fix(&l.heap, x.place)
	}
	l.plan(now)
}

func (l *pauseList) remove(x *pausing) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if x.place >= 0 {
		heap.Remove(&l.heap, x.place)
	}
	// The deadline stays: one wake-up for nothing costs less than to move it each time.
}

// watch makes f the poller's descriptor, whose deadline is the next event.
func (l *pauseList) watch(f *os.File) {
	l.mu.Lock()
	defer l.mu.Unlock()
	poller.file, l.next = f, 0
	l.plan(clock())
}

// plan makes the poller wake for the first event. l.mu is held.
func (l *pauseList) plan(now time.Duration) {
	if len(l.heap) == 0 {
		return
	}
	if first := l.heap[0].at; l.next == 0 || first < l.next {
		l.next = first
		if l.sim != nil {
			l.sim.aim(l.timer, first-now)
			return
		}
		poller.file.SetReadDeadline(time.Now().Add(first - now))
	}
}

// due makes the events whose time has come. The poller's goroutine calls it when the deadline has passed, or the timer does.
func (l *pauseList) due() {
	l.mu.Lock()
	now := l.sim.now()
	var came []*pausing
	for len(l.heap) > 0 && l.heap[0].at <= now {
		came = append(came, heap.Pop(&l.heap).(*pausing))
	}
	l.next = 0
	if l.sim == nil {
		poller.file.SetReadDeadline(time.Time{})
	}
	l.plan(now)
	l.mu.Unlock()
	for _, x := range came {
		x.s.paused(x)
	}
}

// pauseHeap implements heap.Interface.
type pauseHeap []*pausing

func (h pauseHeap) Len() int           { return len(h) }
func (h pauseHeap) Less(i, j int) bool { return h[i].at < h[j].at }

func (h pauseHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i, j
}

func (h *pauseHeap) Push(x any) {
	p := x.(*pausing)
	p.place = len(*h)
	*h = append(*h, p)
}

func (h *pauseHeap) Pop() any {
	last := len(*h) - 1
	p := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	p.place = -1
	return p
}
