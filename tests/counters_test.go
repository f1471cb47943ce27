package tests

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
)

// Every byte once, every wait, every request.
func TestReadCounters(t *testing.T) { eachForm(t, readCounters) }

func readCounters(t *testing.T, f form) {
	a, b := pair(t, esock.Stream)
	mb := esock.NewMailbox()
	buf := make([]byte, 100)
	want := esock.Counters{}
	check := func(what string) {
		t.Helper()
		got := b.Counters()
		want.ReadTries = got.ReadTries // the tries of a wait are the waiting's business
		assert.Equal(t, want, got, what)
	}
	_, err := b.Recv(buf, 0, esock.Within(0))
	require.Equal(t, esock.ErrTimeout, err)
	assert.EqualValues(t, 1, b.Counters().ReadTries)
	check("a poll does not wait")

	_, err = b.Recv(buf, 0, f.wait(mb))
	p := f.pending(t, err)
	want.ReadWaits++
	check("an asynchronous wait")
	send(t, a, "12345")
	require.NoError(t, f.end(t, p, mb, func(w esock.Wait) error {
		n, err := b.Recv(buf, 0, w)
		assert.Equal(t, 5, n)
		return err
	}))
	assert.Equal(t, "12345", string(buf[:5]))
	want.ReadByte, want.ReadPkg, want.ReadPkgMax = 5, 1, 5
	check("data")

	got := recvStart(t, b, buf, esock.Forever, 1)
	send(t, a, "123")
	require.Equal(t, outcome{3, nil}, result(t, got))
	want.ReadWaits, want.ReadByte, want.ReadPkg = 2, 8, 2
	check("a blocking wait")

	send(t, a, "1234567")
	_, err = b.Recv(buf, esock.MsgPeek, esock.Forever)
	require.NoError(t, err)
	check("a peek")
	require.NoError(t, b.RecvMsg(&esock.Msg{}, 0, esock.Forever))
	want.ReadByte, want.ReadPkg, want.ReadPkgMax = 15, 3, 7
	check("recvmsg")
	send(t, a, "12345678")
	_, _, err = b.RecvFrom(buf, 0, esock.Forever)
	require.NoError(t, err)
	want.ReadByte, want.ReadPkg, want.ReadPkgMax = 23, 4, 8
	check("recvfrom")
	a.Close()
	_, err = b.Recv(buf, 0, esock.Forever)
	require.Equal(t, ioEOF, err)
	want.ReadFails++
	check("the end")
	b.Close()
	check("closed")
}

func TestWriteCounters(t *testing.T) {
	a, b := pair(t, esock.Stream)
	mb := esock.NewMailbox()
	want := esock.Counters{}
	check := func(what string) {
		t.Helper()
		got := a.Counters()
		want.WriteTries = got.WriteTries
		assert.Equal(t, want, got, what)
	}
	send(t, a, "12345")
	assert.EqualValues(t, 1, a.Counters().WriteTries)
	want.WriteByte, want.WritePkg, want.WritePkgMax = 5, 1, 5
	check("whole")
	_, err := a.SendV([][]byte{[]byte("123"), []byte("456")}, esock.Forever)
	require.NoError(t, err)
	want.WriteByte, want.WritePkg, want.WritePkgMax = 11, 2, 6
	check("vector")

	const size = 1 << 20
	n, err := a.Send(make([]byte, size), 0, esock.NoWait(mb))
	sel := selected(t, err)
	want.WriteByte += uint64(n)
	want.WriteWaits = a.Counters().WriteWaits
	assert.Positive(t, want.WriteWaits)
	check("partial: its bytes count, the request is not over")
	received := start(func() (int, error) { return b.RecvFull(make([]byte, 11+size), 0, esock.Within(patience)) })
	_, err = a.Send(make([]byte, size-n), 0, esock.Within(patience).Continue(sel))
	require.NoError(t, err)
	assert.Equal(t, outcome{11 + size, nil}, result(t, received))
	want.WriteByte, want.WritePkg, want.WritePkgMax, want.WriteWaits = 11+size, 3, size, a.Counters().WriteWaits
	check("continued: one request")

	n, err = a.Send(make([]byte, size), 0, esock.NoWait(mb))
	require.NoError(t, a.Cancel(selected(t, err)))
	want.WriteByte, want.WritePkg, want.WriteWaits = want.WriteByte+uint64(n), 4, a.Counters().WriteWaits
	check("cancelled: a request of what went out")
	b.Close()
	_, err = a.Send([]byte("x"), 0, esock.Forever)
	require.Error(t, err)
	want.WriteFails++
	check("failed")
}

func TestAcceptCounters(t *testing.T) { eachForm(t, acceptCounters) }

func acceptCounters(t *testing.T, f form) {
	l, addr := listener(t, 5)
	mb := esock.NewMailbox()
	p := f.accept(t, l, mb)
	assert.EqualValues(t, 1, l.Counters().AccWaits, "the first wait")
	dial(t, addr)
	require.NoError(t, f.end(t, p, mb, accepts(l)))
	_, err := l.Accept(esock.Within(0))
	require.Equal(t, esock.ErrTimeout, err)
	require.NoError(t, l.Shutdown(esock.ShutRead))
	_, err = l.Accept(esock.Forever)
	require.Error(t, err)
	c := l.Counters()
	assert.Equal(t, esock.Counters{AccTries: c.AccTries, AccSuccess: 1, AccWaits: 1, AccFails: 1}, c)
}

