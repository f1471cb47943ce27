package esock

import (
	"bytes"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestControllingProcess(t *testing.T) {
	s, _ := pair(t, Stream)
	m1, m2 := NewMailbox(), NewMailbox()
	require.NoError(t, s.ControllingProcess(nil, m1))
	assert.Equal(t, m1, s.Owner())
	assert.ErrorIs(t, s.ControllingProcess(nil, m2), &InvalidError{What: "not_owner"})
	assert.ErrorIs(t, s.ControllingProcess(m2, m2), &InvalidError{What: "not_owner"})
	assert.ErrorContains(t, s.ControllingProcess(m2, m2), ": not the owner: the owner is "+m1.String())
	require.NoError(t, s.ControllingProcess(m1, m2))
	m1.Close()
	assert.False(t, s.closing())
	m2.Close()
	assert.True(t, s.closing(), "the owner's death")
	assert.ErrorIs(t, s.ControllingProcess(m2, nil), net.ErrClosed)

	s, _ = pair(t, Stream)
	require.NoError(t, s.ControllingProcess(nil, m1), "an owner that is dead already")
	assert.True(t, s.closing())
}

func TestRecvBytesFillsUpToNBuffers(t *testing.T) {
	a, b := pair(t, Stream)
	require.NoError(t, b.SetRcvBuf(RcvBuf{N: 3, Size: 4}))
	_, err := a.Send([]byte("0123456789abcdef"), 0, Forever)
	require.NoError(t, err)
	got, err := b.RecvBytes(0, 0, Forever)
	require.NoError(t, err)
	assert.Equal(t, "0123456789ab", string(got))
	got, err = b.RecvBytes(0, 0, Forever)
	require.NoError(t, err)
	assert.Equal(t, "cdef", string(got), "and never waits once it has something")
	a.Send([]byte("xyz"), 0, Forever)
	got, err = b.RecvBytes(2, 0, Forever)
	require.NoError(t, err)
	assert.Equal(t, "xy", string(got))
	assert.Equal(t, 2, cap(got))
	_, err = b.RecvBytes(-1, 0, Forever)
	assert.ErrorIs(t, err, &InvalidError{What: "data_size"})
}

func TestDebugLeavesTheOtherOptionsAlone(t *testing.T) {
	var log bytes.Buffer
	SetLogger(slog.New(slog.NewTextHandler(&log, nil)))
	defer SetLogger(nil)
	a, b := pair(t, Stream, Debug(true))
	_, err := a.Send([]byte("traced"), 0, Forever)
	require.NoError(t, err)
	got, err := b.RecvBytes(0, 0, Forever)
	require.NoError(t, err)
	assert.Equal(t, "traced", string(got))
	assert.Equal(t, RcvBuf{Size: DefaultRcvBuf}, b.RcvBuf())
	assert.Equal(t, DefaultRcvCtrlBuf, b.RcvCtrlBuf())
	assert.Equal(t, DefaultSndCtrlBuf, b.SndCtrlBuf())
	assert.Contains(t, log.String(), "op=adopt")
	assert.Contains(t, log.String(), "op=send n=6 result=ok")
	assert.Contains(t, log.String(), "op=recv n=6 result=ok")
	require.NoError(t, a.Close())
	assert.Contains(t, log.String(), "op=close")
}

// The setters and getters of the library's settings, on a socket that is open, and on one that is closed.
func TestSettings(t *testing.T) {
	s, _ := pair(t, Stream)
	set := func() []error {
		return []error{s.SetDebug(false), s.SetIOW(true), s.SetSelectRead(true), s.SetMeta("cookie"), s.SetSpin(time.Second),
			s.SetRcvBuf(RcvBuf{N: 2, Size: 9}), s.SetRcvCtrlBuf(7), s.SetSndCtrlBuf(8), s.Register()}
	}
	for _, err := range set() {
		require.NoError(t, err)
	}
	assert.False(t, s.Debug())
	assert.True(t, s.IOW())
	assert.True(t, s.SelectRead())
	assert.True(t, s.Registered())
	assert.Equal(t, "cookie", s.Meta())
	assert.Equal(t, time.Second, s.Spin())
	assert.Equal(t, RcvBuf{N: 2, Size: 9}, s.RcvBuf())
	assert.Equal(t, 7, s.RcvCtrlBuf())
	assert.Equal(t, 8, s.SndCtrlBuf())
	assert.NotEqual(t, -1, s.FD())
	require.NoError(t, s.SetRcvBuf(RcvBuf{}))
	require.NoError(t, s.SetRcvCtrlBuf(0))
	require.NoError(t, s.SetSndCtrlBuf(0))
	assert.Equal(t, RcvBuf{Size: DefaultRcvBuf}, s.RcvBuf(), "0 is the default")
	assert.Equal(t, DefaultRcvCtrlBuf, s.RcvCtrlBuf())
	assert.Equal(t, DefaultSndCtrlBuf, s.SndCtrlBuf())
	for name, err := range map[string]error{"spin": s.SetSpin(-1), "rcvbuf": s.SetRcvBuf(RcvBuf{N: -1}), "rcvbuf ": s.SetRcvBuf(RcvBuf{Size: -1}),
		"rcvctrlbuf": s.SetRcvCtrlBuf(-1), "sndctrlbuf": s.SetSndCtrlBuf(maxBuffer + 1)} {
		assert.ErrorIs(t, err, &InvalidError{What: "socket_option"}, name)
		assert.ErrorContains(t, err, "otp."+strings.TrimSpace(name))
	}
	require.NoError(t, s.Close())
	for i, err := range set() {
		assert.ErrorIs(t, err, net.ErrClosed, "%d", i)
	}
	assert.Equal(t, -1, s.FD())
	assert.Nil(t, s.Meta(), "the cookie is let go")
}
