package gentcp_test

import (
	"context"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/internal/testwait"
	"github.com/esock-go/esock/packet"
)

// In mode true the owner's mailbox holds one announcement, whatever calls ask for, however much the peer sends.
func TestQuestionsMakeNoMessages(t *testing.T) {
	mb := owner(t)
	s, peer := wired(t, mb, gentcp.Active(true), gentcp.Buffer(1000))
	put(t, s, peer, strings.Repeat("x", 10_000)) // that much fits into any receive buffer
	comes(t, "the announcement", func() bool { return mb.Len() == 1 })
	for range 50 {
		assert.Equal(t, true, valueOf(t, s, "active"))
		require.NoError(t, s.SetOpts(gentcp.SendTimeout(time.Second), gentcp.SendTimeoutClose(false), gentcp.DelaySend(true),
			gentcp.NoDelay(true), gentcp.Active(true)))
		_, err := s.Recv(0, esock.Within(0))
		reasons(t, "einval", err)
	}
	assert.Equal(t, 1, mb.Len())
}

// The end may be seen under another packet type than the packets are cut by.
func TestActivationAfterTheEndDeliversWholePacketsFirst(t *testing.T) {
	mb := owner(t)
	s, peer := wired(t, mb, gentcp.Active(false), gentcp.ExitOnClose(false))
	waiting := recvLater(t, s, 10, soon)
	turns(t, s, 0)
	require.NoError(t, s.SetOpts(gentcp.PacketType(packet.Line)))
	write(t, peer, "a\nb\nc")
	require.NoError(t, peer.Close())
	assert.Equal(t, "a\n", waiting())
	require.NoError(t, s.SetOpts(gentcp.Active(true)))
	gets(t, mb, "tcp b\n", "closed")
	holds(t, mb)
}

// A receiver that refuses a packet does not let others have the next one first.
func TestOrderUnderARefusingReceiver(t *testing.T) {
	const packets = 20_000
	mb := owner(t)
	s, peer := wired(t, mb, gentcp.PacketType(packet.Len2), gentcp.Active(true))
	go func() {
		var b []byte
		for i := range packets {
			b = append(b, 0, 2, byte(i>>8), byte(i))
		}
		peer.Write(b)
	}()
	ctx, cancel := context.WithTimeout(context.Background(), 5*longEnough)
	defer cancel()
	defer testwait.Repeat(func() { mb.PollMatch(func(esock.Message) bool { runtime.Gosched(); return false }) })()
	defer testwait.Repeat(func() { s.SetOpts(gentcp.Header(3)) })()
	for i := range packets {
		msg, err := mb.Receive(ctx)
		require.NoError(t, err)
		d := msg.(gentcp.TCPMsg).Data()
		require.Equal(t, i&0xffff, int(d[0])<<8|int(d[1]))
	}
}

// A send that gives up does not wait for what it gives up.
func TestSendTimeoutCloseDoesNotLinger(t *testing.T) {
	s, _ := wired(t, nil, gentcp.SendTimeout(time.Millisecond), gentcp.SendTimeoutClose(true), gentcp.Linger(true, 3600),
		gentcp.SndBuf(4096))
	assert.Equal(t, esock.ErrTimeout, s.Send(make([]byte, 32<<20))) // else the test times out
	assert.False(t, s.Open())
}

// The buffer of a large packet is not kept for the few bytes behind it.
func TestLargeBufferIsGivenBack(t *testing.T) {
	s, peer := wired(t, nil, gentcp.PacketType(packet.Len4), gentcp.Buffer(1<<20))
	body := make([]byte, 16<<20)
	go func() {
		peer.Write([]byte{1, 0, 0, 0})
		peer.Write(body)
		peer.Write([]byte{0, 0, 0, 1})
	}()
	p, err := s.Recv(0, soon)
	require.NoError(t, err)
	require.Len(t, p.Data(), len(body))
	_, err = s.Recv(0, esock.Within(time.Millisecond))
	reasons(t, "timeout", err)
	_, room := gentcp.Buffered(s)
	assert.LessOrEqual(t, room, 1<<20)
}

func TestOwnerChangedBeneath(t *testing.T) {
	mb, other := owner(t), owner(t)
	s, peer := wired(t, mb, gentcp.Active(true))
	require.NoError(t, s.Socket().ControllingProcess(mb, other))
	reasons(t, "not_owner", s.ControllingProcess(mb, owner(t)))
	put(t, s, peer, "goes on")
	gets(t, mb, "tcp goes on")
}
