package tests

import (
	"context"
	"log/slog"
	"net/netip"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/testint"
)

// An error names the method that was called, and its own name once.

func TestErrorsNameTheMethodThatHasNoNameInOTP(t *testing.T) {
	opOf := func(err error) string {
		var e *esock.Error
		require.ErrorAs(t, err, &e)
		return e.Op
	}
	mb := esock.NewMailbox()
	require.NoError(t, mb.Close())
	for _, opts := range [][]esock.OpenOption{nil, {esock.Owner(mb)}, {esock.NetNS("/x")}, {nil}} {
		_, err := esock.Adopt(-1, opts...)
		assert.Equal(t, "adopt", opOf(err))
	}
	_, err := esock.Open(esock.Inet, esock.Stream, esock.TCP, esock.Owner(mb))
	assert.Equal(t, "open", opOf(err))

	s := open(t, esock.Inet, esock.Stream, esock.TCP)
	_, err = s.TxTimestamps(esock.TimestampTxSoftware)
	assert.Equal(t, "tx_timestamps", opOf(err))
	assert.ErrorIs(t, err, syscall.EINVAL)
	assert.ErrorContains(t, err, "must be connected")
	_, err = s.TxTimestamps(0)
	assert.Equal(t, "tx_timestamps", opOf(err))
	packets := open(t, esock.Local, esock.Dgram, esock.Default)
	_, err = packets.ZeroCopy()
	assert.Equal(t, "zero_copy", opOf(err))
	require.NoError(t, s.Close())
	_, err = s.ZeroCopy()
	assert.Equal(t, "zero_copy", opOf(err))
	_, err = s.TxTimestamps(esock.TimestampTxSoftware)
	assert.Equal(t, "tx_timestamps", opOf(err))
	assert.ErrorIs(t, err, errClosed)
}

func TestReasonsHaveNoPrefix(t *testing.T) {
	for _, reason := range []error{esock.ErrAlready, esock.ErrCancelled, esock.ErrControlTruncated, esock.ErrState} {
		text := (&esock.Error{Op: "op", Reason: reason}).Error()
		assert.Equal(t, 1, strings.Count(text, "esock"), text)
	}
	assert.Equal(t, "esock: timeout", esock.ErrTimeout.Error(), "it is returned bare")
}

func TestNotOwnerSaysWhoOwns(t *testing.T) {
	mb, other := esock.NewMailbox(), esock.NewMailbox()
	s := open(t, esock.Inet, esock.Dgram, esock.UDP)
	err := s.ControllingProcess(mb, other)
	assert.ErrorIs(t, err, &esock.InvalidError{What: "not_owner"})
	assert.ErrorContains(t, err, "no owner")
	require.NoError(t, s.ControllingProcess(nil, mb))
	for _, from := range []*esock.Mailbox{nil, other} {
		err = s.ControllingProcess(from, other)
		assert.ErrorIs(t, err, &esock.InvalidError{What: "not_owner"})
		assert.ErrorContains(t, err, "the owner is "+mb.String())
	}
}

// A packet info with an address of the wrong kind is refused, and not sent without the address.
func TestPktInfoWithAnAddressThatCannotBeSent(t *testing.T) {
	six := netip.MustParseAddr("2001:db8::5")
	var m esock.Msg
	type refused struct {
		c     esock.ControlMessage
		cause string
	}
	all := []refused{
		{esock.PktInfo4{SpecDst: six}.Control(), "an address is not IPv4"},
		{esock.PktInfo4{Addr: six}.Control(), "an address is not IPv4"},
		{esock.PktInfo4{IfIndex: -1}.Control(), "IfIndex is out of range"},
		{esock.PktInfo6{IfIndex: -1}.Control(), "IfIndex is out of range"},
		{esock.PktInfo6{Addr: netip.MustParseAddr("fe80::1%lo")}.Control(), "the address has a zone"},
	}
	for _, n := range testint.Wide() {
		all = append(all, refused{esock.Credentials{PID: n}.Control(), "the PID does not fit"})
	}
	for _, bad := range all {
		err := m.SetControl(bad.c)
		assert.ErrorIs(t, err, &esock.InvalidError{What: "msg"})
		assert.ErrorContains(t, err, bad.cause)
	}
	_, err := esock.ControlMessageFromMap(map[string]any{"level": "ip", "type": "pktinfo",
		"value": map[string]any{"ifindex": 0, "spec_dst": "2001:db8::5"}})
	assert.ErrorContains(t, err, "an address is not IPv4")
	for _, c := range []esock.ControlMessage{esock.PktInfo4{SpecDst: loopback}.Control(), esock.PktInfo4{}.Control(),
		esock.PktInfo4{SpecDst: netip.AddrFrom16(loopback.As16())}.Control(), esock.PktInfo6{Addr: loopback}.Control()} {
		assert.NoError(t, m.SetControl(c))
	}
}

