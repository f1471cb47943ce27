package esock

import (
	"container/heap"
	"os"
	"sync"
	"time"
)

// Readiness that cannot be believed, and ends that no event tells.
//
// Linux says of some sockets that they can send, when the send would block: it looks at the sender's own buffer, and the
// queue that is full is the receiver's (unix datagrams to whom the socket is not connected, netlink to another process).
// Each refused send frees its buffer, which is a new event, so a wait for events never sleeps. And some ends raise no
// event: the peer of a full unix stream shuts its reading.
//
// So esock makes events of its own. A wake-up that proves empty is noted (pace). When the next one comes at once, and
// poll(2) still says ready, and the try proves empty once more, the wait goes on with pauses that double. This is about
// what a socket does, not about its family: a wake-up that comes later than the pause, or that poll(2) does not confirm
// (another process took the connection; it was about the error queue), is believed as ever. Where nothing tells the end of
// a wait, its call looks for itself, at intervals that double (silence).
//
// What makes these events is the poller's goroutine: its descriptor's deadline is the next of them. There is no timer and
// no goroutine per wait.
const (
	shortestPause = 100 * time.Microsecond
	longestPause  = 50 * time.Millisecond
	// A look that only a try can answer is a message to the mailbox of an asynchronous caller. There are few of those
	// where they are about an end that hardly ever comes.
	firstLookMessage = 100 * time.Millisecond
)

// silence says how soon the first look comes of a wait that may end without an event, and how far apart looks get.
type silence struct{ first, longest time.Duration }

// silence is that of a wait for the operation; the zero silence: its events tell all.
func (s *Socket) silence(op Op) silence {
	if op.direction() != writing || op == OpConnect {
		return silence{}
	}
	switch s.Domain() {
	case Inet, Inet6, Packet, VSock:
		return silence{}
	case Local: // the peer may shut its reading
		return silence{10 * time.Millisecond, time.Second}
	}
	// Netlink does not charge the sender: it can always send, says poll(2), and nothing tells that the receiver has room
	// again. Of families unknown here nobody knows better.
	return silence{shortestPause, longestPause}
}

// pace is how one wait goes. It belongs to the waiting call: the lane's owner on the runtime's poller, else it is guarded by
// s.mu.
type pace struct {
	last time.Duration // when a wake-up last proved empty; 0: not since the last pause
	gap  time.Duration // the next pause; 0: no event has come too early yet
}

// empty notes that a wake-up proved empty.
func (p *pace) empty() { p.last = max(clock(), 1) }

// early says how long an event that comes now has to wait. 0: try at once.
func (p *pace) early(s *Socket, d direction) time.Duration {
	if p.last == 0 {
		return 0
	}
	since := clock() - p.last
	if since >= max(p.gap, shortestPause) {
		p.gap = 0
		return 0
	}
	if cReady(s.h, d.bits())&d.bits() == 0 {
		return 0
	}
	var pause time.Duration // none the first time: it may just have become ready
	if p.gap > 0 {
		pause = p.gap - since
	}
	p.last, p.gap = 0, min(max(2*p.gap, shortestPause), longestPause)
	return pause
}

// pausing is what a lane needs once something of this happens in it. Guarded by s.mu but for at and place.
type pausing struct {
	pace                  // of waits on the C poller
	silence               // of the wait
	look    time.Duration // how long after the last look the next one comes
	off     bool          // the event is the end of a pause, not a look
	wanted  bool          // the event is still to be made: one may be taken back after its time has come
	s       *Socket
	d       direction

	at    time.Duration // when the event comes; guarded by pauses.mu
	place int           // in the heap, -1: not there
}

// pausing is the lane's, made when it is first needed. s.mu is held.
func (s *Socket) pausing(d direction) *pausing {
	l := s.lane(d)
	if l.pausing == nil {
		l.pausing = &pausing{s: s, d: d, place: -1}
	}
	return l.pausing
}

// tried notes a try that proved empty, before the call waits on the C poller, or its requester for a message: woken says
// that the try followed an event. s.mu is held.
func (s *Socket) tried(d direction, woken bool) {
	if woken {
		s.pausing(d).empty()
	} else if x := s.lane(d).pausing; x != nil {
		x.pace, x.look = pace{}, 0
	}
}

// early is that of the wait on the C poller. s.mu is held.
func (s *Socket) early(d direction) time.Duration {
	if x := s.lane(d).pausing; x != nil {
		return x.early(s, d)
	}
	return 0
}

