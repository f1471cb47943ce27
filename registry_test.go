package esock

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock/internal/machine"
)

// open opens a socket for the duration of a test.
func open(t testing.TB, d Domain, typ Type, opts ...OpenOption) *Socket {
	t.Helper()
	s, err := Open(d, typ, Default, opts...)
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

// which is WhichSockets, which must succeed.
func which(t *testing.T, filters ...Filter) []*Socket {
	t.Helper()
	list, err := WhichSockets(filters...)
	require.NoError(t, err)
	return list
}

func TestRegistryIsSynchronous(t *testing.T) {
	n := NumberOf()
	for range 100 {
		s := open(t, Inet, Dgram)
		assert.Equal(t, n+1, NumberOf())
		assert.Contains(t, which(t), s)
		require.NoError(t, s.Close())
		assert.Equal(t, n, NumberOf())
		assert.NotContains(t, which(t), s)
	}
}

func TestRegistryAddAndRemoveTwice(t *testing.T) {
	n := NumberOf()
	s := open(t, Inet, Dgram)
	registry.add(s)
	assert.Equal(t, n+1, NumberOf())
	registry.remove(s)
	registry.remove(s)
	assert.Equal(t, n, NumberOf())
	registry.add(s)
	require.NoError(t, s.Close())
	registry.add(s)
	assert.Equal(t, n, NumberOf(), "a closed socket does not enter")
	assert.True(t, s.registered(), "but it tells that it was")
}

func TestUseRegistry(t *testing.T) {
	defer UseRegistry(useRegistry.Load())
	UseRegistry(false)
	n := NumberOf()
	assert.False(t, Info().UseRegistry)
	s := open(t, Inet, Dgram)
	assert.False(t, s.registered())
	assert.NotContains(t, which(t), s)
	assert.True(t, open(t, Inet, Dgram, Registered(true)).registered())
	UseRegistry(true)
	assert.False(t, open(t, Inet, Dgram, Registered(false)).registered())
	open(t, Inet, Dgram)
	assert.Equal(t, n+2, NumberOf())
}

func TestRegistryEnvironment(t *testing.T) {
	for env, want := range map[string]bool{"": true, "true": true, "1": true, "on": true,
		"false": false, "FALSE": false, "0": false, "off": false} {
		assert.Equal(t, want, registryWanted(env), env)
	}
}

func TestFilters(t *testing.T) {
	machine.NeedIPv6(t)
	mb := NewMailbox()
	defer mb.Close()
	tcp, udp := open(t, Inet, Stream, Owner(mb)), open(t, Inet6, Dgram, Owner(mb))
	local, seq := open(t, Local, Stream, Owner(mb)), open(t, Local, SeqPacket, Owner(mb))
	other := open(t, Inet, Stream)
	mine := OwnedBy(mb)

	assert.Equal(t, []*Socket{tcp, udp, local, seq}, which(t, mine), "in the order they were made")
	assert.Equal(t, []*Socket{tcp}, which(t, mine, InDomain(Inet)))
	assert.Equal(t, []*Socket{tcp, local}, which(t, mine, OfType(Stream)))
	assert.Equal(t, []*Socket{udp}, which(t, mine, OfProtocol(UDP)))
	assert.Equal(t, []*Socket{local}, which(t, mine, InDomain(Local), OfType(Stream)))
	assert.Equal(t, []*Socket{seq}, which(t, mine, Where(func(i SocketInfo) bool { return i.Type == SeqPacket })))
	assert.Contains(t, which(t, OwnedBy(nil)), other)
	assert.NotContains(t, which(t, OwnedBy(nil)), tcp)

	for word, want := range map[string][]*Socket{"inet": {tcp}, "inet6": {udp}, "local": {local, seq},
		"stream": {tcp, local}, "dgram": {udp}, "seqpacket": {seq}, "tcp": {tcp}, "udp": {udp}, "sctp": nil} {
		f, err := FilterByName(word)
		require.NoError(t, err)
		assert.Equal(t, want, which(t, mine, f), word)
	}
	for _, word := range []string{"", "raw", "packet", "2", "TCP"} {
		f, err := FilterByName(word)
		assert.ErrorIs(t, err, &InvalidError{What: "filter"}, word)
		assert.Nil(t, f)
	}
}

func TestFilterThatPanicsIsAnError(t *testing.T) {
	s := open(t, Inet, Dgram)
	_, err := WhichSockets(func(x *Socket) bool {
		if x == s {
			panic("no")
		}
		return false
	})
	var invalid *InvalidError
	require.ErrorAs(t, err, &invalid)
	assert.Equal(t, "filter", invalid.What)
	assert.Equal(t, "no", invalid.Value)
	assert.Contains(t, err.Error(), s.String())

	for _, f := range []Filter{nil, Where(nil)} {
		_, err = WhichSockets(f)
		assert.ErrorIs(t, err, &InvalidError{What: "filter"})
	}
	// No lock was held.
	assert.Contains(t, which(t), s)
}

func TestFilterMayCloseAndOpen(t *testing.T) {
	mb := NewMailbox()
	defer mb.Close()
	a, b := open(t, Inet, Dgram, Owner(mb)), open(t, Inet, Dgram, Owner(mb))
	assert.Empty(t, which(t, func(s *Socket) bool {
		a.Close()
		b.Close()
		open(t, Inet, Dgram)
		return s == a || s == b
	}, OwnedBy(mb)))
}

func TestRegistryUnderLoad(t *testing.T) {
	n := NumberOf()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				s, err := Open(Inet, Dgram, Default)
				if !assert.NoError(t, err) {
					return
				}
				var closing sync.WaitGroup
				closing.Go(func() { s.Close() })
				registry.add(s) // as Monitor does
				_, err = WhichSockets(OfType(Dgram))
				assert.NoError(t, err)
				closing.Wait()
			}
		})
	}
	wg.Wait()
	assert.Equal(t, n, NumberOf())
}