// What the kernel says of an adopted socket is in Info and in the table.
func TestAdopt_States(t *testing.T) {
	l, addr := listener(t, 1)
	assert.Equal(t, []string{"bound", "listening"}, twin(t, l).Info().RStates)
	assert.Empty(t, twin(t, l).Info().WStates)
	c := dial(t, addr)
	assert.Empty(t, twin(t, c).Info().RStates, "it may have been bound, or not")
	assert.Equal(t, []string{"connected"}, twin(t, c).Info().WStates)

	u, _ := udp(t)
	assert.Equal(t, []string{"bound"}, twin(t, u).Info().RStates)
	path := open(t, esock.Local, esock.Stream, esock.Default)
	require.NoError(t, path.Bind(esock.UnixAddr(filepath.Join(t.TempDir(), "s"))))
	assert.Equal(t, []string{"bound"}, twin(t, path).Info().RStates)
	nl := open(t, esock.Netlink, esock.Raw, esock.Default)
	assert.Empty(t, twin(t, nl).Info().RStates)
	assert.Empty(t, twin(t, nl).Info().WStates, "the kernel is the peer of all")
	require.NoError(t, nl.Bind(esock.NetlinkAddr(0, 0)))
	assert.Equal(t, []string{"bound"}, twin(t, nl).Info().RStates)
	for _, d := range []esock.Domain{esock.Inet, esock.Inet6, esock.Local} {
		fresh, err := esock.Open(d, esock.Stream, esock.Default)
		if err != nil {
			continue // a system without IPv6
		}
		closeAtEnd(t, fresh)
		assert.Empty(t, twin(t, fresh).Info().RStates, d)
		assert.Empty(t, twin(t, fresh).Info().WStates, d)
	}

	adopted, err := esock.Adopt(fdOf(t, l), esock.Registered(true))
	require.NoError(t, err)
	closeAtEnd(t, adopted)
	rows, err := esock.SocketRows(func(s *esock.Socket) bool { return s == adopted })
	require.NoError(t, err)
	require.Len(t, rows, 1)
	assert.Equal(t, "BD:LG, -", rows[0].State)
}

// heard is a log that counts records by their message.
type heard struct {
	slog.Handler
	mu sync.Mutex
	n  map[string]int
}

func (h *heard) Enabled(context.Context, slog.Level) bool { return true }

func (h *heard) Handle(_ context.Context, r slog.Record) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.n[r.Message]++
	return nil
}

func (h *heard) count(message string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.n[message]
}

// A socket that is forgotten open is reported to the library's trace, where that is asked for.
func TestForgottenSocketIsReportedOnRequest(t *testing.T) {
	const message = "esock: a socket was forgotten and is closed by the garbage collector"
	log := &heard{Handler: slog.DiscardHandler, n: map[string]int{}}
	esock.SetLogger(slog.New(log))
	defer esock.SetLogger(nil)
	forget := func() {
		before := esock.Info().Gauges.Sockets
		_, err := esock.Open(esock.Inet, esock.Dgram, esock.UDP, esock.Registered(false))
		require.NoError(t, err)
		eventually(t, "the socket is closed", func() bool { runtime.GC(); return esock.Info().Gauges.Sockets == before })
	}
	forget()
	esock.SocketDebug(true)
	defer esock.SocketDebug(false)
	forget()
	eventually(t, "the report", func() bool { return log.count(message) > 0 }) // a goroutine of its own makes it
	assert.Equal(t, 1, log.count(message), "none of the first, before which it was not asked for")
}
