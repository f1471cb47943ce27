package esock

import (
	"context"
	"log/slog"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock/internal/layered"
)

// heard is a slog.Handler that calls a function with each record.
type heard struct {
	slog.Handler
	f func(r slog.Record)
}

func (h heard) Enabled(context.Context, slog.Level) bool { return true }

func (h heard) Handle(_ context.Context, r slog.Record) error { h.f(r); return nil }

// attrOf is what a record has under the key.
func attrOf(r slog.Record, key string) (v slog.Value) {
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == key {
			v = a.Value
		}
		return true
	})
	return v
}

// A layer may hold its lock while it uses a socket: the handler has that lock all the same, and the records keep their order.
func TestTraceOfALayeredSocket(t *testing.T) {
	a, b := pair(t, Stream, Debug(true))
	var lock sync.Mutex
	layered.Mark(b)
	var ops []string
	told := make(chan struct{})
	SetLogger(slog.New(heard{slog.DiscardHandler, func(r slog.Record) {
		if attrOf(r, "socket").Resolve().String() != b.String() {
			return
		}
		lock.Lock()
		defer lock.Unlock()
		b.Info()
		op := attrOf(r, "op").String()
		if ops = append(ops, op); op == "close" {
			close(told)
		}
	}}))
	defer SetLogger(nil)
	lock.Lock()
	for range 3 {
		_, err := a.Send([]byte("x"), 0, Forever)
		require.NoError(t, err)
		_, err = b.Recv(make([]byte, 1), 0, Forever)
		require.NoError(t, err)
		_, err = b.SockName()
		require.NoError(t, err)
	}
	require.NoError(t, b.Close())
	lock.Unlock()
	within(t, told, "the last record")
	assert.Equal(t, []string{"recv", "sockname", "recv", "sockname", "recv", "sockname", "close"}, ops)
}

// A handler that is stuck costs so many records and no more; what was left out is counted. One that ends its goroutine does not
// end the trace.
func TestRelayIsBounded(t *testing.T) {
	var r relay
	inside, goOn, done := make(chan struct{}), make(chan struct{}), make(chan int64, 1)
	var got []int64
	SetLogger(slog.New(heard{slog.DiscardHandler, func(rec slog.Record) {
		n := attrOf(rec, "n").Int64()
		if rec.Level == slog.LevelWarn {
			done <- n
			return
		}
		if got = append(got, n); n == 0 {
			close(inside)
			<-goOn
			runtime.Goexit()
		}
	}}))
	defer SetLogger(nil)
	r.tell(slog.LevelInfo, "x", "n", 0)
	within(t, inside, "the first record")
	for n := range maxRelayed + 5 {
		r.tell(slog.LevelInfo, "x", "n", 1+n)
	}
	close(goOn)
	assert.Equal(t, int64(5), within(t, done, "how many were left out"))
	require.Len(t, got, 1+maxRelayed)
	assert.Equal(t, int64(maxRelayed), got[maxRelayed])
	eventually(t, func() bool { r.mu.Lock(); defer r.mu.Unlock(); return !r.running }, "the end of the goroutine")
}
