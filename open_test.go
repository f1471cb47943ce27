package esock

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// An accepted socket has what its listener has: whether it is registered, and its options of level otp but for meta.
func TestAcceptedInherits(t *testing.T) {
	defer UseRegistry(useRegistry.Load())
	for _, global := range []bool{true, false} {
		for name, opts := range map[string][]OpenOption{
			"untold": nil, "registered": {Registered(true)}, "unregistered": {Registered(false)},
		} {
			t.Run(fmt.Sprintf("%s, UseRegistry %v", name, global), func(t *testing.T) {
				UseRegistry(global)
				l, err := Open(Local, Stream, 0, opts...)
				require.NoError(t, err)
				defer l.Close()
				require.NoError(t, l.Bind(UnixAddr("")))
				require.NoError(t, l.Listen(8))
				addr, err := l.SockName()
				require.NoError(t, err)
				for _, err := range []error{l.SetIOW(true), l.SetRcvBuf(RcvBuf{3, 77}), l.SetRcvCtrlBuf(333), l.SetSndCtrlBuf(444),
					l.SetSelectRead(true), l.SetSpin(time.Microsecond), l.SetMeta("mine")} {
					require.NoError(t, err)
				}
				want := name == "registered" || name == "untold" && global
				UseRegistry(!global) // what is said now is for sockets that are opened
				for _, mb := range []*Mailbox{nil, NewMailbox()} {
					c, err := Open(Local, Stream, 0)
					require.NoError(t, err)
					require.NoError(t, c.Connect(addr, Forever))
					w := Forever
					if mb != nil {
						w = NoWait(mb)
					}
					s, err := l.Accept(w)
					require.NoError(t, err)
					assert.Equal(t, want, s.registered())
					if want {
						assert.Contains(t, registry.all(), s)
					} else {
						assert.NotContains(t, registry.all(), s)
					}
					assert.Equal(t, mb, s.Owner())
					theirs := *l.options()
					theirs.meta = nil
					assert.Equal(t, theirs, *s.options())
					s.Close()
					c.Close()
				}
			})
		}
	}
	// Switched on later, it is on.
	l, addr := listening(t)
	l.Close()
	UseRegistry(false)
	l, addr = listening(t)
	mb := NewMailbox()
	defer mb.Close()
	_, err := l.Monitor(mb)
	require.NoError(t, err)
	c, err := Open(Inet, Stream, TCP)
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.Connect(addr, Forever))
	s, err := l.Accept(Forever)
	require.NoError(t, err)
	defer s.Close()
	assert.True(t, s.registered())
}

// What is no namespace is refused at once, by name.
func TestNetNSOfOtherFiles(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	require.NoError(t, syscall.Mkfifo(at("fifo"), 0o600))
	require.NoError(t, os.WriteFile(at("file"), nil, 0o600))
	l, err := net.Listen("unix", at("socket"))
	require.NoError(t, err)
	defer l.Close()
	for _, path := range []string{at("fifo"), at("socket"), dir, "/dev/null"} {
		_, err := Open(Inet, Stream, TCP, NetNS(path))
		assert.ErrorIs(t, err, &InvalidError{What: "netns"}, path)
		assert.ErrorIs(t, err, syscall.EINVAL, path)
		assert.ErrorContains(t, err, path)
	}
	_, err = Open(Inet, Stream, TCP, NetNS(at("file")))
	assert.Error(t, err) // EPERM without privilege
	_, err = Open(Inet, Stream, TCP, NetNS(at("nothing")))
	assert.ErrorIs(t, err, syscall.ENOENT)
}

// Errors have the protocol of a packet socket as EtherType takes it.
func TestErrorsNamePacketProtocolsByTheirNumbers(t *testing.T) {
	for _, c := range []struct {
		d    Domain
		p    Protocol
		want string
	}{
		{Packet, EtherType(3), "open packet stream 0x0003: "},
		{Packet, EtherType(0x86dd), "open packet stream 0x86dd: "},
		{Inet, TCP, "open inet stream tcp: "},
	} {
		err := (&openConfig{}).refused(syscall.ESOCKTNOSUPPORT, c.d, Stream, c.p)
		assert.ErrorContains(t, err, c.want)
	}
}
