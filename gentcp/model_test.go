package gentcp_test

import (
	"bytes"
	"net"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/packet"
)

// model is a stream of bytes and how far it has been delivered. Whatever is set, asked and given away in between,
// messages and receives have the packets that come next in it, as the type then was, each byte once.
//
// A message may have been cut from the stream under a type that was changed before it was looked at, so there may be
// several ways to read what was delivered; at is where each of them is in the stream.
type model struct {
	t      testing.TB
	s      *gentcp.Socket
	peer   *net.TCPConn
	owners []*esock.Mailbox // the first owns the socket

	sent  []byte
	ended bool // the peer sends no more
	at    map[int]bool
	over  bool // the end was told

	typ     packet.Type
	types   map[packet.Type]bool // those that messages in the mailbox may have been cut under
	active  any
	passive bool // the next message says that the count has run out
}

func TestModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := &model{t: t, owners: []*esock.Mailbox{esock.NewMailbox(), esock.NewMailbox(), esock.NewMailbox()},
			at: map[int]bool{0: true}, types: map[packet.Type]bool{packet.Raw: true}, active: false}
		m.s, m.peer = wired(t, m.owners[0], gentcp.Active(false), gentcp.ExitOnClose(rapid.Bool().Draw(rt, "exit_on_close")),
			gentcp.ReadAhead(rapid.Bool().Draw(rt, "read_ahead")))
		rt.Repeat(map[string]func(*rapid.T){
			"send":    m.send,
			"end":     m.end,
			"recv":    m.recv,
			"receive": m.receive,
			"active":  m.setActive,
			"packet":  m.setPacket,
			"others":  m.setOthers,
			"give":    m.give,
			"unrecv":  m.unrecv,
		})
		m.finish(rt)
		m.s.Close()
		m.peer.Close()
		for _, mb := range m.owners {
			mb.Close()
		}
	})
}

// send waits until what the peer sends is with the socket's kernel: what is delivered is then no question of time.
func (m *model) send(rt *rapid.T) {
	if m.ended || !m.s.Open() {
		rt.Skip("ended")
	}
	data := rapid.SampledFrom([]string{"\x00\x01a", "\x00\x00", "\x02xy", "\x00", "line\n", "\n", "\x00\x05", "bcdefg",
		"a line that is rather long, and no packet of another type\n"}).Draw(rt, "data")
	put(m.t, m.s, m.peer, data)
	m.sent = append(m.sent, data...)
}

func (m *model) end(rt *rapid.T) {
	if m.ended || !m.s.Open() || rapid.IntRange(0, 9).Draw(rt, "not yet") > 0 {
		rt.Skip("ended")
	}
	hangUp(m.t, m.s, m.peer)
	m.ended = true
}

// recv: a receive that succeeds comes after what is in the mailbox.
func (m *model) recv(rt *rapid.T) {
	length := 0
	if m.typ == packet.Raw {
		length = rapid.SampledFrom([]int{0, 0, 1, 3, 20}).Draw(rt, "length")
	}
	buf := make([]byte, rapid.SampledFrom([]int{0, 2, 5, 64, 10_000}).Draw(rt, "buffer"))
	p, err := m.s.RecvInto(buf, length, esock.Within(0))
	was := m.active
	m.drain(rt)
	switch gentcp.Reason(err) {
	case "ok":
		require.Equal(rt, false, m.active)
		if n := len(p.Data()); length > 0 && n != length {
			require.Less(rt, n, length)
			require.True(rt, m.ended, "short before the end")
			require.True(rt, m.at[len(m.sent)-n])
		}
		m.delivered(rt, p)
	case "einval":
		require.NotEqual(rt, false, was)
	case "timeout":
		require.Equal(rt, false, m.active)
		require.False(rt, m.ended)
		if length > 1 {
			require.Less(rt, len(m.sent)-m.least(), length)
		} else {
			require.False(rt, m.available(), "it is there")
		}
	case "closed":
		require.True(rt, m.ended)
		require.True(rt, m.over || !m.available(), "it is there")
		m.over, m.active = true, false
	default:
		require.NoError(rt, err)
	}
}

