package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/loopcall"
)

// ErrClosed is the error of a loop whose Run has ended.
var ErrClosed = errors.New("engine: the loop is closed")

// Loop serves connections in the goroutine of Run. Its methods may be called from any goroutine.
type Loop struct {
	config
	running atomic.Bool
	parked  atomic.Bool   // Run sleeps, or is about to
	over    chan struct{} // closed when it is closed and all have been told

	// mu is held in calls of the queue, and guards what follows.
	mu    sync.Mutex
	q     unsafe.Pointer // nil once closed
	stop  error          // why Run is to end
	joins []member       // to be made members of the queue
	left  []departure    // taken out of the queue
	calls []posted       // of Post
	wheel wheel
	did   Counters
	moved bool // the wheel's next timer is earlier than Run knows

	file    *os.File // a duplicate of the queue's descriptor, in the runtime's poller
	raw     syscall.RawConn
	unowned runtime.Cleanup // of a loop that is forgotten before Run

	ring    ring
	refused syscall.Errno // why there is no busy polling

	// What follows is for the goroutine of Run alone. It takes work off its list before it calls the program, and
	// defers what follows the call: see live.
	todo    work
	inside  bool // a function of the program runs
	buffers *loopcall.Buffers
	results *loopcall.Result
	found   int                // results of the last turn in a sleep
	rest    []loopcall.Result  // of the last turn, to be handled after the one at hand
	look    func(uintptr) bool // lookAgain
	active  bool               // there were results since the last time without
	most    int                // results of the next turn
	began   time.Duration      // when the round did; 0: it is a small one
	yielded time.Duration      // when other goroutines last ran in it
	got     int                // results of the last round
	load    int                // and those since share has let others run
	now     time.Duration      // of the last turn, while there are timers
	alarm   int64              // the tick of the File's deadline; 0: it has none
	given   []order            // to be given with the next turn
	later   []order            // and with the one after that
	eased   line[*Conn]        // which the last turn has sent bytes of, and which waited for that
	ops     *unsafe.Pointer    // room for what is given, for C
	opsRoom int
	members []member // by number; changed with l.mu held
	unused  []uint64 // numbers without a member
	winding bool     // Shutdown has begun
	at      addresses
	spares  [][]byte // for what connections keep of their packets
}

// work is what tend does.
type work struct {
	left  []departure
	joins []member
	calls []posted
	tell  []*Conn // of Shutdown
}

// next takes the first of a list.
func next[T any](list *[]T) (first T, ok bool) {
	if len(*list) == 0 {
		return first, false
	}
	var zero T
	first, (*list)[0] = (*list)[0], zero
	*list = (*list)[1:]
	return first, true
}

// line is a list that is taken from the front again and again, and so keeps its memory.
type line[T any] struct {
	items []T
	taken int
}

func (q *line[T]) empty() bool { return q.taken == len(q.items) }

func (q *line[T]) add(item T) { q.items = append(q.items, item) }

// next takes the first.
func (q *line[T]) next() (first T, ok bool) {
	if q.empty() {
		q.items, q.taken = q.items[:0], 0
		return first, false
	}
	var zero T
	first, q.items[q.taken] = q.items[q.taken], zero
	q.taken++
	return first, true
}

// posted is a function of Post, and the connection whose Post it was, if there is one.
type posted struct {
	c *Conn
	f func()
}

// Counters are what a loop has done since it was made.
type Counters struct {
	Turns   uint64 // crossings into C, which wait, receive and send for all sockets
	Empty   uint64 // of these, those that found nothing to do
	Results uint64 // receives, sends and accepted connections
	Sleeps  uint64 // sleeps until there was something to do
	Timers  uint64 // timers that expired
}