// All that goes in at one end comes out at the other, and both counted it.
func TestBytesOfBothEndsAgree(t *testing.T) {
	for _, typ := range []esock.Type{esock.Stream, esock.Dgram, esock.SeqPacket} {
		a, b := pair(t, typ)
		total := 0
		received := start(func() (int, error) {
			n := 0
			for {
				got, err := b.RecvBytes(0, 0, esock.Forever)
				n += len(got)
				if err != nil || typ != esock.Stream && len(got) == 1 {
					return n, err
				}
			}
		})
		for i := range 200 {
			size := 2 + i*37%5000
			n, err := a.Send(make([]byte, size), 0, esock.Forever)
			require.NoError(t, err)
			total += n
		}
		if typ == esock.Stream {
			a.Close()
		} else {
			send(t, a, "x")
			total++
		}
		assert.Equal(t, total, result(t, received).n, typ)
		assert.EqualValues(t, total, a.Counters().WriteByte, typ)
		assert.EqualValues(t, total, b.Counters().ReadByte, typ)
		if typ == esock.Stream {
			assert.EqualValues(t, 200, a.Counters().WritePkg)
		} else {
			assert.EqualValues(t, 201, a.Counters().WritePkg)
			assert.EqualValues(t, 201, b.Counters().ReadPkg)
		}
	}
}

func TestSendFileCountersAppearWithTheFirst(t *testing.T) {
	a, b := tcpPair(t)
	assert.Nil(t, a.Counters().SendFile)
	f := fileOf(t, 1000)
	_, err := a.SendFile(f, 0, 600, esock.Forever)
	require.NoError(t, err)
	_, err = a.SendFile(f, 0, 400, esock.Forever)
	require.NoError(t, err)
	c := a.Counters().SendFile
	require.NotNil(t, c)
	assert.Equal(t, esock.SendFileCounters{Calls: c.Calls, Byte: 1000, Pkg: c.Pkg, PkgMax: 600, Tries: 2, Max: 600}, *c)
	b.Close()
	eventually(t, "a failure", func() bool {
		_, err = a.SendFile(f, 0, esock.ToEnd, esock.Within(time.Millisecond))
		return err != nil && err != esock.ErrTimeout
	})
	assert.EqualValues(t, 1, a.Counters().SendFile.Fails)
	a.Close()
	assert.EqualValues(t, 1, a.Counters().SendFile.Fails, "closed")
}

// Gauges by domain, type and protocol, accepted sockets included.
func TestGauges(t *testing.T) {
	read := func() esock.Gauges { return esock.Info().Gauges }
	before := read()
	l, addr := listener(t, 5)
	c := dial(t, addr)
	a, err := l.Accept(esock.Within(patience))
	require.NoError(t, err)
	u, _ := udp(t)
	x, y := pair(t, esock.SeqPacket)
	want := before
	want.Sockets += 6
	want.Streams, want.Inet, want.TCP = want.Streams+3, want.Inet+4, want.TCP+3
	want.Dgrams, want.UDP = want.Dgrams+1, want.UDP+1
	want.SeqPackets, want.Local, want.IP = want.SeqPackets+2, want.Local+2, want.IP+2
	assert.Equal(t, want, read())
	for _, s := range []*esock.Socket{l, c, a, u, x, y} {
		s.Close()
	}
	assert.Equal(t, before, read())
	assert.Equal(t, 64, esock.Info().NumCntBits)
}

// An opened socket is in the registry when Open returns, and out of it when Close does.
func TestRegistryIsSynchronous(t *testing.T) {
	before := esock.NumberOf()
	for range 50 {
		s, err := esock.Open(esock.Inet, esock.Dgram, esock.UDP, esock.Registered(true))
		require.NoError(t, err)
		require.Equal(t, before+1, esock.NumberOf())
		require.NoError(t, s.Close())
		require.Equal(t, before, esock.NumberOf())
	}
}

// A wait counts once however it ends, also if its time is over before it begins.
func TestEachWaitCountsOnce(t *testing.T) {
	a, _ := pair(t, esock.Stream)
	_, b := pair(t, esock.Stream)
	fill(t, a)
	buf := make([]byte, 1)
	reads, writes := b.Counters().ReadWaits, a.Counters().WriteWaits
	for i := range uint64(20) {
		w := esock.Within(time.Millisecond)
		if i%2 == 0 {
			w = esock.Within(1)
		}
		_, err := b.Recv(buf, 0, w)
		require.Equal(t, esock.ErrTimeout, err)
		assert.Equal(t, reads+i+1, b.Counters().ReadWaits)
		_, err = a.Send(buf, 0, w)
		require.Equal(t, esock.ErrTimeout, err)
		assert.Equal(t, writes+i+1, a.Counters().WriteWaits)
	}
}
