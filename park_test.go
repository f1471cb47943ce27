package esock

import (
	"context"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// watchedBy says which Done channel a lane has registered.
func watchedBy(s *Socket, d direction) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.blk.Load() == nil {
		return nil
	}
	p := s.blk.Load().parks[d]
	if p == nil {
		return nil
	}
	return p.done
}

// parkOnce receives a byte in a call that has to wait.
func parkOnce(t testing.TB, from, to *Socket, w Wait) {
	t.Helper()
	done := make(chan error)
	go func() {
		_, err := to.Recv(make([]byte, 1), 0, w)
		done <- err
	}()
	parked(t, to, reading)
	_, err := from.Send([]byte("x"), 0, Forever)
	require.NoError(t, err)
	require.NoError(t, <-done)
}

func TestContextIsRegisteredThenKeptThenDropped(t *testing.T) {
	a, b := pair(t, Stream)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	type key struct{}
	derived := context.WithValue(ctx, key{}, 1) // shares the channel

	a.Send([]byte("x"), 0, Forever)
	b.Recv(make([]byte, 1), 0, Context(ctx))
	assert.Nil(t, watchedBy(b, reading), "a call that does not wait registers nothing")

	parkOnce(t, a, b, Context(ctx))
	assert.Nil(t, watchedBy(b, reading), "used once")
	parkOnce(t, a, b, Forever)
	assert.Nil(t, watchedBy(b, reading))
	parkOnce(t, a, b, Context(derived))
	assert.Equal(t, ctx.Done(), watchedBy(b, reading), "used twice in a row, but for waits without a context")
	parkOnce(t, a, b, Forever)
	assert.Equal(t, ctx.Done(), watchedBy(b, reading))
	parkOnce(t, a, b, Context(context.Background()))

	other, cancelOther := context.WithCancel(context.Background())
	defer cancelOther()
	parkOnce(t, a, b, Context(other))
	assert.Nil(t, watchedBy(b, reading), "another context took its place, and went")

	parkOnce(t, a, b, Context(ctx))
	parkOnce(t, a, b, Context(ctx))
	cancel()
	eventually(t, func() bool { return watchedBy(b, reading) == nil }, "dropped at its cancel")
	_, err := b.Recv(make([]byte, 1), 0, Context(ctx))
	assert.ErrorIs(t, err, context.Canceled)
	// Its cancel does not touch calls of others.
	parkOnce(t, a, b, Forever)

	parkOnce(t, a, b, Context(other))
	parkOnce(t, a, b, Context(other))
	stops := b.blk.Load().parks[reading]
	require.NoError(t, b.Close())
	assert.Nil(t, stops.done, "dropped at close")
	assert.Nil(t, stops.stop)
}

// A kept context that ends under another call's wait does not end it.
func TestKeptContextEndsUnderAnotherWait(t *testing.T) {
	a, b := pair(t, Stream)
	ctx, cancel := context.WithCancel(context.Background())
	parkOnce(t, a, b, Context(ctx))
	parkOnce(t, a, b, Context(ctx))
	got := make(chan error)
	go func() { _, err := b.Recv(make([]byte, 1), 0, Forever); got <- err }()
	parked(t, b, reading)
	cancel()
	eventually(t, func() bool { return watchedBy(b, reading) == nil }, "the context's function")
	parked(t, b, reading)
	a.Send([]byte("x"), 0, Forever)
	assert.NoError(t, <-got)
}

// foreign is a context that the context package does not know, and that cannot be compared.
type foreign struct {
	done chan struct{}
	over *atomic.Bool
	_    []int // not comparable
}

func newForeign() foreign { return foreign{done: make(chan struct{}), over: new(atomic.Bool)} }

func (f foreign) end() { f.over.Store(true); close(f.done) }

func (f foreign) Deadline() (time.Time, bool) { return time.Time{}, false }
func (f foreign) Done() <-chan struct{}       { return f.done }
func (f foreign) Value(any) any               { return nil }
func (f foreign) Err() error {
	if f.over.Load() {
		return context.Canceled
	}
	return nil
}

func TestForeignContexts(t *testing.T) {
	a, b := pair(t, Stream)
	before := runtime.NumGoroutine()
	f := newForeign()
	for range 4 {
		parkOnce(t, a, b, Context(f))
	}
	for range 3 { // cancelled while waiting, after being kept and not
		errs := make(chan error)
		go func() { _, err := b.Recv(make([]byte, 1), 0, Context(f)); errs <- err }()
		parked(t, b, reading)
		f.end()
		assert.ErrorIs(t, <-errs, context.Canceled)
		f = newForeign()
		parkOnce(t, a, b, Context(f))
	}
	// Those used once, and never ended, leave no goroutine behind.
	for range 20 {
		parkOnce(t, a, b, Context(newForeign()))
	}
	eventually(t, func() bool { return runtime.NumGoroutine() <= before }, "the context's goroutines end")
}

