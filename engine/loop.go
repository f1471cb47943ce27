package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
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

// member is a socket in a loop: a *Conn or a *listening.
type member interface {
	base() *joined
	join() // makes it a member of the queue
	result(r *loopcall.Result)
	ended(err error) // it has been taken out
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

// departure is a member that was taken out of the queue, and why.
type departure struct {
	m   member
	err error
}

// joined is what all members have.
type joined struct {
	l      *Loop
	s      *esock.Socket
	id     uint64
	member unsafe.Pointer // nil while it is not in the queue; guarded by l.mu
	op     *loopcall.Op   // the repeated receive or accept
	gone   atomic.Bool    // the loop has let the socket go; set with l.mu
	listed bool           // op is among those to be given
	paused bool           // op is not to be given
}

func (j *joined) base() *joined { return j }

// again gives op with the next turn, once, unless the member is paused then.
func (j *joined) again() {
	if !j.listed {
		j.listed = true
		j.l.given = append(j.l.given, order{j, nil, j.op})
	}
}

// takeOut ends the membership. It reports false if it has ended before. l.mu is held.
func (j *joined) takeOut() bool {
	if j.gone.Swap(true) {
		return false
	}
	if j.member != nil {
		loopcall.Remove(j.l.q, j.member)
		j.member = nil
	}
	loopcall.LetGo(j.s)
	return true
}

// order is an operation to be given.
type order struct {
	j  *joined
	c  *Conn // of a send
	op *loopcall.Op
}

// The most results of a turn, and of one while a round, which is a turn and its handlers, takes long.
const (
	batch    = 256
	minBatch = 64
)

// longRound is how long a round may take, and handlers before they let other goroutines run.
const longRound = 400 * time.Microsecond

type config struct {
	buffers, size uint32
	mark          int
	spin          time.Duration
	backend       Backend
	busy          busyPoll
	panicked      func(*Conn, *PanicError)
}

// Option is an option of New.
type Option func(*config) error

// buffersCause is the cause of the error of Buffers.
const buffersCause = "there are at least 4, of a multiple of 64 bytes from 256 on, and of 2 GiB together at most"

// Buffers sets how many buffers the loop has, and how many bytes each: 1,024 of 16,576 if it is not given. Memory is
// used for those that are filled. size must be a multiple of 64, and at least 256. An odd multiple is faster: with a
// power of two the beginnings of all buffers compete for the same few lines of the processor's caches. count is at
// least 4, and all buffers together have no more than 2 GiB.
func Buffers(count, size int) Option {
	return func(c *config) error {
		if count < 4 || size < 256 || size%64 != 0 || int64(count) > 1<<31/int64(size) {
			return &esock.InvalidError{What: "buffers", Value: [2]int{count, size}, Cause: buffersCause}
		}
		c.buffers, c.size = uint32(count), uint32(size)
		return nil
	}
}

// Mark sets how many unsent bytes of a connection stop the reading from it, and further writes; 256 KiB if it is not
// given. Each send that waits counts 128 bytes more, so that many small ones are limited too.
//
// On a stream, Received is not called again until there is room, unless a Writable or a function of Post fills it
// meanwhile: a handler that writes once for each Received gets no ErrFull.
//
// What a handler writes in one call counts in full, even if the peer reads. A program that takes ErrFull for a peer that
// does not read, and closes the connection, needs a mark above that.
func Mark(bytes int) Option {
	return func(c *config) error {
		if bytes < 1 {
			return &esock.InvalidError{What: "mark", Value: bytes, Cause: "it is below 1"}
		}
		c.mark = bytes
		return nil
	}
}

// defaultSpin is about what it costs to sleep and be woken.
const defaultSpin = 50 * time.Microsecond

// Spin sets how long a loop that has nothing left to do looks for more before it sleeps, 50 µs if it is not given. It
// lets other goroutines run before each look. A longer time makes a busy loop faster and uses more of the processor; 0
// sleeps at once.
func Spin(d time.Duration) Option {
	return func(c *config) error {
		if d < 0 {
			return &esock.InvalidError{What: "spin", Value: d, Cause: "it is negative"}
		}
		c.spin = d
		return nil
	}
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

// room makes room for n operations in ops.
func (l *Loop) room(n int) bool {
	if n <= l.opsRoom {
		return true
	}
	n = max(n, 2*l.opsRoom)
	p := loopcall.Alloc(uintptr(n) * unsafe.Sizeof(unsafe.Pointer(nil)))
	if p == nil {
		return false
	}
	if l.ops != nil {
		loopcall.Release(unsafe.Pointer(l.ops))
	}
	l.ops, l.opsRoom = (*unsafe.Pointer)(p), n
	return true
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

// enlist holds a socket for the loop, and makes it a member soon.
func (l *Loop) enlist(m member) error {
	if !l.made() {
		return ErrClosed
	}
	j := m.base()
	if err := loopcall.Hold(j.s, m); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stop != nil {
		j.takeOut()
		return ErrClosed
	}
	l.joins = append(l.joins, m)
	l.wake()
	return nil
}

func init() {
	loopcall.Leave = func(m any) { m.(member).base().l.drop(m.(member), net.ErrClosed) }
}

// drop takes a member out of the queue; tend tells it why. Any goroutine may call it.
func (l *Loop) drop(m member, err error) {
	if done := l.dropHere(m, err); done != nil {
		await(done)
	}
}

// dropHere is drop, unless the goroutine of Run is to do it: then it returns what tells the end of that.
func (l *Loop) dropHere(m member, err error) (done chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ring.on && l.ring.thread.Load() != int64(syscall.Gettid()) {
		done = l.handOver(m, err)
	}
	if done == nil && m.base().takeOut() {
		l.left = append(l.left, departure{m, err})
		l.wake()
	}
	return done
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

// handle handles the results of a turn, and the timers. Other goroutines run in between if that takes long.
func (l *Loop) handle() {
	for c, ok := l.eased.next(); ok; c, ok = l.eased.next() {
		c.ease()
	}
	if len(l.rest) > 16 {
		l.yielded = loopcall.Clock()
	}
	for len(l.rest) > 0 {
		r := &l.rest[0]
		l.rest = l.rest[1:]
		l.members[r.User].result(r)
		if n := len(l.rest); n > 0 && n%16 == 0 && loopcall.Clock()-l.yielded > longRound {
			l.yield()
		}
	}
	l.expire()
}

// share lets other goroutines run after some results, and makes the next turn smaller if a large round took long. A
// loop that always has something to do never sleeps, and the scheduler takes the processor from it after 10 ms only.
func (l *Loop) share() {
	large := l.got >= minBatch
	if large && l.began > 0 {
		switch took := loopcall.Clock() - l.began; {
		case took > longRound:
			l.most = max(l.most/2, minBatch)
		case took < longRound/2:
			l.most = min(l.most*2, batch)
		}
	}
	l.began = 0
	if l.load < minBatch {
		return
	}
	l.yield()
	l.load = 0
	if large {
		l.began = l.yielded
	}
}

// yield lets other goroutines run. That takes long for one that is locked to its thread, so with io_uring it happens
// only where there is no other processor for them, and not more often than each breath.
func (l *Loop) yield() {
	if l.ring.on {
		l.yielded = loopcall.Clock()
		if runtime.GOMAXPROCS(0) > 1 || l.yielded-l.ring.yielded < breath {
			return
		}
		l.ring.yielded = l.yielded
	}
	runtime.Gosched()
	l.yielded = loopcall.Clock()
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

// turn gives what is to be given, and returns how many results there are, or a negative errno. It does not wait.
func (l *Loop) turn() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.room(len(l.given)) {
		return -int(syscall.ENOMEM)
	}
	ops, n := unsafe.Slice(l.ops, l.opsRoom), 0
	for i, o := range l.given {
		if o.j.member == nil && !o.j.gone.Load() {
			// A function of Post, for example, has written to a connection that it had adopted, and that joins later.
			l.later = append(l.later, o)
			l.given[i] = order{}
			continue
		}
		again := o.c == nil
		if again {
			o.j.listed = false
		} else {
			o.c.open = false
		}
		if !o.j.gone.Load() && !(again && o.j.paused) {
			// A handler may have written to a connection that it had just adopted, and that was no member yet.
			o.op.Member, o.op.User = o.j.member, o.j.id
			ops[n] = unsafe.Pointer(o.op)
			n++
		}
	}
	r := l.cross(n)
	if l.wheel.count > 0 {
		l.now = loopcall.Clock()
	}
	done := l.settle() + max(r, 0)
	l.did.Turns++
	if done > 0 {
		l.did.Results += uint64(done)
		l.active = true
	} else {
		l.did.Empty++
	}
	return r
}

// settle notes what has become of the sends that were given: most are done, and have no result. It returns how many
// those are.
func (l *Loop) settle() (done int) {
	for i, o := range l.given {
		l.given[i] = order{}
		c := o.c
		switch {
		case c == nil || c.gone.Load() || o.op.Flags&loopcall.Quiet == 0:
		case o.op.Done == o.op.Len:
			done++
			c.done(o.op)
			if c.waits() {
				l.eased.add(c)
			}
		default: // the queue has it still, or it has failed
			o.op.Flags &^= loopcall.Quiet
			c.behind = true
		}
	}
	l.given = append(l.given[:0], l.later...)
	clear(l.later)
	l.later = l.later[:0]
	return done
}

// linger takes turns until there are results, whose number it returns, as long as Spin says. Other goroutines run
// before each: a client in this process, for example. A loop that only timers have woken does not linger.
func (l *Loop) linger() int {
	if l.spin == 0 || !l.active || l.ring.on {
		return 0
	}
	l.active = false
	for end := loopcall.Clock() + l.spin; ; {
		runtime.Gosched()
		if n := l.turn(); n != 0 || l.pending() || loopcall.Clock() >= end {
			return n
		}
	}
}

// sleep waits until there are results, whose number it returns, or something else to do.
func (l *Loop) sleep() int {
	l.found = 0
	if l.ring.on && !l.parks() || !l.setAlarm() {
		return 0
	}
	l.ring.parking = true
	defer func() { l.ring.parking = false }()
	if err := l.raw.Read(l.look); err != nil && l.found == 0 {
		l.parked.Store(false)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			l.now = loopcall.Clock()
			return 0
		}
		return -int(syscall.EBADF) // nobody else has the File
	}
	return l.found
}

// lookAgain takes a turn in a sleep, and reports whether that is over.
func (l *Loop) lookAgain(uintptr) bool {
	l.parked.Store(true)
	l.found = l.turn()
	if l.found == 0 && !l.pending() && l.idle() {
		return false
	}
	l.parked.Store(false)
	return true
}

func (l *Loop) idle() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !loopcall.Idle(l.q) {
		return false
	}
	l.did.Sleeps++
	return true
}

// enter makes a member of the queue, with a number.
func (l *Loop) enter(m member) {
	j := m.base()
	if j.gone.Load() { // it is, or was, among those that have left
		return
	}
	j.op = (*loopcall.Op)(loopcall.Alloc(unsafe.Sizeof(loopcall.Op{})))
	l.mu.Lock()
	if n := len(l.unused); n > 0 {
		j.id = l.unused[n-1]
		l.unused = l.unused[:n-1]
		l.members[j.id] = m
	} else {
		j.id = uint64(len(l.members))
		l.members = append(l.members, m)
	}
	r := -int(syscall.ENOMEM)
	gone := j.gone.Load()
	if !gone && j.op != nil {
		j.member, r = loopcall.Join(l.q, j.s)
	}
	l.mu.Unlock()
	switch {
	case gone: // it is among those that have left
	case r < 0:
		l.drop(m, &os.SyscallError{Syscall: "epoll_ctl", Err: syscall.Errno(-r)})
	default:
		m.join()
	}
}

// bury is the end of a member. No result of it is left.
func (l *Loop) bury(d departure) {
	defer l.forget(d.m.base())
	d.m.ended(d.err)
}

// forget frees a member's number and operation.
func (l *Loop) forget(j *joined) {
	if j.op != nil { // it has a number
		loopcall.Release(unsafe.Pointer(j.op))
		j.op = nil
		l.mu.Lock()
		defer l.mu.Unlock()
		l.members[j.id] = nil
		l.unused = append(l.unused, j.id)
	}
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