func (m *model) receive(rt *rapid.T) {
	if msg, ok := m.owners[0].Poll(); ok {
		m.message(rt, msg)
	}
}

// drain receives all that there is now.
func (m *model) drain(rt *rapid.T) {
	for msg, ok := m.owners[0].Poll(); ok; msg, ok = m.owners[0].Poll() {
		m.message(rt, msg)
	}
	m.types = map[packet.Type]bool{m.typ: true}
}

func (m *model) message(rt *rapid.T, msg esock.Message) {
	require.Same(rt, m.s, gentcp.SocketOf(msg))
	require.False(rt, m.over, "after the end: %s", describe(msg))
	if _, is := msg.(gentcp.PassiveMsg); is || m.passive {
		require.True(rt, is && m.passive, describe(msg))
		m.passive = false
		return
	}
	require.NotEqual(rt, false, m.active, describe(msg))
	var p gentcp.Packet
	switch msg := msg.(type) {
	case gentcp.TCPMsg:
		p = msg.Packet
	case gentcp.PortMsg:
		p = msg.Packet
	case gentcp.ClosedMsg:
		require.True(rt, m.ended)
		m.over, m.active = true, false
		return
	default:
		require.Fail(rt, describe(msg))
	}
	m.delivered(rt, p)
	switch n, count := m.active.(int); {
	case count && n > 1:
		m.active = n - 1
	case count:
		m.active, m.passive = false, true
	case m.active == gentcp.Once:
		m.active = false
	}
}

// delivered finds the packet in the stream.
func (m *model) delivered(rt *rapid.T, p gentcp.Packet) {
	data := p.Data()
	next := make(map[int]bool)
	for at := range m.at {
		for typ := range m.types {
			if typ == packet.Raw {
				if len(data) > 0 && bytes.HasPrefix(m.sent[at:], data) {
					next[at+len(data)] = true
				}
			} else if q, n, err := packet.Decode(typ, m.sent[at:], packet.Options{}); err == nil && bytes.Equal(q.Data(), data) {
				next[at+n] = true
			}
		}
	}
	require.NotEmpty(rt, next, "%q is not what comes next in %q at %v", data, m.sent, m.at)
	m.at = next
}

// available reports that there is a packet to deliver, however what was delivered is read.
func (m *model) available() bool {
	for at := range m.at {
		if _, _, err := packet.Decode(m.typ, m.sent[at:], packet.Options{}); err != nil {
			return false
		}
	}
	return true
}

// least is the position of which the most is still to come.
func (m *model) least() int {
	least := len(m.sent)
	for at := range m.at {
		least = min(least, at)
	}
	return least
}

// setActive knows what the mode is, so it looks into the mailbox before.
func (m *model) setActive(rt *rapid.T) {
	v := rapid.SampledFrom([]any{true, false, gentcp.Once, 1, 2, 3, -1, 0}).Draw(rt, "active")
	_, err := m.s.GetOpts("active") // what the kernel has is announced, or not
	if m.s.Open() {
		require.NoError(rt, err)
	}
	m.drain(rt)
	for m.active != false && m.available() {
		m.message(rt, nextMessage(m.t, m.owners[0])) // or else it is announced just now
	}
	if m.ended && m.active != false {
		m.message(rt, nextMessage(m.t, m.owners[0]))
	}
	m.drain(rt)
	open := m.s.Open()
	err = m.s.SetOpts(option(m.t, "active", v))
	if !open {
		require.Equal(rt, "einval", gentcp.Reason(err))
		return
	}
	require.NoError(rt, err)
	if m.over {
		return
	}
	n, count := v.(int)
	was, counted := m.active.(int)
	switch {
	case count && was+n > 0:
		m.active = was + n
	case count:
		m.active, m.passive = false, true
	default:
		m.active, m.passive = v, v == false && counted
	}
	if m.passive {
		m.message(rt, nextMessage(m.t, m.owners[0]))
	}
}

