package tests

import (
	"bytes"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/sockopt"
)

// pieces is n buffers, of which every other is empty, and what they are together.
func pieces(n int) (bufs [][]byte, all []byte) {
	for i := range n {
		b := bytes.Repeat([]byte{byte(i)}, i%2*3)
		bufs, all = append(bufs, b), append(all, b...)
	}
	return bufs, all
}

func TestSendV_MoreBuffersThanOneCallTakes(t *testing.T) {
	most := esock.Info().IOVMax
	require.GreaterOrEqual(t, most, 16)
	small, all := pieces(3*most + 7)
	large, allLarge := [][]byte{}, []byte{}
	for i := range most + 5 { // too large to be copied together
		b := bytes.Repeat([]byte{byte(i)}, 4096)
		large, allLarge = append(large, b), append(allLarge, b...)
	}
	for name, c := range map[string]struct {
		bufs [][]byte
		want []byte
	}{"small": {small, all}, "large": {large, allLarge}} {
		t.Run(name, func(t *testing.T) {
			a, b := pair(t, esock.Stream)
			sent := start(func() (int, error) { return a.SendV(c.bufs, esock.Within(patience)) })
			got := make([]byte, len(c.want))
			_, err := b.RecvFull(got, 0, esock.Within(patience))
			require.NoError(t, err)
			assert.True(t, bytes.Equal(c.want, got))
			assert.Equal(t, outcome{len(c.want), nil}, result(t, sent))
		})
	}
}

func TestSendMsg_MoreBuffersThanAMessageHas(t *testing.T) {
	most := esock.Info().IOVMax
	for _, typ := range []esock.Type{esock.Dgram, esock.SeqPacket} {
		t.Run(typ.String(), func(t *testing.T) {
			a, b := pair(t, typ)
			mb := esock.NewMailbox()
			bufs := make([][]byte, most+1)
			for i := range bufs {
				bufs[i] = []byte{byte(i)}
			}
			for _, w := range kinds(mb) {
				_, err := a.SendV(bufs, w)
				assert.ErrorIs(t, err, &esock.InvalidError{What: "iov"})
				_, err = a.SendMsg(&esock.Msg{Iov: bufs}, 0, w)
				assert.ErrorIs(t, err, &esock.InvalidError{What: "iov"})
			}
			// Empty ones at the end do not count.
			bufs[most] = nil
			bufs = append(bufs, nil, []byte{})
			n, err := a.SendV(bufs, esock.Forever)
			assert.Equal(t, outcome{most, nil}, outcome{n, err})
			assert.Len(t, recv(t, b), most)
			echoes(t, a, b)
		})
	}
}

func TestSendMsg_DoesNotChangeTheMessage(t *testing.T) {
	a, b := pair(t, esock.Stream)
	m := &esock.Msg{Iov: [][]byte{[]byte("one "), nil, []byte("two")}}
	n, err := a.SendMsg(m, 0, esock.Forever)
	assert.Equal(t, outcome{7, nil}, outcome{n, err})
	assert.Equal(t, [][]byte{[]byte("one "), nil, []byte("two")}, m.Iov)
	assert.Equal(t, "one two", recv(t, b))
}

func TestSendMsg_ControlMustFit(t *testing.T) {
	a, b := pair(t, esock.Stream)
	require.NoError(t, sockopt.Set(a, "otp", "sndctrlbuf", 8))
	m := &esock.Msg{Iov: [][]byte{{1}}}
	require.NoError(t, m.SetControl(esock.Rights(fdOf(t, a))))
	_, err := a.SendMsg(m, 0, esock.Forever)
	assert.ErrorIs(t, err, &esock.InvalidError{What: "msg"})
	echoes(t, a, b)
}

func TestSendMsg_ClosedDescriptorIsRefused(t *testing.T) {
	a, b := pair(t, esock.Stream)
	m := &esock.Msg{Iov: [][]byte{{1}}}
	require.NoError(t, m.SetControl(esock.Rights(1<<30)))
	_, err := a.SendMsg(m, 0, esock.Forever)
	assert.ErrorIs(t, err, syscall.EBADF)
	echoes(t, a, b)
}

// collect receives n bytes with their control messages, and counts the descriptors that came.
func collect(t *testing.T, s *esock.Socket, n int) (fds int) {
	t.Helper()
	m := &esock.Msg{Buf: make([]byte, 64<<10)}
	defer m.Reset()
	for got := 0; got < n; got += len(m.Data()) {
		require.NoError(t, s.RecvMsg(m, 0, esock.Within(patience)))
		for _, fd := range m.TakeFDs() {
			fds++
			syscall.Close(fd)
		}
	}
	return fds
}

