package sctp

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/sockopt"
)

// namespace makes a network namespace with its loopback and some settings, and returns its path. It skips the test where the
// kernel has no such setting.
func namespace(t *testing.T, settings ...string) string {
	t.Helper()
	open(t, esock.Stream) // the settings are those of the module
	name := fmt.Sprintf("sctp-%d-%s", os.Getpid(), strings.ToLower(t.Name()))
	ip(t, "netns", "add", name)
	t.Cleanup(func() { exec.Command("ip", "netns", "del", name).Run() })
	ip(t, "-n", name, "link", "set", "lo", "up")
	path := "/run/netns/" + name
	for _, s := range settings {
		key, value, _ := strings.Cut(s, "=")
		_, err := inside(path, func() ([]byte, error) {
			return nil, os.WriteFile("/proc/sys/net/sctp/"+key, []byte(value), 0)
		})
		if os.IsNotExist(err) {
			t.Skip("this kernel has no net.sctp.", key)
		}
		require.NoError(t, err)
	}
	return path
}

// inside calls f in a thread of a namespace, which ends with it.
func inside(path string, f func() ([]byte, error)) (b []byte, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		var ns *os.File
		if ns, err = os.Open(path); err == nil {
			defer ns.Close()
			if err = unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err == nil {
				b, err = f()
			}
		}
	}()
	<-done
	return b, err
}

// inNamespace is two one-to-one sockets with an association, in a namespace. before is called with each of both that begin.
func inNamespace(t *testing.T, path string, before func(s *esock.Socket)) (client, server *esock.Socket) {
	t.Helper()
	l, client := open(t, esock.Stream, esock.NetNS(path)), open(t, esock.Stream, esock.NetNS(path))
	before(l)
	before(client)
	require.NoError(t, l.Bind(local(1, 0)))
	require.NoError(t, l.Listen(1))
	at, err := l.SockName()
	require.NoError(t, err)
	require.NoError(t, client.Connect(at, patient))
	server, err = l.Accept(patient)
	require.NoError(t, err)
	closes(t, server)
	return client, server
}

// A message that is sent behind a long one of another stream does not wait for its end (RFC 8260).
func TestAShortMessageOvertakesALongOne(t *testing.T) {
	path := namespace(t, "intl_enable=1")
	client, server := inNamespace(t, path, func(s *esock.Socket) {
		require.NoError(t, sockopt.SCTPFragmentInterleave.Set(s, 2))
		require.NoError(t, sockopt.SCTPInterleavingSupported.Set(s, sockopt.SCTPAssocValue{Value: 1}))
		require.NoError(t, sockopt.SocketRcvBuf.Set(s, 16<<10))
		require.NoError(t, sockopt.SCTPMaxSeg.Set(s, sockopt.SCTPAssocValue{Value: 1000}))
		require.NoError(t, sockopt.SCTPRecvRcvInfo.Set(s, true))
	})
	const roundRobin = 2 // SCTP_SS_RR
	require.NoError(t, sockopt.SCTPStreamScheduler.Set(client, sockopt.SCTPAssocValue{Value: roundRobin}))
	on, err := sockopt.SCTPInterleavingSupported.Ask(server, sockopt.SCTPAssocValue{})
	require.NoError(t, err)
	require.EqualValues(t, 1, on.Value)

	// Nobody receives yet, so that the window closes before the long one has gone.
	long := bytes.Repeat([]byte("long"), 15_000)
	sends(t, client, string(long), esock.SCTPSndInfo{SID: 1})
	sends(t, client, "short", esock.SCTPSndInfo{SID: 2})
	var got []byte
	early := false
	for len(got) < len(long) {
		m := message(t, server)
		info, ok := RcvInfo(m)
		require.True(t, ok)
		switch info.SID {
		case 1:
			got = append(got, m.Data()...)
			assert.Equal(t, len(got) == len(long), m.Flags&esock.MsgEOR != 0, "the end of the record, after %d bytes", len(got))
		default:
			assert.EqualValues(t, 2, info.SID)
			assert.Equal(t, "short", string(m.Data()))
			early = true
		}
	}
	assert.Equal(t, long, got)
	assert.True(t, early, "the short message came before the end of the long one")
}

// An association goes through UDP where its ports are set (RFC 6951).
func TestAnAssociationGoesThroughUDP(t *testing.T) {
	path := namespace(t, "udp_port=9899", "encap_port=9899")
	received := func() string {
		b, err := inside(path, func() ([]byte, error) { return os.ReadFile("/proc/thread-self/net/snmp") })
		require.NoError(t, err)
		for line := range strings.Lines(string(b)) {
			if f := strings.Fields(line); len(f) > 1 && f[0] == "Udp:" && f[1] != "InDatagrams" {
				return f[1]
			}
		}
		return ""
	}
	before := received()
	client, server := inNamespace(t, path, func(*esock.Socket) {})
	peer, err := client.PeerName()
	require.NoError(t, err)
	encaps, err := sockopt.SCTPRemoteUDPEncapsPort.Ask(client, sockopt.SCTPUDPEncaps{Address: peer})
	require.NoError(t, err)
	assert.EqualValues(t, 9899, encaps.Port)
	sends(t, client, "there")
	assert.Equal(t, "there", string(message(t, server).Data()))
	sends(t, server, "and back")
	assert.Equal(t, "and back", string(message(t, client).Data()))
	assert.NotEqual(t, before, received(), "datagrams of UDP")
}