// Counters returns the counters. Any goroutine may call it.
func (l *Loop) Counters() Counters {
	if !l.made() {
		return Counters{}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.did
}

// New makes a loop. Errors: *esock.InvalidError for an option; those of epoll_create1(2), eventfd(2) and mmap(2), and
// with IOUring those of io_uring_setup(2).
func New(options ...Option) (*Loop, error) {
	l := &Loop{config: config{buffers: 1024, size: 16<<10 + 192, mark: 256 << 10, spin: defaultSpin, panicked: report}}
	for _, o := range options {
		if o == nil {
			return nil, &esock.InvalidError{What: "option", Cause: "it is nil"}
		}
		if err := o(&l.config); err != nil {
			return nil, err
		}
	}
	l.wheel.now = int64(loopcall.Clock() / tick)
	q, b, fd, has, refused, r := loopcall.New(l.config.buffers, l.config.size, uint32(l.backend))
	switch {
	case r < 0 && l.backend == IOUring:
		return nil, uringError(syscall.Errno(-r))
	case r < 0:
		return nil, fmt.Errorf("engine: %w", syscall.Errno(-r))
	}
	l.ring.on = has == loopcall.URing
	l.ring.refused = syscall.Errno(-refused)
	l.ring.asked = make(chan struct{}, 1)
	if b := l.config.busy; b.usecs > 0 {
		l.refused = syscall.Errno(-min(0, loopcall.BusyPoll(q, b.usecs, b.budget, b.prefer)))
	}
	l.q, l.buffers, l.look, l.over, l.most = q, b, l.lookAgain, make(chan struct{}), batch
	l.results = (*loopcall.Result)(loopcall.Alloc(batch * unsafe.Sizeof(loopcall.Result{})))
	err := l.watch(fd)
	if err == nil && (l.results == nil || !l.room(batch)) {
		err = syscall.ENOMEM
	}
	if err != nil {
		l.free()
		return nil, fmt.Errorf("engine: %w", err)
	}
	l.unowned = runtime.AddCleanup(l, (*owned).free, &owned{l.q, l.file, l.results, l.ops})
	return l, nil
}

// owned is what a loop has to free.
type owned struct {
	q       unsafe.Pointer
	file    *os.File
	results *loopcall.Result
	ops     *unsafe.Pointer
}

// free frees it. The queue has no members.
func (o *owned) free() {
	if o.file != nil {
		o.file.Close()
	}
	loopcall.Free(o.q)
	for _, p := range []unsafe.Pointer{unsafe.Pointer(o.results), unsafe.Pointer(o.ops)} {
		if p != nil {
			loopcall.Release(p)
		}
	}
}

// watch gives the queue's descriptor to the runtime's poller: a duplicate, because the File closes what it has.
func (l *Loop) watch(fd int) error {
	dup, err := syscall.Dup(fd)
	if err != nil {
		return err
	}
	syscall.CloseOnExec(dup)
	if err := syscall.SetNonblock(dup, true); err != nil {
		syscall.Close(dup)
		return err
	}
	l.file = os.NewFile(uintptr(dup), "esock loop")
	if err := l.file.SetReadDeadline(time.Time{}); err != nil { // NewFile hides a refusal
		return err
	}
	l.raw, err = l.file.SyscallConn()
	return err
}

// free frees what the loop has. The queue has no members. l.mu is held, or nobody else has the loop.
func (l *Loop) free() {
	(&owned{l.q, l.file, l.results, l.ops}).free()
	l.q, l.results, l.ops, l.buffers = nil, nil, nil, nil
}

// made reports whether the loop is one of New. A nil or zero loop is closed.
func (l *Loop) made() bool { return l != nil && l.look != nil }

// Post calls f in the goroutine of Run, soon. If it reports true, f is called, once; when the loop closes, with the
// connections that are left. It reports false, and does not call f, if the loop is closed. A panic of f does not end
// the loop: see Panicked.
func (l *Loop) Post(f func()) bool { return l.post(nil, f) }

func (l *Loop) post(c *Conn, f func()) bool {
	if !l.made() {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stop != nil {
		return false
	}
	if f != nil {
		l.calls = append(l.calls, posted{c, f})
		l.wake()
	}
	return true
}

// do calls a function of the program.
func (l *Loop) do(c *Conn, f func()) {
	defer l.returned(c)
	l.inside = true
	f()
	l.inside = false
}

// wake ends the sleep of Run. l.mu is held.
func (l *Loop) wake() {
	if l.q != nil && l.parked.Swap(false) {
		loopcall.Wake(l.q)
	}
}

// Close ends Run, which closes all connections; what is unsent is lost. It does not wait for Run. A loop that does not
// run is closed by Close itself.
func (l *Loop) Close() error {
	if !l.made() {
		return nil
	}
	l.halt(ErrClosed)
	if l.running.CompareAndSwap(false, true) {
		l.live()
	}
	return nil
}

// halt makes Run end.
func (l *Loop) halt(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stop == nil {
		l.stop = err
		l.wake()
	}
}

// Run serves the connections until ctx ends or Close is called, and then closes them, and what is unsent is lost: see
// Shutdown. Listeners stay open, and are the caller's again. It returns why it ended: the context's error, ErrClosed
// after Close and Shutdown, or that of epoll_wait(2) or io_uring_enter(2). A loop runs once. One that never runs is to
// be closed; the garbage collector frees it if it is forgotten with its sockets.
func (l *Loop) Run(ctx context.Context) error {
	if ctx == nil {
		return &esock.InvalidError{What: "context", Cause: "it is nil"}
	}
	if !l.made() || !l.running.CompareAndSwap(false, true) {
		return ErrClosed
	}
	if err := ctx.Err(); err != nil {
		l.halt(err)
	} else {
		defer context.AfterFunc(ctx, func() { l.halt(ctx.Err()) })()
	}
	return l.live()
}

// live serves until the loop is to end, and ends it. A function of the program that calls runtime.Goexit takes the
// goroutine with it, but not before what is deferred has returned: so the loop goes on there, in further goroutines.
func (l *Loop) live() (stop error) {
	returned := false
	defer l.bind()()
	defer func() {
		if returned {
			return
		}
		if v := recover(); v != nil {
			panic(v) // of the function of Panicked
		}
		if l.ring.on {
			l.serveOn(&returned)
		}
		for !returned {
			left := make(chan struct{})
			go func() {
				defer close(left)
				l.serve()
				returned = true
			}()
			<-left
		}
	}()
	stop = l.serve()
	returned = true
	return stop
}

// serve is live, but for runtime.Goexit.
func (l *Loop) serve() error {
	l.unowned.Stop()
	for l.handle(); l.tend(); l.handle() {
		l.share()
		n := l.turn()
		if n == 0 && l.eased.empty() {
			n = l.linger()
			if n == 0 {
				n = l.sleep()
			}
		}
		if n < 0 {
			l.halt(fmt.Errorf("engine: %w", syscall.Errno(-n)))
			continue
		}
		l.rest = unsafe.Slice(l.results, n)
		l.got = n
		l.load += n
	}
	return l.shut()
}

// tend does what is to be done between two turns. It reports false if Run is to end. What comes of that, such as a function of
// Post that calls Post, waits until after the next turn.
func (l *Loop) tend() bool {
	for first := true; ; first = false {
		l.perform()
		l.mu.Lock()
		if l.stop != nil {
			l.mu.Unlock()
			return false
		}
		found := first && l.takeWork()
		l.mu.Unlock()
		if !found && !(l.winding && l.wound()) {
			return true
		}
	}
}

// takeWork takes what there is to do, and reports whether that is something. l.mu is held.
func (l *Loop) takeWork() bool {
	l.letOut()
	l.todo.left, l.todo.joins, l.todo.calls = l.left, l.joins, l.calls
	l.left, l.joins, l.calls = nil, nil, nil
	return len(l.todo.left)+len(l.todo.joins)+len(l.todo.calls) > 0
}

// perform does the work that was taken.
func (l *Loop) perform() {
	for d, ok := next(&l.todo.left); ok; d, ok = next(&l.todo.left) {
		l.bury(d)
	}
	for m, ok := next(&l.todo.joins); ok; m, ok = next(&l.todo.joins) {
		l.enter(m)
	}
	for p, ok := next(&l.todo.calls); ok; p, ok = next(&l.todo.calls) {
		l.do(p.c, p.f)
	}
	for c, ok := next(&l.todo.tell); ok; c, ok = next(&l.todo.tell) {
		c.tellStopping()
	}
}

// pending reports whether tend has something to do.
func (l *Loop) pending() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.moved || l.undone()
}

// undone reports whether tend has something to do, but for timers. l.mu is held.
func (l *Loop) undone() bool {
	return l.stop != nil || len(l.joins)+len(l.left)+len(l.calls)+len(l.ring.exits) > 0
}

// shut ends everything. What was posted comes before the end of connections.
func (l *Loop) shut() error {
	l.perform()
	l.mu.Lock()
	l.todo.left, l.todo.calls = l.left, l.calls
	l.left, l.calls = nil, nil
	l.mu.Unlock()
	l.perform()
	l.mu.Lock()
	for _, m := range append(l.members, l.joins...) {
		if m != nil && m.base().takeOut() {
			l.left = append(l.left, departure{m, l.stop})
		}
	}
	l.joins = nil
	l.letOut()
	for len(l.left) > 0 {
		l.todo.left, l.left = l.left, nil
		l.mu.Unlock()
		l.perform()
		l.mu.Lock()
	}
	l.free()
	stop := l.stop
	l.mu.Unlock()
	close(l.over)
	return stop
}
