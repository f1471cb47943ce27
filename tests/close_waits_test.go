package tests

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/sockopt"
)

// interrupt sends every thread of the process the signal with which the runtime preempts goroutines.
func interrupt(t *testing.T) {
	t.Helper()
	threads, err := os.ReadDir("/proc/self/task")
	require.NoError(t, err)
	for _, th := range threads {
		tid, err := strconv.Atoi(th.Name())
		require.NoError(t, err)
		syscall.Syscall(syscall.SYS_TGKILL, uintptr(os.Getpid()), uintptr(tid), uintptr(syscall.SIGURG)) // it may be gone
	}
}

// The runtime interrupts its threads whenever it likes, and close(2) gives up the wait for unsent data at a signal.
func TestClose_LingersUnderSignals(t *testing.T) {
	for _, parked := range []bool{false, true} {
		t.Run(fmt.Sprint("parked before=", parked), func(t *testing.T) {
			a, b := tcpPair(t)
			require.NoError(t, sockopt.SocketLinger.Set(a, sockopt.Linger{On: true, Time: time.Hour}))
			if parked {
				_, err := a.Recv(make([]byte, 1), 0, esock.Within(time.Nanosecond))
				require.Equal(t, esock.ErrTimeout, err)
			}
			n := fill(t, a)
			done := start(func() (int, error) { return 0, a.Close() })
			eventually(t, "closing", func() bool { return hasState(a.Info().RStates, "closing") })
			x, y := pair(t, esock.Stream)
			for range 50 {
				interrupt(t)
				echoes(t, x, y) // meanwhile the close may go on, and end
			}
			select {
			case <-done:
				t.Error("closed with unsent data")
				return
			default:
			}
			drain(t, b, n)
			assert.NoError(t, result(t, done).err)
			_, err := b.Recv(make([]byte, 1), 0, esock.Within(patience))
			assert.Equal(t, ioEOF, err)
		})
	}
}

// A queued call that is called off when its turn comes passes the turn on: the next gets the lane.
func TestCalledOffAtItsTurn(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // so that both happen before the queued call runs
	for range 30 {
		a, b := pair(t, esock.Stream)
		holder := esock.NewMailbox()
		sel := recvSelect(t, b, holder)
		ctx, cancel := cancellable(t)
		queued := start(func() (int, error) { return b.Recv(make([]byte, 1), 0, esock.Context(ctx)) })
		readers(t, b, 2)
		runtime.Gosched()
		cancel()
		require.NoError(t, b.Cancel(sel)) // the turn
		o := result(t, queued)
		require.ErrorIs(t, o.err, ctx.Err())
		// The lane is free: a call that only looks is answered, and one that waits gets what comes.
		look := start(func() (int, error) { return b.Recv(make([]byte, 1), 0, esock.Within(0)) })
		require.Equal(t, esock.ErrTimeout, result(t, look).err)
		send(t, a, "x")
		wait := start(func() (int, error) { return b.Recv(make([]byte, 1), 0, esock.Within(patience)) })
		require.Equal(t, outcome{1, nil}, result(t, wait))
		require.NoError(t, closeSoon(t, b))
	}
}

// The same with a time that ends: a late call looks once, and gets what is there.
func TestTimeEndsAtTheTurn(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for i := range 30 {
		a, b := pair(t, esock.Stream)
		holder := esock.NewMailbox()
		sel := recvSelect(t, b, holder)
		end := time.Now().Add(time.Duration(i%5+1) * 100 * time.Microsecond)
		queued := start(func() (int, error) { return b.Recv(make([]byte, 1), 0, esock.Until(end)) })
		for time.Now().Before(end) {
			runtime.Gosched()
		}
		require.NoError(t, b.Cancel(sel))
		require.Equal(t, esock.ErrTimeout, result(t, queued).err)
		look := start(func() (int, error) { return b.Recv(make([]byte, 1), 0, esock.Within(0)) })
		require.Equal(t, esock.ErrTimeout, result(t, look).err)
		send(t, a, "x")
		wait := start(func() (int, error) { return b.Recv(make([]byte, 1), 0, esock.Within(patience)) })
		require.Equal(t, outcome{1, nil}, result(t, wait))
		require.NoError(t, closeSoon(t, b))
	}
}
