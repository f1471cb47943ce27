package esock

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// monitor is Socket.Monitor, which must succeed.
func monitor(t testing.TB, s *Socket, mb *Mailbox) *Monitor {
	t.Helper()
	m, err := s.Monitor(mb)
	require.NoError(t, err)
	return m
}

func TestMonitorsTellOfClose(t *testing.T) {
	s := open(t, Inet, Dgram)
	one, two := NewMailbox(), NewMailbox()
	defer one.Close()
	defer two.Close()
	a, b, c := monitor(t, s, one), monitor(t, s, one), monitor(t, s, two)
	assert.Equal(t, s, a.Socket())
	assert.Equal(t, one, a.Mailbox())
	assert.NotEqual(t, a.String(), b.String())
	assert.Zero(t, one.Len())
	require.NoError(t, s.Close())
	assert.Equal(t, DownMsg{a, net.ErrClosed}, receive(t, one))
	assert.Equal(t, DownMsg{b, net.ErrClosed}, receive(t, one))
	assert.Equal(t, DownMsg{c, net.ErrClosed}, receive(t, two))
	assert.Equal(t, s, DownMsg{Monitor: a}.Socket())
	assert.Nil(t, DownMsg{}.Socket())
	assert.Zero(t, one.Len()+two.Len())
	assert.False(t, a.Cancel(), "it has fired")
}

func TestMonitorOfAClosedSocketFiresAtOnce(t *testing.T) {
	n := NumberOfMonitors()
	s := open(t, Inet, Dgram)
	require.NoError(t, s.Close())
	mb := NewMailbox()
	defer mb.Close()
	m := monitor(t, s, mb)
	down := receive(t, mb)
	assert.Equal(t, DownMsg{m, ErrNoSocket}, down)
	assert.ErrorIs(t, down.(DownMsg).Reason, net.ErrClosed)
	assert.NotErrorIs(t, net.ErrClosed, ErrNoSocket, "a socket that was open says so")
	assert.False(t, m.Cancel())
	assert.Equal(t, n, NumberOfMonitors())
}

func TestMonitorTellsOfTheOwnersDeath(t *testing.T) {
	owner, mb := NewMailbox(), NewMailbox()
	defer mb.Close()
	s := open(t, Inet, Dgram, Owner(owner))
	m := monitor(t, s, mb)
	require.NoError(t, owner.Close())
	assert.Equal(t, DownMsg{m, net.ErrClosed}, receive(t, mb))
}

func TestMonitorCancel(t *testing.T) {
	n := NumberOfMonitors()
	s := open(t, Inet, Dgram)
	mb := NewMailbox()
	defer mb.Close()
	a, b := monitor(t, s, mb), monitor(t, s, mb)
	assert.Equal(t, n+2, NumberOfMonitors())
	assert.True(t, a.Cancel())
	assert.False(t, a.Cancel(), "once")
	assert.Equal(t, []*Monitor{b}, s.WhichMonitors())
	require.NoError(t, s.Close())
	assert.Equal(t, DownMsg{b, net.ErrClosed}, receive(t, mb))
	assert.Zero(t, mb.Len())
	assert.Equal(t, n, NumberOfMonitors())
	assert.False(t, (*Monitor)(nil).Cancel())
	assert.False(t, new(Monitor).Cancel())
}

func TestMonitorRegistersTheSocket(t *testing.T) {
	s := open(t, Inet, Dgram, Registered(false))
	mb := NewMailbox()
	defer mb.Close()
	assert.NotContains(t, which(t), s)
	monitor(t, s, mb)
	assert.Contains(t, which(t), s)
	assert.True(t, s.Registered())
	require.NoError(t, s.Close())
	assert.NotContains(t, which(t), s)
}

func TestMonitorsAreListed(t *testing.T) {
	r, s := open(t, Inet, Dgram), open(t, Inet, Dgram)
	one, two := NewMailbox(), NewMailbox()
	defer one.Close()
	defer two.Close()
	a, b, c, d := monitor(t, s, one), monitor(t, s, two), monitor(t, s, one), monitor(t, r, one)
	assert.Equal(t, []*Mailbox{one, two}, s.MonitoredBy())
	assert.Equal(t, []*Monitor{a, b, c}, s.WhichMonitors())
	assert.Equal(t, []*Monitor{a, c, d}, one.WhichMonitors())
	assert.Equal(t, []*Monitor{b}, two.WhichMonitors())
	require.NoError(t, s.Close())
	assert.Empty(t, s.MonitoredBy())
	assert.Equal(t, []*Monitor{d}, one.WhichMonitors())
}

func TestMonitorsEndWithTheirMailbox(t *testing.T) {
	n := NumberOfMonitors()
	s := open(t, Inet, Dgram)
	mb, other := NewMailbox(), NewMailbox()
	defer other.Close()
	m, kept := monitor(t, s, mb), monitor(t, s, other)
	require.NoError(t, mb.Close())
	assert.Equal(t, n+1, NumberOfMonitors())
	assert.Equal(t, []*Mailbox{other}, s.MonitoredBy())
	assert.False(t, m.Cancel())
	require.NoError(t, s.Close())
	assert.Equal(t, DownMsg{kept, net.ErrClosed}, receive(t, other))

	_, err := s.Monitor(mb)
	assert.ErrorIs(t, err, net.ErrClosed)
	_, err = s.Monitor(nil)
	assert.ErrorIs(t, err, &InvalidError{What: "mailbox"})
	assert.Equal(t, n, NumberOfMonitors())
	assert.NotContains(t, monitors.of, s)
	assert.NotContains(t, monitors.by, mb)
}

// Close, Monitor, Cancel and the death of mailboxes at once: a monitor tells exactly once, unless it was cancelled or
// its mailbox died.
func TestMonitorsUnderRaces(t *testing.T) {
	n, registered := NumberOfMonitors(), NumberOf()
	for range 300 {
		s, err := Open(Inet, Dgram, Default, Registered(false))
		require.NoError(t, err)
		mb, dying := NewMailbox(), NewMailbox()
		var made, cancelled atomic.Int64
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				for i := range 4 {
					m, err := s.Monitor(mb)
					if !assert.NoError(t, err) {
						return
					}
					made.Add(1)
					if i%2 == 1 && m.Cancel() {
						cancelled.Add(1)
					}
				}
			})
		}
		wg.Go(func() {
			for {
				if _, err := s.Monitor(dying); err != nil {
					assert.ErrorIs(t, err, net.ErrClosed)
					return
				}
			}
		})
		wg.Go(func() { dying.Close() })
		wg.Go(func() { s.Close() })
		wg.Wait()
		seen := map[*Monitor]bool{}
		for msg, ok := mb.Poll(); ok; msg, ok = mb.Poll() {
			assert.False(t, seen[msg.(DownMsg).Monitor], "told twice")
			seen[msg.(DownMsg).Monitor] = true
		}
		assert.EqualValues(t, made.Load(), cancelled.Load()+int64(len(seen)), "each told, or cancelled")
		assert.Zero(t, mb.Len())
		require.NoError(t, mb.Close())
		assert.Equal(t, n, NumberOfMonitors())
	}
	assert.Equal(t, registered, NumberOf())
}