func TestControlMessagesAreSentOnce(t *testing.T) {
	const size = 1 << 20
	for name, iov := range map[string][][]byte{
		"one buffer":    {make([]byte, size)},
		"large buffers": {make([]byte, size/2), make([]byte, size/2)},
		"many buffers":  bytes.SplitAfter(bytes.Repeat([]byte("123456789 "), size/10), []byte(" ")),
	} {
		total := 0
		for _, b := range iov {
			total += len(b)
		}
		rights := func(t *testing.T, s *esock.Socket) *esock.Msg {
			m := &esock.Msg{Iov: iov}
			require.NoError(t, m.SetControl(esock.Rights(fdOf(t, s), fdOf(t, s))))
			return m
		}
		t.Run(name+" blocked", func(t *testing.T) {
			sameDescriptors(t)
			a, b := pair(t, esock.Stream)
			m := rights(t, a)
			sent := start(func() (int, error) { return a.SendMsg(m, 0, esock.Within(patience)) })
			assert.Equal(t, 2, collect(t, b, total))
			assert.Equal(t, outcome{total, nil}, result(t, sent))
		})
		t.Run(name+" continued", func(t *testing.T) {
			sameDescriptors(t)
			a, b := pair(t, esock.Stream)
			m, mb := rights(t, a), esock.NewMailbox()
			n, err := a.SendMsg(m, 0, esock.NoWait(mb))
			sel := selected(t, err)
			require.Positive(t, n)
			fds := make(chan int, 1)
			go func() { fds <- collect(t, b, total) }()
			for sent := n; sent < total; sent += n {
				require.Equal(t, selectOf(sel), message(t, mb))
				rest := bytes.Join(iov, nil)[sent:]
				next := rights(t, a)
				next.Iov = [][]byte{rest}
				n, err = a.SendMsg(next, 0, esock.NoWait(mb).Continue(sel))
				if err != nil {
					sel = selected(t, err)
				}
			}
			assert.Equal(t, 2, <-fds)
		})
		t.Run(name+" first try refused", func(t *testing.T) {
			sameDescriptors(t)
			a, b := pair(t, esock.Stream)
			before := fill(t, a)
			m := rights(t, a)
			sent := start(func() (int, error) { return a.SendMsg(m, 0, esock.Within(patience)) })
			writers(t, a, 1)
			assert.Equal(t, 2, collect(t, b, before+total))
			assert.Equal(t, outcome{total, nil}, result(t, sent))
		})
	}
}

func TestRights_NotTakenAreClosed(t *testing.T) {
	sameDescriptors(t)
	a, b := pair(t, esock.Dgram)
	m := &esock.Msg{Iov: [][]byte{{1}}}
	require.NoError(t, m.SetControl(esock.Rights(fdOf(t, a), fdOf(t, b))))
	var in esock.Msg
	for range 3 {
		_, err := a.SendMsg(m, 0, esock.Forever)
		require.NoError(t, err)
		require.NoError(t, b.RecvMsg(&in, 0, esock.Forever))
	}
	in.Reset()
}

func TestRights_CutOnesAreClosed(t *testing.T) {
	sameDescriptors(t)
	a, b := pair(t, esock.Dgram)
	require.NoError(t, sockopt.Set(b, "otp", "rcvctrlbuf", 24)) // room for two descriptors of eight
	fd := fdOf(t, a)
	m := &esock.Msg{Iov: [][]byte{[]byte("data")}}
	require.NoError(t, m.SetControl(esock.Rights(fd, fd, fd, fd, fd, fd, fd, fd)))
	_, err := a.SendMsg(m, 0, esock.Forever)
	require.NoError(t, err)
	var in esock.Msg
	for _, flags := range []esock.MsgFlags{0, esock.MsgCTrunc} {
		err = b.RecvMsg(&in, flags|esock.MsgPeek, esock.Forever)
		if flags == 0 {
			assert.ErrorIs(t, err, esock.ErrControlTruncated, "it cannot be missed")
		} else {
			assert.NoError(t, err, "a caller that looks is not disturbed")
		}
		assert.Equal(t, "data", string(in.Data()))
		assert.NotZero(t, in.Flags&esock.MsgCTrunc)
		assert.Empty(t, in.TakeFDs())
	}
}