func TestForeignContextInTheQueueAndInConnect(t *testing.T) {
	_, b := pair(t, Stream)
	f := newForeign()
	first := make(chan error, 1)
	go func() { _, err := b.Recv(make([]byte, 1), 0, Forever); first <- err }()
	parked(t, b, reading)
	errs := make(chan error)
	go func() { _, err := b.Recv(make([]byte, 1), 0, Context(f)); errs <- err }()
	queued(t, b, reading, 1)
	f.end()
	assert.ErrorIs(t, <-errs, context.Canceled)
	queued(t, b, reading, 0)
	b.Close()
	assert.Error(t, <-first)
}

func TestDeadlineThenNone(t *testing.T) {
	a, b := pair(t, Stream)
	buf := make([]byte, 1)
	for range 5 {
		_, err := b.Recv(buf, 0, Within(time.Microsecond))
		require.Equal(t, ErrTimeout, err)
		parkOnce(t, a, b, Forever)
		ctx, cancel := context.WithTimeout(context.Background(), time.Microsecond)
		_, err = b.Recv(buf, 0, Context(ctx))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		cancel()
		parkOnce(t, a, b, Within(time.Hour))
		parkOnce(t, a, b, Until(time.Now().Add(time.Hour)))
		parkOnce(t, a, b, Forever)
	}
}

func TestVeryLongTimes(t *testing.T) {
	a, b := pair(t, Stream)
	for _, w := range []Wait{Within(math.MaxInt64), Until(time.Unix(1<<40, 0)), Within(200 * 365 * 24 * time.Hour)} {
		parkOnce(t, a, b, w)
	}
	// In the queue as well.
	first := make(chan error)
	go func() { _, err := b.Recv(make([]byte, 1), 0, Forever); first <- err }()
	parked(t, b, reading)
	second := make(chan error)
	go func() { _, err := b.Recv(make([]byte, 1), 0, Within(math.MaxInt64)); second <- err }()
	queued(t, b, reading, 1)
	a.Send([]byte("xy"), 0, Forever)
	assert.NoError(t, <-first)
	assert.NoError(t, <-second)
	_, err := b.Recv(make([]byte, 1), 0, Until(time.Time{}))
	assert.Equal(t, ErrTimeout, err)
}

// With an error alone pending, the runtime refuses to wait; so it does for a descriptor that was made blocking
// before the first park. Then the C poller waits.
func TestRuntimeRefusesTheDescriptor(t *testing.T) {
	a, b := pair(t, Stream)
	require.NoError(t, syscall.SetNonblock(fdOf(b), false))
	parkOnce(t, a, b, Forever)
	parkOnce(t, a, b, Within(time.Hour))
	assert.Nil(t, b.blk.Load().raw)
	_, err := b.Recv(make([]byte, 1), 0, Within(time.Millisecond))
	assert.Equal(t, ErrTimeout, err)
	ctx, cancel := context.WithCancel(context.Background())
	errs := make(chan error)
	go func() { _, err := b.Recv(make([]byte, 1), 0, Context(ctx)); errs <- err }()
	parked(t, b, reading)
	cancel()
	assert.ErrorIs(t, <-errs, context.Canceled)
	parkOnce(t, a, b, Forever)
	go func() { _, err := b.Recv(make([]byte, 1), 0, Forever); errs <- err }()
	parked(t, b, reading)
	require.NoError(t, b.Close())
	assert.Error(t, <-errs)
}

func TestBorrowedDescriptorParks(t *testing.T) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	defer syscall.Close(fds[0])
	defer syscall.Close(fds[1])
	before := len(descriptors())
	b, err := Adopt(fds[1], NoDup())
	require.NoError(t, err)
	a, err := Adopt(fds[0], NoDup())
	require.NoError(t, err)
	parkOnce(t, a, b, Forever)
	require.NoError(t, b.Close())
	require.NoError(t, a.Close())
	assert.Len(t, descriptors(), before, "the duplicate for waiting is closed, the descriptors are not")
	assert.Equal(t, 1, must(syscall.Write(fds[0], []byte("z"))), "and they still work")
	assert.Equal(t, 1, must(syscall.Read(fds[1], make([]byte, 1))))
}

