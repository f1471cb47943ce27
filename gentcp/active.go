package gentcp

import (
	"errors"
	"math"
	"syscall"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/packet"
)

// activeMode says whether packets become messages. The zero value is passive.
type activeMode struct {
	kind  activeKind
	count int // of activeCount: how many are left
}

type activeKind uint8

const (
	passive activeKind = iota
	activeTrue
	activeOnce
	activeCount
)

func (a activeMode) on() bool { return a.kind != passive }

// value is that of option active.
func (a activeMode) value() any {
	switch a.kind {
	case activeTrue:
		return true
	case activeOnce:
		return Once
	case activeCount:
		return a.count
	}
	return false
}

// change is the mode after option active was set to v; spent: the owner is told that the socket has become passive, ok:
// the count is not too large.
func (a activeMode) change(v any) (to activeMode, spent, ok bool) {
	switch v := v.(type) {
	case bool:
		if v {
			return activeMode{kind: activeTrue}, false, true
		}
		return activeMode{}, a.kind == activeCount, true
	case onceMode:
		return activeMode{kind: activeOnce}, false, true
	}
	n := v.(int)
	if a.kind == activeCount {
		n += a.count
	}
	switch {
	case n > math.MaxInt16:
		return a, false, false
	case n <= 0:
		return activeMode{}, true, true
	}
	return activeMode{activeCount, n}, false, true
}

// after is the mode when one packet has been delivered; spent: the owner is told that the socket has become passive.
func (a activeMode) after() (to activeMode, spent bool) {
	switch {
	case a.kind == activeTrue:
		return a, false
	case a.kind == activeCount && a.count > 1:
		a.count--
		return a, false
	}
	return activeMode{}, a.kind == activeCount
}

// delivery is how packets get to the owner's mailbox. The handle is in it when there may be something to deliver: put
// there by the poller, which found the kernel ready, or by us. Who receives from the mailbox meets it, and so reads
// from the socket, and receives what came of it. It is guarded by the socket's mu.
type delivery struct {
	handle  *esock.Handle   // of the owner's mailbox
	sel     *esock.Select   // it is with the poller, or has come back: it holds the socket's reading direction
	notices []esock.Message // to be delivered next
}

// readsPerMessage is how many reads one message may take, so that a mailbox with other messages gets to them.
const readsPerMessage = 16

// deliver makes the handle go to the mailbox, if the mode is active and it is not with the poller. s.mu is held.
func (s *Socket) deliver() {
	d := &s.delivery
	if s.owner == nil || s.listening || d.sel != nil || s.turn.taken && len(d.notices) == 0 {
		return
	}
	if !s.active.on() && len(d.notices) == 0 {
		return
	}
	if d.handle == nil {
		var h *esock.Handle
		h = s.owner.NewHandleFuncLocked(&s.mu, func(msg esock.Message) (esock.Message, bool) { return s.received(h, msg) })
		d.handle = h
	}
	d.handle.Notify()
}

// received is called by who meets the handle in the mailbox: the message to receive instead, and whether there may be
// more. s.mu is held until that message is received, or in the mailbox.
func (s *Socket) received(h *esock.Handle, msg esock.Message) (esock.Message, bool) {
	if s.delivery.handle != h {
		return nil, false // of an owner that is it no more
	}
	if _, aborted := msg.(esock.AbortMsg); aborted && !h.Busy() {
		s.delivery.sel = nil
	}
	reads := readsPerMessage
	return s.produce(esock.With(h), &reads)
}

// produce makes the next message to the owner: a notice, or a packet, for which it may read, without waiting. more: it
// is worth calling again. s.mu is held.
func (s *Socket) produce(w esock.Wait, reads *int) (msg esock.Message, more bool) {
	d := &s.delivery
	for {
		if len(d.notices) > 0 {
			s.release()
			msg, d.notices = d.notices[0], d.notices[1:]
			return msg, len(d.notices) > 0 || s.active.on()
		}
		if !s.active.on() || s.turn.taken {
			s.release()
			return nil, false
		}
		o := s.opts.Load()
		p, total, err := s.cut(o, 0)
		switch err {
		case nil:
			s.release()
			msg = s.message(s.handOver(p, total, nil, o), o)
			var spent bool
			if s.active, spent = s.active.after(); spent {
				d.notices = append(d.notices, PassiveMsg{s})
			}
			return msg, spent || s.active.on()
		case packet.ErrMore:
			if s.ended == nil {
				break
			}
			if s.told {
				s.release()
				return nil, false
			}
			s.tellOwner()
			continue
		default:
			s.release()
			s.active = activeMode{}
			return ErrorMsg{s, syscall.EMSGSIZE}, false
		}
		if *reads == 0 {
			s.release()
			return nil, true
		}
		*reads--
		if d.sel == nil {
			d.handle.Retract() // what it would announce is what we do now
		}
		n, err := s.sock.Recv(s.input.space(total, o), 0, w)
		s.input.end += n
		if err != nil && s.input.len() == 0 {
			s.input.drop()
		}
		sel, selected := err.(*esock.Select)
		switch {
		case err == nil:
			d.sel = nil
		case selected:
			d.sel = sel
			if n == 0 { // with {otp, select_read} on, data may have come as well
				return nil, false
			}
		case errors.Is(err, errHandle):
			// Another receiver met the handle too, or put it back: it is with the poller, or in the mailbox.
			if !d.handle.Busy() {
				d.sel = nil
			}
			return nil, false
		case passing(err): // nothing is there
			d.sel = nil
			return nil, false
		default:
			d.sel = nil
			s.end(err)
			s.tellOwner()
		}
	}
}

