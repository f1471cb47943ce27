package esock

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
)

// Monitor is a mailbox's request for a DownMsg. It ends with that, with Cancel or with the mailbox. OTP: the reference
// that socket:monitor/1 returns.
type Monitor struct {
	entry links[Monitor] // of the socket's monitors; guarded by monitors.mu
	s     *Socket
	mb    *Mailbox
	id    uint64
}

// monitorList is a socket's monitors, in the order they were made.
type monitorList = list[Monitor, monitorLinks]

type monitorLinks struct{}

func (monitorLinks) of(m *Monitor) *links[Monitor] { return &m.entry }

// Socket returns the monitored socket.
func (m *Monitor) Socket() *Socket { return orZero(m).s }

// Mailbox returns the mailbox that gets the DownMsg.
func (m *Monitor) Mailbox() *Mailbox { return orZero(m).mb }

func (m *Monitor) String() string { return "#Monitor<" + strconv.FormatUint(orZero(m).id, 10) + ">" }

// DownMsg says that a monitored socket was closed. OTP: {'DOWN', MonRef, socket, Socket, closed | nosock}.
type DownMsg struct {
	Monitor *Monitor
	Reason  error // net.ErrClosed, or ErrNoSocket
}

// ErrNoSocket is the Reason of the DownMsg of a socket that was closed when Monitor was called. errors.Is also finds
// net.ErrClosed in it. OTP: nosock.
var ErrNoSocket error = noSocketError{}

type noSocketError struct{}

func (noSocketError) Error() string        { return "closed before it was monitored" }
func (noSocketError) Is(target error) bool { return target == net.ErrClosed }

// Socket returns the socket that was closed.
func (m DownMsg) Socket() *Socket { return m.Monitor.Socket() }

func (m DownMsg) String() string {
	return fmt.Sprintf("down: %v of %v: %v", m.Monitor, m.Socket(), m.Reason)
}

var _ Message = DownMsg{}

// monitors holds the monitors that have not fired. Its lock comes before those of the mailboxes.
var monitors = monitorSet{of: map[*Socket]*monitorList{}, by: map[*Mailbox]map[*Monitor]struct{}{}}

type monitorSet struct {
	mu sync.Mutex
	n  int
	of map[*Socket]*monitorList
	by map[*Mailbox]map[*Monitor]struct{}
}

var lastMonitorID atomic.Uint64

// Monitor sends a DownMsg to mb when the socket is closed, at once if it is closed, one for each monitor. The
// socket enters the registry. Errors: *InvalidError "mailbox" (nil); net.ErrClosed of mb. OTP: socket:monitor/1.
func (s *Socket) Monitor(mb *Mailbox) (*Monitor, error) {
	s = s.orClosed()
	const op = "monitor"
	if mb == nil {
		return nil, s.fail(op, &InvalidError{What: "mailbox", Cause: "it is nil"})
	}
	// Set before factClosed is read. Close sets factClosed before it reads this, so at least one sees the other.
	s.facts.Or(factMonitored)
	if !s.registered() {
		_ = s.Register() // it fails when the socket is closed
	}
	m := &Monitor{s: s, mb: mb, id: lastMonitorID.Add(1)}
	monitors.mu.Lock()
	defer monitors.mu.Unlock()
	if mb.Closed() {
		return nil, &Error{Op: op, Socket: s, Reason: net.ErrClosed, cause: "the mailbox is closed"}
	}
	if s.isGone() {
		_ = mb.Post(DownMsg{m, ErrNoSocket}) // fails if mb was closed meanwhile
		return m, nil
	}
	monitors.link(m)
	return m, nil
}

// Cancel ends the monitor. It returns true if no DownMsg will come, false if it was sent already or the monitor had
// ended. OTP: socket:cancel_monitor/1.
func (m *Monitor) Cancel() bool {
	if m == nil {
		return false
	}
	monitors.mu.Lock()
	defer monitors.mu.Unlock()
	if _, ok := monitors.by[m.mb][m]; !ok {
		return false
	}
	monitors.unlink(m)
	return true
}

// link adds a monitor. t.mu is held.
func (t *monitorSet) link(m *Monitor) {
	l := t.of[m.s]
	if l == nil {
		l = new(monitorList)
		t.of[m.s] = l
	}
	l.push(m)
	if t.by[m.mb] == nil {
		t.by[m.mb] = map[*Monitor]struct{}{}
	}
	t.by[m.mb][m] = struct{}{}
	t.n++
}

// unlink removes a monitor, which must be in t. t.mu is held.
func (t *monitorSet) unlink(m *Monitor) {
	l := t.of[m.s]
	if l.remove(m); l.head == nil {
		delete(t.of, m.s)
	}
	if by := t.by[m.mb]; len(by) > 1 {
		delete(by, m)
	} else {
		delete(t.by, m.mb)
	}
	t.n--
}

// down sends the messages of the monitors of a socket that was closed.
func (t *monitorSet) down(s *Socket) {
	if s.facts.Load()&factMonitored == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for l := t.of[s]; l != nil && l.head != nil; {
		m := l.head
		t.unlink(m)
		_ = m.mb.Post(DownMsg{m, net.ErrClosed}) // it fails when the mailbox is being closed
	}
}

// forget drops the monitors of a mailbox that was closed.
func (t *monitorSet) forget(mb *Mailbox) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for m := range maps.Clone(t.by[mb]) {
		t.unlink(m)
	}
}

// MonitoredBy returns each monitoring mailbox once. OTP: monitored_by/1.
func (s *Socket) MonitoredBy() []*Mailbox {
	var list []*Mailbox
	seen := map[*Mailbox]bool{}
	for _, m := range s.WhichMonitors() {
		if !seen[m.mb] {
			seen[m.mb] = true
			list = append(list, m.mb)
		}
	}
	return list
}

// WhichMonitors lists monitors, oldest first. OTP: socket:which_monitors/1.
func (s *Socket) WhichMonitors() []*Monitor {
	s = s.orClosed()
	monitors.mu.Lock()
	defer monitors.mu.Unlock()
	var list []*Monitor
	if l := monitors.of[s]; l != nil {
		for m := l.head; m != nil; m = m.entry.next {
			list = append(list, m)
		}
	}
	return list
}

// WhichMonitors lists monitors, oldest first. OTP: socket:which_monitors/1.
func (m *Mailbox) WhichMonitors() []*Monitor {
	m = m.orClosed()
	monitors.mu.Lock()
	list := slices.Collect(maps.Keys(monitors.by[m]))
	monitors.mu.Unlock()
	slices.SortFunc(list, func(a, b *Monitor) int { return cmp.Compare(a.id, b.id) })
	return list
}

// NumberOfMonitors counts active monitors. OTP: socket:number_of_monitors/0.
func NumberOfMonitors() int {
	monitors.mu.Lock()
	defer monitors.mu.Unlock()
	return monitors.n
}
