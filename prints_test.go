package esock

import (
	"fmt"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A message prints as what it has, not as its fields.
func TestMsgPrints(t *testing.T) {
	a, b := pair(t, Dgram)
	m := &Msg{Iov: [][]byte{[]byte("hello")}}
	assert.Equal(t, `{"hello"}`, fmt.Sprint(m))
	m.Addr, m.Iov = UnixAddr("/tmp/x"), [][]byte{make([]byte, 60), make([]byte, 60)}
	assert.Equal(t, "{120 bytes, /tmp/x}", fmt.Sprint(m))
	assert.Equal(t, "{0 bytes}", fmt.Sprint(new(Msg)))
	assert.Equal(t, "<nil>", fmt.Sprint((*Msg)(nil)))

	require.NoError(t, b.SetOptionNative(syscall.SOL_SOCKET, syscall.SO_PASSCRED, true))
	_, err := a.Send([]byte("hello"), 0, Forever)
	require.NoError(t, err)
	got := &Msg{Buf: make([]byte, 2)}
	require.NoError(t, b.RecvMsg(got, 0, Forever))
	assert.Equal(t, `{"he", trunc, socket credentials}`, fmt.Sprint(got))
	for _, verb := range []string{"%v", "%+v", "%s"} {
		assert.NotContains(t, fmt.Sprintf(verb, got), "FullLen")
	}
}

func TestSocketInfoPrints(t *testing.T) {
	mb := NewMailbox()
	defer mb.Close()
	l, _ := listener(t, Owner(mb))
	assert.Equal(t, "{inet stream tcp, reading [bound listening], writing [], owner "+mb.String()+"}", fmt.Sprint(l.Info()))
	info := l.Info()
	info.Owner, info.NumReaders, info.NumAcceptors = "", 2, 1
	assert.Equal(t, "{inet stream tcp, reading [bound listening], writing [], 2 readers, 1 acceptors}", fmt.Sprint(info))
	assert.NotPanics(t, func() { _ = fmt.Sprint(SocketInfo{}, (*SocketInfo)(nil)) })
}
