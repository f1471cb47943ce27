package esock

import (
	"encoding/binary"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"
)

// close(2) does not end what the kernel still has to send, and sends that were not copied are sent from the process's memory.
// So their memory, and the descriptor, which alone tells when the kernel is done, stay behind a closed or forgotten socket.

// zeroCopyRest is what stays.
type zeroCopyRest struct {
	book   *zeroCopyBook
	h      *handle
	file   *os.File      // owns the descriptor; nil: h does
	shared bool          // the description may be somebody else's as well, whose connection is not ours to abort
	seen   [2]uint64     // what has moved so far
	quiet  time.Duration // since when nothing has
}

const (
	// zeroCopyPatience is for how long nothing may move before the connection is aborted. The kernel gives a connection that
	// nobody holds any more about as long.
	zeroCopyPatience = time.Minute
	// zeroCopyGrace is for how long nothing may be left to send before notices that have not come are not waited for: somebody
	// else took them out of the queue.
	zeroCopyGrace = time.Second
)

// outlive drains the error queue and, if the kernel is not done then, takes the descriptor over: true, h and file must not be
// used any more. A borrowed descriptor stays the caller's, and if its number is another's by now (lent is the cookie that it
// had), nothing can tell when the kernel is done. With wait the socket's linger is kept to: that is how long it takes at most.
// b may be nil.
func (b *zeroCopyBook) outlive(h *handle, file *os.File, facts uint32, lent uint64, wait bool) bool {
	if b.idle() {
		return false
	}
	if isAnothers(h, facts, lent) {
		zeroCopyRests.keep(b)
		return false
	}
	r := &zeroCopyRest{book: b, h: h, file: file, shared: facts&factFromFD != 0}
	if r.drain() {
		return false
	}
	on, seconds := linger(h)
	switch {
	case on && seconds == 0 && r.abortable():
		if r.abort(); r.drain() {
			return false
		}
	case on && wait && facts&factBorrowed == 0:
		end := time.Duration(seconds) * time.Second
		for waited, pause := time.Duration(0), time.Millisecond; waited < end; waited += pause {
			nap(min(pause, end-waited))
			if r.drain() {
				return false // what is left of it, close waits for
			}
			pause = min(2*pause, 10*time.Millisecond)
		}
	}
	if facts&factBorrowed == 0 {
		cNoLinger(h)
		zeroCopyRests.add(r)
		return true
	}
	r.file = nil
	fd := cDup(h)
	if fd >= 0 {
		var c int
		if r.h, _, c = cAdopt(fd, adoptTake, -1, -1, -1); c < 0 {
			syscall.Close(fd)
			fd = -1
		}
	}
	if fd < 0 {
		zeroCopyRests.keep(b)
		return false
	}
	zeroCopyRests.add(r)
	return false
}

// linger is the socket's SO_LINGER.
func linger(h *handle) (on bool, seconds int) {
	var v [8]byte
	if n, r := cGetOptNative(h, solSocket, syscall.SO_LINGER, v[:]); r < 0 || n != len(v) {
		return false, 0
	}
	return binary.NativeEndian.Uint32(v[:]) != 0, int(int32(binary.NativeEndian.Uint32(v[4:])))
}

// drain takes what is in the error queue, and reports whether the kernel is done with everything.
func (r *zeroCopyRest) drain() bool {
	var ctrl [256]byte
	var recs [2]cCmsg
	var out cMsg
	for !r.book.idle() {
		if r.book.take(r.h, nil, int(MsgErrQueue), howPoll, ctrl[:], recs[:], &out) < 0 {
			return false
		}
	}
	return true
}

// abort makes TCP forget what it has to send, and tell the peer.
func (r *zeroCopyRest) abort() {
	cConnect(r.h, &cAddr{form: addrRaw}) // AF_UNSPEC: tcp_disconnect
}

// abortable reports that the connection is TCP's, and this socket's alone.
func (r *zeroCopyRest) abortable() bool { return !r.shared && Protocol(cProtocol(r.h)) == TCP }

// step looks once, pause after the last time. It reports whether this is over, the descriptor closed.
func (r *zeroCopyRest) step(pause time.Duration) (over, moved bool) {
	done := r.drain()
	var out cIOArg
	cIOCtl(r.h, ioNWrite, &out)
	r.book.mu.Lock()
	now := [2]uint64{r.book.noted, uint64(out.i)}
	r.book.mu.Unlock()
	if r.quiet += pause; now != r.seen {
		r.seen, r.quiet, moved = now, 0, true
	}
	switch {
	case done, out.i == 0 && r.quiet >= zeroCopyGrace:
		r.book.release()
	case r.quiet < zeroCopyPatience:
		return false, moved
	case r.abortable():
		r.abort()
		r.drain()
		r.book.release()
	default:
		zeroCopyRests.kept = append(zeroCopyRests.kept, r.book)
	}
	if r.file != nil {
		r.file.Close()
	}
	cClose(r.h, 0, nil, nil)
	return true, true
}

var zeroCopyRests zeroCopyRestList

// zeroCopyRestList has all that stays in the process. A goroutine looks after it as long as there is any.
type zeroCopyRestList struct {
	mu      sync.Mutex
	list    []*zeroCopyRest
	kept    []*zeroCopyBook // nothing tells when the kernel is done: for ever
	running bool
}

func (l *zeroCopyRestList) add(r *zeroCopyRest) {
	l.mu.Lock()
	l.list = append(l.list, r)
	starts := !l.running
	l.running = true
	l.mu.Unlock()
	if !starts {
		return
	}
	start := func() { go l.run() }
	if inBubble() {
		// A bubble would not end before it. The way out may need the goroutine of cleanups, which may want the lock.
		outside(start)
	} else {
		start()
	}
}

// keep keeps memory for ever, which is a leak, but discloses nothing.
func (l *zeroCopyRestList) keep(b *zeroCopyBook) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kept = append(l.kept, b)
}

func (l *zeroCopyRestList) run() {
	for pause := time.Millisecond; ; {
		nap(pause)
		any := false
		l.mu.Lock()
		l.list = slices.DeleteFunc(l.list, func(r *zeroCopyRest) bool {
			over, moved := r.step(pause)
			any = any || moved
			return over
		})
		if len(l.list) == 0 {
			l.list, l.running = nil, false
			l.mu.Unlock()
			return
		}
		l.mu.Unlock()
		if pause = min(2*pause, 20*time.Millisecond); any {
			pause = time.Millisecond
		}
	}
}
