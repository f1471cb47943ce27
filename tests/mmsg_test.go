package tests

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/sockopt"
)

// messages makes n messages to an address: "0", "1", and so on, of growing length.
func messages(n int, to esock.Addr) []esock.Msg {
	ms := make([]esock.Msg, n)
	for i := range ms {
		ms[i].Iov = [][]byte{[]byte(fmt.Sprint(i)), nil, []byte(strings.Repeat("x", i%7))}
		ms[i].Addr = to
	}
	return ms
}

func textOf(i int) string { return fmt.Sprint(i) + strings.Repeat("x", i%7) }

func TestManyMessagesInOneCall(t *testing.T) {
	a, from := udp(t)
	b, at := udp(t)
	require.NoError(t, sockopt.IPRecvTOS.Set(b, true))
	ms := messages(5, at)
	require.NoError(t, ms[3].SetControl(esock.TOS(8)))
	n, err := a.SendMMsg(ms, 0, esock.Within(patience))
	require.NoError(t, err)
	require.Equal(t, 5, n)
	got := make([]esock.Msg, 8)
	n, err = b.RecvMMsg(got, 0, esock.Within(patience))
	require.NoError(t, err)
	require.Equal(t, 5, n)
	for i := range 5 {
		m := &got[i]
		assert.Equal(t, textOf(i), string(m.Data()))
		assert.Equal(t, len(m.Data()), m.FullLen)
		assert.Equal(t, from, m.Addr)
		assert.Zero(t, m.Flags)
		tos := -1
		for c := range m.Control() {
			if v, ok := c.TOS(); ok {
				tos = v
			}
		}
		assert.Equal(t, map[bool]int{true: 8}[i == 3], tos)
	}
	assert.Empty(t, got[5].Iov)
	bytes := uint64(5 + 0 + 1 + 2 + 3 + 4)
	r, w := b.Counters(), a.Counters()
	assert.Equal(t, [4]uint64{bytes, 5, 5, 1}, [4]uint64{r.ReadByte, r.ReadPkg, r.ReadPkgMax, r.ReadTries})
	assert.Equal(t, [4]uint64{bytes, 5, 5, 1}, [4]uint64{w.WriteByte, w.WritePkg, w.WritePkgMax, w.WriteTries})

	// The answer goes to the sender, with the data of each message.
	n, err = b.SendMMsg(got[:5], 0, esock.Within(patience))
	require.NoError(t, err)
	assert.Equal(t, 5, n)
	n, err = a.RecvMMsg(ms, 0, esock.Within(patience))
	require.NoError(t, err)
	assert.Equal(t, 5, n)
	assert.Equal(t, textOf(4), string(ms[4].Data()))
}

// Each waiting form waits for the first message alone.
func TestRecvMMsgWaits(t *testing.T) {
	a, _ := udp(t)
	b, at := udp(t)
	send := func() {
		_, err := a.SendMMsg(messages(3, at), 0, esock.Within(patience))
		require.NoError(t, err)
	}
	got := make([]esock.Msg, 4)
	for name, w := range map[string]esock.Wait{"forever": esock.Forever, "within": esock.Within(patience),
		"context": esock.Context(context.Background())} {
		waits := b.Counters().ReadWaits
		ch := start(func() (int, error) { return b.RecvMMsg(got, 0, w) })
		eventually(t, "the wait", func() bool { return b.Counters().ReadWaits > waits })
		_, err := a.SendTo([]byte("0"), at, 0, esock.Forever)
		require.NoError(t, err)
		assert.Equal(t, outcome{1, nil}, result(t, ch), name)
	}
	n, err := b.RecvMMsg(got, 0, esock.Within(0))
	assert.Zero(t, n)
	assert.ErrorIs(t, err, esock.ErrTimeout)

	mb := esock.NewMailbox()
	n, err = b.RecvMMsg(got, 0, esock.NoWait(mb))
	assert.Zero(t, n)
	sel := selected(t, err)
	assert.Equal(t, esock.OpRecvMMsg, sel.Op())
	send()
	m, err := mb.Receive(context.Background())
	require.NoError(t, err)
	assert.IsType(t, esock.SelectMsg{}, m)
	n, err = b.RecvMMsg(got, 0, esock.NoWait(mb))
	require.NoError(t, err)
	assert.Equal(t, 3, n)

	n, err = b.RecvMMsg(got, 0, esock.Complete(mb))
	assert.Zero(t, n)
	var carried *esock.Completion
	require.ErrorAs(t, err, &carried)
	_, err = a.SendTo([]byte("carried"), at, 0, esock.Forever)
	require.NoError(t, err)
	m, err = mb.Receive(context.Background())
	require.NoError(t, err)
	n, err = m.(esock.CompletionMsg).Result()
	require.NoError(t, err)
	assert.Equal(t, 1, n)
	assert.Equal(t, "carried", string(got[0].Data()))

	ctx, cancel := context.WithCancel(context.Background())
	waits := b.Counters().ReadWaits
	ch := start(func() (int, error) { return b.RecvMMsg(got, 0, esock.Context(ctx)) })
	eventually(t, "the wait", func() bool { return b.Counters().ReadWaits > waits })
	cancel()
	assert.ErrorIs(t, result(t, ch).err, context.Canceled)

	waits = b.Counters().ReadWaits
	ch = start(func() (int, error) { return b.RecvMMsg(got, 0, esock.Forever) })
	eventually(t, "the wait", func() bool { return b.Counters().ReadWaits > waits })
	require.NoError(t, b.Close())
	assert.ErrorIs(t, result(t, ch).err, net.ErrClosed)
}

