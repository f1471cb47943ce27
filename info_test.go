package esock

import (
	"encoding/json"
	"math"
	"net"
	"net/netip"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// listener listens on the loopback.
func listener(t testing.TB, opts ...OpenOption) (*Socket, Addr) {
	t.Helper()
	l := open(t, Inet, Stream, opts...)
	require.NoError(t, l.Bind(Inet4Addr(netip.MustParseAddr("127.0.0.1"), 0)))
	require.NoError(t, l.Listen(5))
	a, err := l.SockName()
	require.NoError(t, err)
	return l, a
}

func TestLibraryInfo(t *testing.T) {
	i := Info()
	assert.Equal(t, useRegistry.Load(), i.UseRegistry)
	assert.Equal(t, 1024, i.IOVMax)
	assert.Equal(t, 64, i.NumCntBits)
	assert.False(t, i.EEI || i.IOW)

	m := i.Map()
	keys := []string{}
	for k := range m {
		keys = append(keys, k)
	}
	assert.ElementsMatch(t, []string{"debug", "socket_debug", "eei", "use_registry", "iow", "iov_max", "io_backend",
		"counters"}, keys)
	assert.Equal(t, map[string]any{"name": "unix_essio"}, m["io_backend"])
	c := m["counters"].(map[string]any)
	assert.Len(t, c, 12)
	n := c["num_dlocal"].(int64)
	open(t, Local, Stream)
	assert.Equal(t, n+1, Info().Map()["counters"].(map[string]any)["num_dlocal"])

	DebugAll(true)
	SocketDebug(true)
	i = Info()
	DebugAll(false)
	SocketDebug(false)
	assert.True(t, i.Debug && i.SocketDebug)

	i.Gauges.Sockets = math.MaxInt64
	back, err := LibraryInfoFromMap(i.Map())
	require.NoError(t, err)
	assert.Equal(t, i, back)
	text, err := json.Marshal(i)
	require.NoError(t, err)
	var read LibraryInfo
	require.NoError(t, json.Unmarshal(text, &read))
	assert.Equal(t, i, read)
}

func TestInfoMapsRefuseByName(t *testing.T) {
	for name, m := range map[string]map[string]any{
		"debog":       {"debog": true},
		"debug":       {"debug": 1},
		"num_sackets": {"counters": map[string]any{"num_sackets": 1}},
		"counters":    {"counters": 1},
		"title":       {"io_backend": map[string]any{"title": "x"}},
	} {
		_, err := LibraryInfoFromMap(m)
		assert.ErrorIs(t, err, &InvalidError{What: "info"})
		assert.ErrorContains(t, err, name)
	}
	for name, m := range map[string]map[string]any{
		"readable":    {"readable": 1},
		"receivable":  {"receivable": true},
		"num_readers": {"num_readers": -1},
		"rstates":     {"rstates": []any{"bound", 1}},
		"domain":      {"domain": "outer"},
		"ctype":       {"ctype": "made"},
		"fromfd":      {"ctype": map[string]any{}},
		"fromfdd":     {"ctype": map[string]any{"fromfdd": 1}},
		"owner":       {"owner": 7},
	} {
		_, err := SocketInfoFromMap(m)
		assert.ErrorIs(t, err, &InvalidError{What: "info"}, name)
		assert.ErrorContains(t, err, name)
	}
	_, err := SocketInfoFromMap(map[string]any{"counters": map[string]any{"reads": 1}})
	assert.ErrorContains(t, err, "reads")
}

func TestInfoStatesInReportOrder(t *testing.T) {
	s := open(t, Inet, Stream)
	i := s.Info()
	assert.Empty(t, i.RStates)
	assert.Empty(t, i.WStates)
	s.facts.Store(factBound | factListening | factConnected | factSelectedRead | factSelectedWrite | factAccepting |
		factConnecting)
	require.NoError(t, s.Close())
	i = s.Info()
	assert.Equal(t, []string{"bound", "listening", "accepting", "selected", "closing", "closed"}, i.RStates)
	assert.Equal(t, []string{"connecting", "connected", "selected", "closing", "closed"}, i.WStates)
}

func TestInfoOfAListener(t *testing.T) {
	mb, other := NewMailbox(), NewMailbox()
	defer mb.Close()
	defer other.Close()
	l, addr := listener(t, Owner(mb))
	assert.Equal(t, []string{"bound", "listening"}, l.Info().RStates)
	_, err := l.Accept(NoWait(mb))
	require.ErrorAs(t, err, new(*Select))
	_, err = l.Accept(NoWait(other))
	require.ErrorAs(t, err, new(*Select))
	i := l.Info()
	assert.Equal(t, []string{"bound", "listening", "accepting", "selected"}, i.RStates)
	assert.Equal(t, 2, i.NumAcceptors)
	assert.Zero(t, i.NumReaders)
	assert.Equal(t, mb.String(), i.Owner)
	assert.Equal(t, TCP, i.Protocol)

	c := open(t, Inet, Stream)
	require.NoError(t, c.Connect(addr, Forever))
	receive(t, mb)
	n, err := l.Accept(NoWait(mb))
	require.NoError(t, err)
	assert.Equal(t, []string{"connected"}, n.Info().WStates)
	assert.Equal(t, mb.String(), n.Info().Owner)
	assert.Contains(t, c.Info().WStates, "connected")
	assert.Equal(t, 1, l.Info().NumAcceptors)

	require.NoError(t, n.Close())
	require.NoError(t, l.Close())
	i = l.Info()
	assert.Equal(t, []string{"bound", "listening", "accepting", "selected", "closing", "closed"}, i.RStates)
	assert.Equal(t, []string{"closing", "closed"}, i.WStates)
	assert.Empty(t, i.Owner)
	assert.Zero(t, i.NumAcceptors)
	assert.Equal(t, Counters{AccTries: 2, AccSuccess: 1, AccWaits: 1}, i.Counters)
}

func TestInfoSaysWhichDirectionIsOpen(t *testing.T) {
	open := func(s *Socket) [2]bool { i := s.Info(); return [2]bool{i.Readable, i.Writable} }
	for how, want := range map[How][2]bool{ShutRead: {false, true}, ShutWrite: {true, false}, ShutReadWrite: {false, false}} {
		for _, typ := range []Type{Stream, Dgram, SeqPacket} {
			s, peer := pair(t, typ)
			assert.Equal(t, [2]bool{true, true}, open(s))
			require.NoError(t, s.Shutdown(how))
			assert.Equal(t, want, open(s), "%v of a %v", how, typ)
			assert.Equal(t, [2]bool{true, true}, open(peer), "the other end")
			require.NoError(t, s.Close())
			assert.Equal(t, [2]bool{false, false}, open(s))
		}
	}
	s, err := Open(Inet, Stream, TCP)
	require.NoError(t, err)
	defer s.Close()
	require.Error(t, s.Shutdown(ShutReadWrite))
	assert.Equal(t, [2]bool{true, true}, open(s), "a shutdown that failed")

	l, _ := listener(t)
	require.NoError(t, l.Shutdown(ShutRead))
	assert.Equal(t, [2]bool{false, true}, open(l))
	require.NoError(t, l.Listen(1))
	assert.Equal(t, [2]bool{true, true}, open(l), "it listens again")
	addr, err := l.SockName() // the port may be another
	require.NoError(t, err)
	require.NoError(t, s.Connect(addr, Forever))
	c, err := l.Accept(Forever)
	require.NoError(t, err)
	require.NoError(t, c.Close())
}

func TestSelectedStaysAfterTheWait(t *testing.T) {
	_, b := pair(t, Stream)
	mb := NewMailbox()
	defer mb.Close()
	_, err := b.Recv(make([]byte, 1), 0, NoWait(mb))
	sel, _ := err.(*Select)
	require.NotNil(t, sel)
	require.NoError(t, b.Cancel(sel))
	i := b.Info()
	assert.Contains(t, i.RStates, "selected")
	assert.NotContains(t, i.WStates, "selected", "each side has its own")
	assert.Zero(t, i.NumReaders)
}

func TestInfoCountsWhoWaits(t *testing.T) {
	_, b := pair(t, Stream)
	done := make(chan error, 3)
	recv := func() {
		_, err := b.Recv(make([]byte, 1), 0, Forever)
		done <- err
	}
	go recv()
	parked(t, b, reading)
	go recv()
	queued(t, b, reading, 1)
	assert.Equal(t, 2, b.Info().NumReaders)

	full := make([]byte, 1<<16)
	var err error
	for err == nil {
		_, err = b.Send(full, 0, Within(0))
	}
	go func() {
		_, err := b.Send(full, 0, Forever)
		done <- err
	}()
	parked(t, b, writing)
	i := b.Info()
	assert.Equal(t, 1, i.NumWriters)
	assert.Equal(t, 2, i.NumReaders)
	assert.Zero(t, i.NumAcceptors)
	require.NoError(t, b.Close())
	for range 3 {
		assert.ErrorIs(t, <-done, net.ErrClosed)
	}
	i = b.Info()
	assert.Zero(t, i.NumReaders+i.NumWriters)
}

func TestInfoOfAConnect(t *testing.T) {
	s := open(t, Inet, Stream)
	s.mu.Lock() // a connect that the kernel does not finish is hard to have on the loopback
	s.park(writing, OpConnect)
	s.mu.Unlock()
	i := s.Info()
	assert.Equal(t, []string{"connecting"}, i.WStates)
	assert.Zero(t, i.NumWriters, "a connect is no writer")
	s.mu.Lock()
	s.keepStates()
	s.unpark(writing)
	s.mu.Unlock()
	require.NoError(t, s.Close())
	assert.Equal(t, []string{"connecting", "closing", "closed"}, s.Info().WStates)
}

func TestInfoOfAnAdoptedSocket(t *testing.T) {
	assert.Equal(t, "normal", open(t, Inet, Dgram).Info().Map()["ctype"])

	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	defer syscall.Close(fd)
	dup, err := Adopt(fd)
	require.NoError(t, err)
	defer dup.Close()
	i := dup.Info()
	assert.True(t, i.FromFD)
	assert.Equal(t, fd, i.DupOf)
	assert.Equal(t, map[string]any{"fromfd": fd}, i.Map()["ctype"])
	assert.NotContains(t, i.RStates, "bound")

	same, err := Adopt(fd, NoDup())
	require.NoError(t, err)
	defer same.Close()
	i = same.Info()
	assert.True(t, i.FromFD)
	assert.Equal(t, -1, i.DupOf)
	assert.Equal(t, "fromfd", i.Map()["ctype"])
}

func TestSocketInfoMapAndJSONGoBothWays(t *testing.T) {
	mb := NewMailbox()
	defer mb.Close()
	l, _ := listener(t, Owner(mb))
	_, err := l.Accept(NoWait(mb))
	require.ErrorAs(t, err, new(*Select))
	owned := l.Info()
	a, b := pair(t, SeqPacket)
	sendFile(t, a, 100)
	adopted := a.Info()
	require.NoError(t, b.Close())
	numbers := SocketInfo{Domain: 99, Type: 9, Protocol: 253, RStates: []string{}, WStates: []string{}, DupOf: -1}
	borrowed := numbers
	borrowed.FromFD = true
	for _, i := range []SocketInfo{owned, adopted, b.Info(), numbers, borrowed} {
		back, err := SocketInfoFromMap(i.Map())
		require.NoError(t, err)
		assert.Equal(t, i, back)
		text, err := json.Marshal(i)
		require.NoError(t, err)
		var read SocketInfo
		require.NoError(t, json.Unmarshal(text, &read))
		assert.Equal(t, i, read)
	}
	m := owned.Map()
	assert.Equal(t, "inet", m["domain"])
	assert.Equal(t, "stream", m["type"])
	assert.Equal(t, "tcp", m["protocol"])
	assert.Equal(t, mb.String(), m["owner"])
	assert.Contains(t, m["counters"], "acc_waits")
	m = numbers.Map()
	assert.Equal(t, 99, m["domain"])
	assert.Nil(t, m["owner"])
	assert.Contains(t, m, "owner")
	for _, key := range []string{"rstates", "wstates", "num_readers", "num_writers", "num_acceptors"} {
		assert.Contains(t, m, key)
	}
	assert.Equal(t, []any{true, true}, []any{owned.Map()["readable"], owned.Map()["writable"]})
	assert.Len(t, m, 14)
}

// The calls that the library carries out are counted, in whatever direction and place they wait, and show in the table.
func TestInfoOfCompletions(t *testing.T) {
	mb, others := NewMailbox(), []*Mailbox{NewMailbox(), NewMailbox()}
	_, b := pair(t, Stream, Owner(mb))
	_, err := b.Recv(make([]byte, 1), 0, Complete(mb))
	require.True(t, isCompletion(err))
	first := err.(*Completion)
	_, err = b.Recv(make([]byte, 1), 0, NoWait(others[0]))
	require.ErrorAs(t, err, new(*Select))
	_, err = b.Recv(make([]byte, 1), 0, Complete(others[1]))
	require.True(t, isCompletion(err))
	c, _ := pair(t, Stream) // its bytes would end the receives
	_, err = c.Send(make([]byte, 1<<24), 0, Complete(mb))
	require.True(t, isCompletion(err))

	i := b.Info()
	assert.Equal(t, 3, i.NumReaders)
	assert.Equal(t, 2, i.NumCompletions, "one of them is queued")
	assert.Equal(t, []string{"selected", "completing"}, i.RStates)
	assert.Contains(t, i.String(), "3 readers, 2 completions}")
	assert.Equal(t, 2, i.Map()["num_completions"])
	back, err := SocketInfoFromMap(i.Map())
	require.NoError(t, err)
	assert.Equal(t, i, back)
	i = c.Info()
	assert.Equal(t, 1, i.NumCompletions)
	assert.Equal(t, []string{"connected", "selected", "completing"}, i.WStates)
	assert.Equal(t, ""+
		"State\n"+
		" - , CD\n"+
		"SD:CP , CD\n", table(t, mb, "state"))

	require.NoError(t, b.Cancel(first))
	assert.Equal(t, 1, b.Info().NumCompletions)
	require.NoError(t, c.Close())
	require.NoError(t, b.Close())
	i = b.Info()
	assert.Zero(t, i.NumCompletions)
	assert.Equal(t, []string{"selected", "closing", "closed"}, i.RStates)
	for _, m := range append(others, mb) {
		m.Close()
	}
}
