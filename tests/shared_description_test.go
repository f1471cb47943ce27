package tests

import (
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/esock-go/esock"
)

// A closed number whose description lives on elsewhere keeps reporting, unless it was deregistered.
func TestDuplicateClosedWhileItsDescriptionLivesOn(t *testing.T) {
	a, b := pair(t, esock.Stream)
	before := watchedFiles(t)
	mb := esock.NewMailbox()
	for range 3 {
		d := twin(t, b)
		sel := recvSelect(t, d, mb)
		n := fill(t, d)
		parked := sendStart(t, d, []byte("x"), esock.Forever, 1)
		require.NoError(t, d.Close())
		drain(t, a, n)
		assert.Equal(t, abortOf(sel, errClosed), message(t, mb))
		assert.ErrorIs(t, result(t, parked).err, errClosed)
		assert.Equal(t, before, watchedFiles(t), "nothing of it is watched any more")
		other, _ := pair(t, esock.Stream) // may get the number, and what go-pointer gave the other
		sel = recvSelect(t, other, mb)
		echoes(t, a, b)
		assert.Zero(t, mb.Len(), "and no mailbox hears of it")
		require.NoError(t, other.Close())
		message(t, mb)
	}
}

// O_NONBLOCK belongs to the description: any other holder can clear it.
func TestDescriptionMadeBlockingByAnotherHolder(t *testing.T) {
	for _, typ := range []esock.Type{esock.Stream, esock.Dgram, esock.SeqPacket} {
		t.Run(typ.String(), func(t *testing.T) {
			a, b := pair(t, typ)
			foreign, err := unix.FcntlInt(uintptr(fdOf(t, b)), unix.F_DUPFD_CLOEXEC, 0)
			require.NoError(t, err)
			defer syscall.Close(foreign)
			makeBlocking := func() {
				require.NoError(t, syscall.SetNonblock(foreign, false))
				_, nonblock := fdFlags(t, fdOf(t, b))
				require.False(t, nonblock)
			}
			makeBlocking()
			mb := esock.NewMailbox()
			eachReceiver(t, func(t *testing.T, way receiver) {
				buf := make([]byte, 4)
				for _, w := range []esock.Wait{esock.Within(0), esock.Within(time.Millisecond)} {
					done := start(func() (int, error) { return way.recv(b, buf, w) })
					assert.Equal(t, outcome{0, esock.ErrTimeout}, result(t, done))
					makeBlocking()
				}
				for _, f := range forms {
					recv := func(w esock.Wait) error { return second(way.recv(b, buf, w)) }
					p := f.pending(t, recv(f.wait(mb)))
					makeBlocking()
					send(t, a, "one")
					require.NoError(t, f.end(t, p, mb, recv))
				}
				parked := start(func() (int, error) { return way.recv(b, buf, esock.Forever) })
				readers(t, b, 1)
				send(t, a, "two")
				assert.Equal(t, outcome{3, nil}, result(t, parked))
				makeBlocking()
			})
			fill(t, b)
			done := start(func() (int, error) { return b.Send([]byte("x"), 0, esock.Within(time.Millisecond)) })
			assert.Equal(t, outcome{0, esock.ErrTimeout}, result(t, done))
			require.NoError(t, b.Cancel(sendSelect(t, b, mb)))
			parked := recvStart(t, b, make([]byte, 4), esock.Forever, 1)
			require.NoError(t, b.Close())
			assert.ErrorIs(t, result(t, parked).err, errClosed)
		})
	}
}

func TestListenerMadeBlockingByAnotherHolder(t *testing.T) {
	l, addr := listener(t, 5)
	mb := esock.NewMailbox()
	accept := func(w esock.Wait) <-chan outcome {
		require.NoError(t, syscall.SetNonblock(fdOf(t, l), false))
		return start(func() (int, error) {
			a, err := l.Accept(w)
			if err == nil {
				a.Close()
			}
			return 0, err
		})
	}
	for _, w := range []esock.Wait{esock.Within(0), esock.Within(time.Millisecond)} {
		assert.Equal(t, esock.ErrTimeout, result(t, accept(w)).err)
	}
	for _, f := range forms {
		p := f.pending(t, result(t, accept(f.wait(mb))).err)
		require.NoError(t, syscall.SetNonblock(fdOf(t, l), false))
		dial(t, addr)
		require.NoError(t, f.end(t, p, mb, func(w esock.Wait) error { return result(t, accept(w)).err }))
	}
}