// defers puts an event off that came too early, and says whether it did. s.mu is held.
func (s *Socket) defers(d direction) bool {
	pause := s.early(d)
	return pause > 0 && s.pauseFor(d, pause) == nil
}

// pauseFor makes an event in a lane after a pause. s.mu is held.
func (s *Socket) pauseFor(d direction, pause time.Duration) error {
	if err := startPoller(); err != nil {
		return err
	}
	x := s.pausing(d)
	x.off, x.wanted = true, true
	pauses.add(x, pause)
	return nil
}

// lookOut begins to look now and then whether a silent wait has ended, or goes on with it. s.mu is held.
func (s *Socket) lookOut(d direction, q silence) {
	if q.first == 0 || startPoller() != nil {
		return // it waits for events alone
	}
	x := s.pausing(d)
	x.silence, x.off, x.wanted = q, false, true
	x.look = min(max(2*x.look, q.first), q.longest)
	pauses.add(x, x.look)
}

// beginLook is lookOut for a blocking call.
func (s *Socket) beginLook(d direction, q silence) {
	s.mu.Lock()
	s.pausing(d).look = 0
	s.lookOut(d, q)
	s.mu.Unlock()
}

func (s *Socket) endLook(d direction) {
	s.mu.Lock()
	s.lane(d).unpause()
	s.mu.Unlock()
}

// unpause takes back the event that was to come. s.mu is held.
func (l *lane) unpause() {
	if l.pausing != nil {
		l.pausing.wanted = false
		pauses.remove(l.pausing)
	}
}

// paused is the event that esock makes. Like any event it is a hint: who waited may have gone.
func (s *Socket) paused(x *pausing) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing() || !x.wanted {
		return
	}
	l := s.lane(x.d)
	switch {
	case l.cur == nil && l.parked:
		s.wake(x.d) // it looks for itself
	case l.cur == nil || l.cur.state != handleArmed:
		return
	case x.off, s.Domain() != Local, s.typ == Dgram && x.look >= firstLookMessage, cSendEnded(s.h):
		s.rouse(x.d)
		return // the requester's next call goes on
	}
	s.lookOut(x.d, x.silence)
}

// rouse makes the call that waits in a lane try again: a message, or a wake-up. s.mu is held.
func (s *Socket) rouse(d direction) {
	l := s.lane(d)
	if l.cur == nil || l.cur.state != handleArmed {
		s.wake(d)
		return
	}
	cDisarm(poller.p, s.h, d.bits())
	l.cur.state = handleSelected
	s.keepArmed()
	l.cur.mb.selected(l.cur)
}

// tellShut makes the calls that wait in the directions that Shutdown has ended try again: not every family has an event for it.
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

// seesEnd finds out, after a wake-up that proved empty, whether somebody who shares the description has shut a datagram
// socket's reading: the kernel tells it once, and only a call that sleeps.
func (s *Socket) seesEnd(d direction) bool {
	if d != reading || s.typ == Stream || s.typ == SeqPacket || cReady(s.h, 0) != eventEnd {
		return false
	}
	s.facts.Or(factShutRead | factReadEnded)
	return true
}

// pauses are the events to come, soonest first.
var pauses pauseList

type pauseList struct {
	mu   sync.Mutex
	heap pauseHeap
	next time.Duration // the poller's deadline; 0: none
}

func (l *pauseList) add(x *pausing, after time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := clock()
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

// watch makes the poller's descriptor the one whose deadline is set.
func (l *pauseList) watch(f *os.File) {
	l.mu.Lock()
	defer l.mu.Unlock()
	poller.file, l.next = f, 0
	l.plan(clock())
}

// plan sees to it that the poller wakes for the first. l.mu is held.
func (l *pauseList) plan(now time.Duration) {
	if len(l.heap) == 0 {
		return
	}
	if first := l.heap[0].at; l.next == 0 || first < l.next {
		l.next = first
		poller.file.SetReadDeadline(time.Now().Add(first - now))
	}
}

// due makes the events whose time has come. The poller's goroutine calls it when its deadline has passed.
func (l *pauseList) due() {
	l.mu.Lock()
	now := clock()
	var came []*pausing
	for len(l.heap) > 0 && l.heap[0].at <= now {
		came = append(came, heap.Pop(&l.heap).(*pausing))
	}
	l.next = 0
	poller.file.SetReadDeadline(time.Time{})
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