func (m *model) setPacket(rt *rapid.T) {
	typ := rapid.SampledFrom([]packet.Type{packet.Raw, packet.Len1, packet.Len2, packet.Line}).Draw(rt, "packet")
	m.set(rt, gentcp.PacketType(typ))
}

func (m *model) set(rt *rapid.T, o gentcp.Option) {
	open := m.s.Open()
	err := m.s.SetOpts(o)
	if !open {
		require.Equal(rt, "einval", gentcp.Reason(err))
		return
	}
	require.NoError(rt, err)
	if typ, ok := o.Value().(packet.Type); ok {
		m.typ = typ
		m.types[typ] = true
	}
}

func (m *model) setOthers(rt *rapid.T) {
	m.set(rt, rapid.SampledFrom([]gentcp.Option{
		gentcp.Deliver(gentcp.DeliverPort), gentcp.Deliver(gentcp.DeliverTerm), gentcp.Buffer(3), gentcp.Buffer(0),
		gentcp.Buffer(20_000), gentcp.ReadAhead(true), gentcp.ReadAhead(false), gentcp.PacketSize(100_000), gentcp.NoDelay(true),
	}).Draw(rt, "option"))
}

// give: what waits with the old owner moves, also the end, which closes the socket.
func (m *model) give(rt *rapid.T) {
	open := m.s.Open()
	err := m.s.ControllingProcess(m.owners[0], m.owners[1])
	if !open {
		require.Equal(rt, "closed", gentcp.Reason(err))
		return
	}
	require.NoError(rt, err)
	_, ok := m.owners[0].Poll()
	require.False(rt, ok, "something was left")
	m.owners = append(m.owners[1:], m.owners[0])
}

// unrecv puts bytes into the stream where it is delivered next, so it looks into the mailbox before.
func (m *model) unrecv(rt *rapid.T) {
	m.drain(rt)
	if len(m.at) != 1 {
		rt.Skip("there are several ways to read what was delivered")
	}
	at := m.least()
	data := []byte(rapid.SampledFrom([]string{"\x00\x01a", "\x02xy", "line\n", "\n", "bcdefg", ""}).Draw(rt, "data"))
	err := m.s.Unrecv(data)
	if m.over {
		require.Equal(rt, "closed", gentcp.Reason(err))
		return
	}
	require.NoError(rt, err)
	m.sent = slices.Concat(m.sent[:at], data, m.sent[at:])
}

// finish takes the rest, which must come by itself in an active mode.
func (m *model) finish(rt *rapid.T) {
	m.drain(rt)
	for m.active != false && (m.available() || m.ended) {
		m.message(rt, nextMessage(m.t, m.owners[0]))
	}
	m.drain(rt)
	if !m.s.Open() {
		require.True(rt, m.ended)
		return
	}
	require.NoError(rt, m.s.SetOpts(gentcp.Active(false), gentcp.PacketType(packet.Raw)))
	m.passive = m.passive || m.active != true && m.active != false && m.active != gentcp.Once
	if m.passive {
		m.message(rt, nextMessage(m.t, m.owners[0]))
	}
	m.active = false
	m.drain(rt)
	m.typ, m.types = packet.Raw, map[packet.Type]bool{packet.Raw: true}
	for !m.over {
		p, err := m.s.Recv(0, esock.Within(0))
		if err != nil {
			require.Equal(rt, m.ended, gentcp.Reason(err) == "closed")
			break
		}
		m.delivered(rt, p)
	}
	require.True(rt, m.over || m.at[len(m.sent)], "%v of %d bytes came", m.at, len(m.sent))
	for _, mb := range m.owners {
		require.Zero(rt, mb.Len())
	}
}