// More messages than the receiver's queue, or one system call, takes: the send waits, and every message comes once, in order.
func TestSendMMsgWaitsForRoom(t *testing.T) {
	const most = 3000
	forms := map[string]func(a *esock.Socket, ms []esock.Msg) (int, error){
		"blocking": func(a *esock.Socket, ms []esock.Msg) (int, error) { return a.SendMMsg(ms, 0, esock.Within(patience)) },
		"mailbox": func(a *esock.Socket, ms []esock.Msg) (int, error) {
			mb := esock.NewMailbox()
			defer mb.Close()
			w := esock.NoWait(mb)
			for done := 0; ; {
				n, err := a.SendMMsg(ms[done:], 0, w)
				done += n
				sel, ok := err.(*esock.Select)
				if !ok {
					return done, err
				}
				if _, err := mb.Receive(context.Background()); err != nil {
					return done, err
				}
				w = w.Continue(sel)
			}
		},
		"completion": func(a *esock.Socket, ms []esock.Msg) (int, error) {
			mb := esock.NewMailbox()
			defer mb.Close()
			ms = append(ms, esock.Msg{Iov: [][]byte{{}}, Addr: esock.Inet4Addr(netip.AddrFrom4([4]byte{}), 0)}) // which cannot be sent
			n, err := a.SendMMsg(ms, 0, esock.Complete(mb))
			if _, ok := err.(*esock.Completion); ok {
				m, failed := mb.Receive(context.Background())
				if failed != nil {
					return n, failed
				}
				n, err = m.(esock.CompletionMsg).Result()
			}
			if err == nil {
				return n, errors.New("the last message was sent")
			}
			return n, nil
		},
	}
	for name, send := range forms {
		t.Run(name, func(t *testing.T) {
			a, b := pair(t, esock.Dgram)
			ch := start(func() (int, error) { return send(a, messages(most, esock.Addr{})) })
			got := make([]esock.Msg, 1500)
			for next := 0; next < most; {
				n, err := b.RecvMMsg(got, 0, esock.Within(patience))
				require.NoError(t, err)
				for i := range n {
					require.Equal(t, textOf(next), string(got[i].Data()))
					next++
				}
			}
			assert.Equal(t, outcome{most, nil}, result(t, ch))
			assert.EqualValues(t, most, a.Counters().WritePkg)
			assert.EqualValues(t, most, b.Counters().ReadPkg)
		})
	}
}

// What was sent is exact beside the error of the next message.
func TestSendMMsgStopsAtWhatCannotBeSent(t *testing.T) {
	a, _ := udp(t)
	b, at := udp(t)
	long := esock.Msg{Iov: [][]byte{make([]byte, 70000)}, Addr: at}
	ms := messages(6, at)
	ms[2].Iov = long.Iov
	n, err := a.SendMMsg(ms, 0, esock.Within(patience))
	assert.Equal(t, 2, n)
	assert.ErrorIs(t, err, syscall.EMSGSIZE)
	n, err = a.SendMMsg(ms[3:], 0, esock.Within(patience)) // behind it
	assert.Equal(t, 3, n)
	assert.NoError(t, err)

	ms[4].Addr = esock.UnixAddr("/nowhere") // of another family
	n, err = a.SendMMsg(ms[3:], 0, esock.Within(patience))
	assert.Equal(t, 1, n)
	assert.Error(t, err)
	assert.Contains(t, err.Error(), "nowhere")
	require.NoError(t, sockopt.Set(a, "otp", "sndctrlbuf", 1))
	require.NoError(t, ms[5].SetControl(esock.TOS(8)))
	n, err = a.SendMMsg(ms[5:], 0, esock.Within(patience))
	assert.Zero(t, n)
	var invalid *esock.InvalidError
	require.ErrorAs(t, err, &invalid)
	assert.Contains(t, err.Error(), "sndctrlbuf")
	got := make([]esock.Msg, 10)
	n, err = b.RecvMMsg(got, 0, esock.Within(patience))
	require.NoError(t, err)
	assert.Equal(t, 6, n)
}

