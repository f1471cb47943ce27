package esock

import (
	"encoding/binary"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"
)

// After close(2) the kernel goes on sending, and what was not copied it sends from the process's memory. So this memory stays
// after a socket is closed or unreachable. The descriptor stays too, because only its error queue reports the releases.

// zeroCopyRest is what stays of one socket.
type zeroCopyRest struct {
	book   *zeroCopyBook
	h      *handle
	file   *os.File      // owns the descriptor; nil: h does
	shared bool          // others may have the description, so the connection must not be aborted
	seen   [2]uint64     // progress at the last look
	quiet  time.Duration // time without progress
}

const (
	// zeroCopyPatience is the time without progress after which the connection is aborted. The kernel gives a closed
	// connection about as long.
	zeroCopyPatience = time.Minute
	// zeroCopyGrace is how long missing notices are waited for once nothing is left to send: another process may have taken
	// them out of the queue.
	zeroCopyGrace = time.Second
)

// outlive drains the error queue. If memory is left, it takes the descriptor over and returns true; h and file must then not
// be used any more. A borrowed descriptor stays the caller's. If it refers to another socket by now (lent is the cookie it
// had), nothing can report the releases. With wait, outlive waits for up to the socket's linger time. b may be nil.
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
				return false // close waits for the rest of the linger time
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
		m := cAdopt(fd, adoptTake, -1, -1, -1, nil)
		if r.h = m.h; m.r < 0 {
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

// linger returns the socket's SO_LINGER.
func linger(h *handle) (on bool, seconds int) {
	var v [8]byte
	if n, r := cGetOptNative(h, solSocket, syscall.SO_LINGER, v[:]); r < 0 || n != len(v) {
		return false, 0
	}
	return binary.NativeEndian.Uint32(v[:]) != 0, int(int32(binary.NativeEndian.Uint32(v[4:])))
}

// drain empties the error queue, and reports whether everything was released.
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

// abort makes TCP drop its unsent data and reset the connection.
func (r *zeroCopyRest) abort() {
	cConnect(r.h, &cAddr{form: addrRaw}) // AF_UNSPEC: tcp_disconnect
}

// abortable reports whether the connection is TCP's and not shared.
func (r *zeroCopyRest) abortable() bool { return !r.shared && Protocol(cProtocol(r.h)) == TCP }

// step looks at the queue, pause after the last look. over means that the descriptor is closed.
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
	cClose(r.h, 0)
	return true, true
}

var zeroCopyRests zeroCopyRestList

// zeroCopyRestList lists all rests of the process. A goroutine serves the list while it is not empty.
type zeroCopyRestList struct {
	mu      sync.Mutex
	list    []*zeroCopyRest
	kept    []*zeroCopyBook // for ever, because nothing reports the releases
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
		// A bubble would not end before the goroutine. outside may need the goroutine of cleanups, which may want the lock.
		outside(start)
	} else {
		start()
	}
}

// keep keeps memory for ever. That is a leak, but the memory is not reused while the kernel may send it.
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
