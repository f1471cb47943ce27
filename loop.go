package esock

import (
	"net"
	"unsafe"

	"github.com/esock-go/esock/internal/loopcall"
)

// A loop of package engine has a socket for itself: both its lanes are owned, and parked, so that calls which send or receive
// find it, and a reference keeps the C handle. The loop's queue works on the handle. Close asks the loop to let go.

// errLooped is the error of calls on a socket that a loop serves.
var errLooped = stateError("a loop serves the socket")

// held are the bits of a socket that a loop has, and its reference.
const held = stRef |
	(1<<ownedBit|1<<parkedBit)<<(laneBits*uint64(reading)) |
	(1<<ownedBit|1<<parkedBit)<<(laneBits*uint64(writing))

// holdForLoop is loopcall.Hold.
func (s *Socket) holdForLoop(member any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for d := reading; d <= writing; d++ {
		if l := s.lane(d); l.cur != nil || l.head != nil {
			return s.fail("serve", stateError("calls are in progress"))
		}
	}
	for {
		st := s.state.Load()
		switch {
		case st&stOpen == 0:
			return s.fail("serve", net.ErrClosed)
		case s.loop != nil:
			return s.fail("serve", errLooped)
		case st&(stOwned(reading)|stOwned(writing)) != 0:
			return s.fail("serve", stateError("calls are in progress"))
		}
		if s.state.CompareAndSwap(st, st+held) {
			break
		}
	}
	op := OpRecv
	if s.facts.Load()&factListening != 0 {
		op = OpAccept
	}
	s.lane(reading).op.Store(uint32(op))
	s.lane(writing).op.Store(uint32(OpSend))
	s.loop = member
	return nil
}

// letGo is loopcall.LetGo.
func (s *Socket) letGo() {
	s.mu.Lock()
	s.loop = nil
	st := s.state.Add(^(held - 1))
	for d := reading; d <= writing; d++ {
		s.settle(d)
	}
	s.mu.Unlock()
	if st&stOpen == 0 && st < stRef {
		s.lastOut()
	}
}

// leaveLoop asks the loop that serves a closing socket to let it go.
func (s *Socket) leaveLoop() {
	s.mu.Lock()
	member := s.loop
	s.mu.Unlock()
	if member != nil {
		loopcall.Leave(member)
	}
}

func init() {
	loopcall.New = func(buffers, size, engine uint32) (unsafe.Pointer, *loopcall.Buffers, int, uint32, int, int) {
		q, b, fd, has, refused, r := cQueueNew(buffers, size, engine)
		return unsafe.Pointer(q), (*loopcall.Buffers)(unsafe.Pointer(b)), fd, has, refused, r
	}
	loopcall.BusyPoll = func(q unsafe.Pointer, usecs, budget uint32, prefer bool) int {
		return cQueueBusyPoll((*cQueue)(q), usecs, budget, prefer)
	}
	loopcall.Free = func(q unsafe.Pointer) int { return cQueueFree((*cQueue)(q)) }
	loopcall.Wake = func(q unsafe.Pointer) { cQueueWake((*cQueue)(q)) }
	loopcall.Idle = func(q unsafe.Pointer) bool { return cQueueIdle((*cQueue)(q)) }
	loopcall.Remove = func(q, m unsafe.Pointer) { cQueueRemove((*cQueue)(q), (*cMember)(m)) }
	loopcall.Cancel = func(q unsafe.Pointer, op *loopcall.Op) { cQueueCancel((*cQueue)(q), unsafe.Pointer(op)) }
	loopcall.Kept = func(q, m unsafe.Pointer) bool { return cQueueKept((*cQueue)(q), (*cMember)(m)) }
	loopcall.Turn = func(q unsafe.Pointer, ops *unsafe.Pointer, n int, results *loopcall.Result, most int) int {
		return cQueueTurn((*cQueue)(q), unsafe.Pointer(ops), n, unsafe.Pointer(results), most, 0)
	}
	loopcall.Wait = func(q unsafe.Pointer, ops *unsafe.Pointer, n int, results *loopcall.Result, most, ms int) int {
		return cQueueTurn((*cQueue)(q), unsafe.Pointer(ops), n, unsafe.Pointer(results), most, ms)
	}
	loopcall.Alloc = cAlloc
	loopcall.Release = cRelease
	loopcall.Hold = func(s, member any) error { return s.(*Socket).orClosed().holdForLoop(member) }
	loopcall.Clock, loopcall.RealTime = clock, realTime
	loopcall.Ready = func(s any) (in, out bool) {
		r := cReady(s.(*Socket).h, eventIn|eventOut)
		return r&eventIn != 0, r&eventOut != 0
	}
	loopcall.ReadAddr = func(a, c unsafe.Pointer) { *(*Addr)(a) = addrFromC((*cAddr)(c), *(*Addr)(a)) }
	loopcall.WriteAddr = func(s any, c, a unsafe.Pointer) error { return s.(*Socket).addrToC((*Addr)(a), (*cAddr)(c)) }
	loopcall.LetGo = func(s any) { s.(*Socket).letGo() }
	loopcall.Close = func(s any) { s.(*Socket).close(nil, false) }
	loopcall.Join = func(q unsafe.Pointer, s any) (unsafe.Pointer, int) {
		m, r := cQueueAdd((*cQueue)(q), s.(*Socket).h)
		return unsafe.Pointer(m), r
	}
	loopcall.Accepted = func(listener any, h unsafe.Pointer) any {
		l := listener.(*Socket)
		n := newSocket((*handle)(h), l.Domain(), l.typ, Protocol(l.proto), factConnected, l.inherited())
		n.settleIn("accept", l.registered(), nil)
		return n
	}
}