// What was cut says so in its own message, and the others are whole.
func TestRecvMMsgCutsEachForItself(t *testing.T) {
	a, _ := udp(t)
	b, at := udp(t)
	_, err := a.SendMMsg(messages(3, at), 0, esock.Within(patience))
	require.NoError(t, err)
	got := make([]esock.Msg, 3)
	got[1].Buf = make([]byte, 1)
	n, err := b.RecvMMsg(got, 0, esock.Within(patience))
	require.NoError(t, err)
	require.Equal(t, 3, n)
	assert.Equal(t, "1", string(got[1].Data()))
	assert.Equal(t, esock.MsgTrunc, got[1].Flags)
	assert.Equal(t, 2, got[1].FullLen)
	assert.Equal(t, "2xx", string(got[2].Data()))
	assert.Zero(t, got[2].Flags)
}

func TestMMsgCarriesDescriptors(t *testing.T) {
	a, b := pair(t, esock.Dgram)
	ms := messages(2, esock.Addr{})
	require.NoError(t, ms[1].SetControl(esock.Rights(fdOf(t, a))))
	_, err := a.SendMMsg(ms, 0, esock.Within(patience))
	require.NoError(t, err)
	got := make([]esock.Msg, 2)
	n, err := b.RecvMMsg(got, 0, esock.Within(patience))
	require.NoError(t, err)
	require.Equal(t, 2, n)
	assert.Empty(t, got[0].TakeFDs())
	fds := got[1].TakeFDs()
	require.Len(t, fds, 1)
	syscall.Close(fds[0])
}

func TestMMsgMistakes(t *testing.T) {
	s, at := udp(t)
	mb := esock.NewMailbox()
	for _, w := range []esock.Wait{{}, esock.Within(0), esock.NoWait(mb), esock.Complete(mb)} {
		for name, c := range map[string]struct {
			call func() (int, error)
			want string
		}{
			"nothing to receive into": {func() (int, error) { return s.RecvMMsg(nil, 0, w) }, "msgs"},
			"nothing to send":         {func() (int, error) { return s.SendMMsg([]esock.Msg{}, 0, w) }, "msgs"},
			"no room":                 {func() (int, error) { return s.RecvMMsg([]esock.Msg{{Buf: []byte{}}}, 0, w) }, "msg"},
			"control":                 {func() (int, error) { return s.RecvMMsg([]esock.Msg{{CtrlSize: -1}}, 0, w) }, "msg"},
			"peek":                    {func() (int, error) { return s.RecvMMsg(make([]esock.Msg, 1), esock.MsgPeek, w) }, "msg_flag"},
			"errors":                  {func() (int, error) { return s.RecvMMsg(make([]esock.Msg, 1), esock.MsgErrQueue, w) }, "msg_flag"},
			"no copy":                 {func() (int, error) { return s.SendMMsg(messages(1, at), esock.MsgZeroCopy, w) }, "msg_flag"},
			"flags":                   {func() (int, error) { return s.SendMMsg(messages(1, at), esock.MsgFlags(math.MinInt), w) }, "msg_flag"},
		} {
			n, err := c.call()
			var invalid *esock.InvalidError
			require.ErrorAs(t, err, &invalid, name)
			assert.Equal(t, c.want, invalid.What, name)
			assert.Zero(t, n)
		}
	}
	a, _ := pair(t, esock.Stream)
	_, err := a.RecvMMsg(make([]esock.Msg, 1), 0, esock.Forever)
	assert.ErrorIs(t, err, syscall.EOPNOTSUPP)
	assert.Contains(t, err.Error(), "datagram")
	_, err = a.SendMMsg(messages(1, esock.Addr{}), 0, esock.Forever)
	assert.ErrorIs(t, err, syscall.EOPNOTSUPP)
	require.NoError(t, s.Close())
	_, err = s.RecvMMsg(make([]esock.Msg, 1), 0, esock.Forever)
	assert.ErrorIs(t, err, net.ErrClosed)
	_, err = s.SendMMsg(messages(1, at), 0, esock.Forever)
	assert.ErrorIs(t, err, net.ErrClosed)
	_, err = (*esock.Socket)(nil).RecvMMsg(make([]esock.Msg, 1), 0, esock.Forever)
	assert.ErrorIs(t, err, net.ErrClosed)
	_, err = (*esock.Socket)(nil).SendMMsg(messages(1, at), 0, esock.Forever)
	assert.ErrorIs(t, err, net.ErrClosed)
}