func TestSpinnersAreLimited(t *testing.T) {
	old := runtime.GOMAXPROCS(2)
	defer runtime.GOMAXPROCS(old)
	var most atomic.Int32
	stop := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				for n := spinners.Load(); ; runtime.Gosched() {
					if m := most.Load(); n <= m || most.CompareAndSwap(m, n) {
						break
					}
				}
				runtime.Gosched()
			}
		}
	})
	var wg sync.WaitGroup
	for range 6 {
		a, b := pair(t, Stream)
		wg.Go(func() {
			for range 50 {
				_, err := b.Recv(make([]byte, 1), 0, Within(time.Hour).Spin(time.Millisecond))
				assert.NoError(t, err)
			}
		})
		wg.Go(func() {
			for i := range 50 {
				if i%3 == 0 {
					runtime.Gosched()
				}
				a.Send([]byte("x"), 0, Forever)
				eventually(t, func() bool { return b.Counters().ReadByte > uint64(i) }, "the byte is read")
			}
		})
	}
	wg.Wait()
	close(stop)
	watch.Wait()
	// One may be counted for a moment before it sees that it is one too many.
	assert.Zero(t, spinners.Load())
	runtime.GOMAXPROCS(1)
	a, b := pair(t, Stream)
	parkOnce(t, a, b, Forever.Spin(time.Hour)) // with one processor it does not spin: it parks
}

// A poll, or a close, that meets a spinner does not wait for the end of its budget.
func TestSpinnerHoldsUpNobody(t *testing.T) {
	old := runtime.GOMAXPROCS(2)
	defer runtime.GOMAXPROCS(old)
	_, b := pair(t, Stream)
	errs := make(chan error)
	go func() { _, err := b.Recv(make([]byte, 1), 0, Forever.Spin(time.Hour)); errs <- err }()
	eventually(t, func() bool { return spinners.Load() == 1 }, "a spinner")
	polled := make(chan error)
	go func() { _, err := b.Recv(make([]byte, 1), 0, Within(0)); polled <- err }()
	select {
	case err := <-polled:
		assert.Equal(t, ErrTimeout, err)
	case <-time.After(patience):
		t.Error("the poll waits for the spinner")
	}
	require.NoError(t, b.Close())
	assert.Error(t, <-errs)
	if t.Failed() {
		<-polled
	}
}

func TestSpinEndsWithContextAndDeadline(t *testing.T) {
	_, b := pair(t, Stream)
	_, err := b.Recv(make([]byte, 1), 0, Within(time.Millisecond).Spin(time.Hour))
	assert.Equal(t, ErrTimeout, err)
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	_, err = b.Recv(make([]byte, 1), 0, Context(ctx).Spin(time.Hour))
	assert.ErrorIs(t, err, context.DeadlineExceeded)
}

// wallSet is t as it would be had the wall clock been set since: by so much, while the monotonic one went on.
func wallSet(tt *testing.T, t time.Time, by time.Duration) time.Time {
	tt.Helper()
	moved := t
	const seconds = 30 // time.Time's first word: a flag, 33 bits of seconds, 30 of nanoseconds
	*(*uint64)(unsafe.Pointer(&moved)) += uint64(by/time.Second) << seconds
	if moved.Sub(t) != 0 || moved.Round(0).Sub(t.Round(0)) != by {
		tt.Skip("time.Time is laid out otherwise")
	}
	return moved
}

// A time that knows only the wall clock is as far away as it says now, however that clock was set since the program
// started.
func TestUntilATimeOfTheWallClock(t *testing.T) {
	a, b := pair(t, Stream)
	start := epoch
	defer func() { epoch = start }()
	for _, set := range []time.Duration{0, 24 * time.Hour, -24 * time.Hour} {
		epoch = wallSet(t, start, -set)
		for _, mono := range []time.Time{time.Now(), time.Now().Add(time.Hour), time.Now().Add(-time.Hour)} {
			with, without := Until(mono), Until(mono.Round(0))
			require.Less(t, (with.d - without.d).Abs(), time.Minute, "%v", set)
		}
		parkOnce(t, a, b, Until(time.Now().Add(time.Hour).Round(0)))
		for _, past := range []time.Time{time.Now().Add(-time.Hour).Round(0), time.Now().Round(0)} {
			_, err := b.Recv(make([]byte, 1), 0, Until(past))
			assert.Equal(t, ErrTimeout, err, "%v", set)
		}
	}
}

func TestUntilTimesFarAway(t *testing.T) {
	a, b := pair(t, Stream)
	for _, future := range []time.Time{time.Unix(1<<40, 0), time.Unix(1<<55, 0), time.Now().Add(math.MaxInt64),
		time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)} {
		parkOnce(t, a, b, Until(future))
	}
	for _, past := range []time.Time{{}, time.Unix(0, 0), time.Unix(-1<<40, 0), time.Unix(-1<<55, 0),
		time.Now().Add(math.MinInt64), epoch, epoch.Add(-1)} {
		_, err := b.Recv(make([]byte, 1), 0, Until(past))
		assert.Equal(t, ErrTimeout, err, "%v", past)
	}
	// What is there is received all the same.
	_, err := a.Send([]byte("x"), 0, Forever)
	require.NoError(t, err)
	_, err = b.Recv(make([]byte, 1), 0, Until(time.Time{}))
	assert.NoError(t, err)
}