// errHandle is what a call answers with a handle that is in another, or in its mailbox.
var errHandle = &esock.InvalidError{What: "handle"}

// message gives a packet the shape that option deliver asks for.
func (s *Socket) message(p Packet, o *settings) esock.Message {
	switch {
	case o.deliver == DeliverPort:
		return PortMsg{s, p}
	case o.typ.IsHTTP():
		return HTTPMsg{s, p}
	}
	return TCPMsg{s, p}
}

// tellOwner makes the notices of the end. The beginning of a packet, if there is one, is dropped. s.mu is held.
func (s *Socket) tellOwner() {
	s.told = true
	s.active = activeMode{}
	s.input.drop()
	if !errors.Is(s.ended, ErrClosed) {
		s.delivery.notices = append(s.delivery.notices, ErrorMsg{s, s.ended})
		s.ended = closedBy{s.ended}
	}
	s.delivery.notices = append(s.delivery.notices, ClosedMsg{s})
}

// release gives the socket's reading direction back, if the handle has it. s.mu is held.
func (s *Socket) release() {
	if s.delivery.sel != nil {
		s.sock.Cancel(s.delivery.sel)
		s.delivery.sel = nil
	}
}

// materialise makes messages of what the owner would receive now: what has been announced to it and
// stands in its mailbox as the handle. Changes of the mode, the owner or the state come after it, and after them
// deliver, or nothing goes on. It reads once at most. s.mu is held.
func (s *Socket) materialise() {
	d := &s.delivery
	// In one step: a receiver that waits for s.mu looks again then, and goes on with what comes after.
	announced := d.handle != nil && d.handle.Retract()
	if !announced && (d.handle != nil || len(d.notices) == 0) {
		return
	}
	s.release()
	reads := 1
	for more := true; more; {
		var msg esock.Message
		if msg, more = s.produce(esock.Within(0), &reads); msg == nil {
			break
		}
		if announced {
			d.handle.Post(msg) // in its place
		} else {
			s.owner.Post(msg)
		}
	}
}

// spend is materialise for a caller that asks whether the mode is over: a count may be spent, or the end be there. In mode true it
// leaves data where it is, or each question would make more messages. s.mu is held.
func (s *Socket) spend() {
	if s.active.kind == activeTrue {
		if n, err := s.sock.NRead(); s.input.len() > 0 || err == nil && n > 0 {
			return
		}
	}
	s.materialise()
}

// retract makes the handle leave the mailbox and the poller. s.mu is held.
func (s *Socket) retract() {
	s.release()
	if s.delivery.handle != nil {
		s.delivery.handle.Retract()
	}
}

// endDelivery takes the handle out of use. s.mu is held.
func (s *Socket) endDelivery() {
	s.retract()
	s.delivery.handle = nil
}

// setActive sets option active; deliver is to follow. s.mu is held. Errors: EINVAL.
func (s *Socket) setActive(v any) error {
	if s.owner == nil && !s.listening {
		if v == false {
			return nil
		}
		return invalid("active", v, "the socket has no owner to send messages to")
	}
	if v == true && s.active.kind == activeTrue {
		return nil
	}
	s.materialise()
	if s.ended != nil && s.told {
		return nil // also if that is what was announced
	}
	to, spent, ok := s.active.change(v)
	if !ok {
		return invalid("active", v, "with what is left it is more than 32767")
	}
	s.active = to
	switch {
	case !spent || s.owner == nil:
	case s.listening:
		s.owner.Post(PassiveMsg{s})
	default:
		s.delivery.notices = append(s.delivery.notices, PassiveMsg{s})
	}
	if !to.on() {
		s.retract()
	}
	return nil
}
