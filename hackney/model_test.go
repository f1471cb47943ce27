package hackney

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/packet"
)

// state is what a connection may be like. Its packets are numbers, counted from 0, in the order they were sent.
type state struct {
	next  int    // the first packet that is neither a message nor received
	mode  any    // of option active
	queue string // the messages in the owner's mailbox, each with a space behind it: "0 1 passive "
	ended bool   // the end was told
}

// messages makes what the state may become when packets up to sent, and then perhaps the end, are delivered as the mode says.
func (s state) messages(sent int, ends bool) (all []state) {
	for {
		all = append(all, s)
		switch {
		case s.mode == false:
			return all
		case s.next < sent:
			s.queue += fmt.Sprint(s.next, " ")
			s.next++
			switch n, counts := s.mode.(int); {
			case counts && n > 1:
				s.mode = n - 1
			case counts:
				s.mode = false
				s.queue += "passive "
			case s.mode == gentcp.Once:
				s.mode = false
			}
		case ends:
			s.mode, s.ended = false, true
			s.queue += "closed "
			return append(all, s)
		default:
			return all
		}
	}
}

// set is the state after the option was set.
func (s state) set(v any) state {
	if s.ended {
		return s
	}
	n, number := v.(int)
	left, counted := s.mode.(int)
	switch {
	case number && left+n > 0:
		s.mode = left + n
	case number || v == false && counted:
		s.mode = false
		s.queue += "passive "
	default:
		s.mode = v
	}
	return s
}

// model knows all states that a connection may be in. What has arrived may have become messages or not, since the poller
// announces it in its own time; each observation leaves fewer.
type model struct {
	t      testing.TB
	s      Socket
	p      peer
	owners []*esock.Mailbox // the first owns the connection
	sent   int
	ends   bool // the peer has ended
	closed bool // we have closed
	states map[state]bool

	exitOnClose bool
	announced   bool // before the change in progress, that there may be messages
}

// The same model holds for both transports, whatever is done in whatever order.
func TestModel(t *testing.T) {
	both(t, func(t *testing.T, tr Transport) {
		rapid.Check(t, func(rt *rapid.T) {
			m := &model{t: t, owners: []*esock.Mailbox{esock.NewMailbox(), esock.NewMailbox()},
				states: map[state]bool{{mode: false}: true}, exitOnClose: rapid.Bool().Draw(rt, "exit_on_close")}
			m.s, m.p = connect(t, m.owners[0], tr, gentcp.ExitOnClose(m.exitOnClose))
			require.NoError(rt, m.s.SetOpts(gentcp.PacketType(packet.Len2)))
			rt.Repeat(map[string]func(*rapid.T){
				"send": m.send, "end": m.end, "active": m.setActive, "poll": m.poll, "recv": m.recv, "give": m.give, "close": m.close,
				"others": m.setOthers,
			})
			m.finish(rt)
			m.s.Close()
			m.p.tcp.Close()
			for _, mb := range m.owners {
				mb.Close()
			}
		})
	})
}

// look notes whether something is announced: a change of the mode or the owner then makes messages first.
func (m *model) look() { m.announced = m.owners[0].Len() > 0 }

// keep replaces the states by those that f makes of them and what they may have become by now; at least one must be left.
func (m *model) keep(rt *rapid.T, what string, f func(s state, keep func(state))) {
	left := make(map[state]bool)
	for before := range m.states {
		all := before.messages(m.sent, m.ends)
		for _, s := range all {
			if m.announced && s.queue == "" && all[len(all)-1].queue != "" {
				continue
			}
			f(s, func(s state) { left[s] = true })
		}
	}
	m.announced = false
	require.NotEmpty(rt, left, "%s: %d sent, ends %v, closed %v, %v", what, m.sent, m.ends, m.closed, m.states)
	m.states = left
}

// gone reports whether the connection may be closed in a state.
func (m *model) gone(s state) bool { return m.closed || s.ended && m.exitOnClose }

func (m *model) send(rt *rapid.T) {
	if m.ends || m.closed {
		rt.Skip("ended")
	}
	before, err := beneath(m.s).NRead()
	require.NoError(rt, err)
	var data []byte
	n := rapid.IntRange(1, 3).Draw(rt, "packets")
	for i := range n {
		data, _ = packet.Append(data, packet.Len2, binary.BigEndian.AppendUint16(nil, uint16(m.sent+i)))
	}
	write(m.t, m.p, string(data))
	eventually(m.t, func() bool { n, err := beneath(m.s).NRead(); return err != nil || n > before }, "the data")
	m.sent += n
}

func (m *model) end(rt *rapid.T) {
	if m.ends || m.closed || rapid.IntRange(0, 5).Draw(rt, "not yet") > 0 {
		rt.Skip("ended")
	}
	if c, ok := m.p.Conn.(interface{ CloseWrite() error }); ok {
		require.NoError(rt, c.CloseWrite())
	}
	require.NoError(rt, m.p.tcp.CloseWrite())
	const tcp, info, closeWait = 6, 11, 8
	eventually(m.t, func() bool {
		var state [8]byte
		_, err := beneath(m.s).GetOptionNative(tcp, info, state[:])
		return err != nil || state[0] == closeWait
	}, "the end")
	m.ends = true
}

func (m *model) setActive(rt *rapid.T) {
	v := rapid.SampledFrom([]any{true, false, gentcp.Once, 1, 2, 3, -1, -2, 0}).Draw(rt, "active")
	o, err := gentcp.Opt("active", v)
	require.NoError(rt, err)
	if m.look(); v == true {
		m.announced = false // it changes nothing in mode true
	}
	err = m.s.SetOpts(o)
	m.keep(rt, fmt.Sprint("active ", v, ": ", err), func(s state, keep func(state)) {
		switch {
		case err == nil && !m.closed:
			keep(s.set(v))
		case err != nil && m.gone(s):
			keep(s)
		}
	})
}

// setOthers: what does not change packets changes nothing.
func (m *model) setOthers(rt *rapid.T) {
	o := rapid.SampledFrom([]gentcp.Option{gentcp.NoDelay(true), gentcp.PacketSize(1000), gentcp.ShowEconnreset(true)}).Draw(rt, "option")
	err := m.s.SetOpts(o)
	m.keep(rt, fmt.Sprint(o, ": ", err), func(s state, keep func(state)) {
		if err == nil && !m.closed || err != nil && m.gone(s) {
			keep(s)
		}
	})
}

func (m *model) text(rt *rapid.T, msg esock.Message) string {
	e, ok := m.s.Event(msg)
	require.True(rt, ok, "%T", msg)
	data := m.s.Messages().Data
	if e.Tag == data {
		return fmt.Sprint(binary.BigEndian.Uint16(e.Packet.Data()))
	}
	return strings.TrimPrefix(e.Tag, data+"_")
}

// met leaves the states in which the message is the first.
func (m *model) met(rt *rapid.T, msg esock.Message) {
	text := m.text(rt, msg)
	m.keep(rt, "the message "+text, func(s state, keep func(state)) {
		if rest, ok := strings.CutPrefix(s.queue, text+" "); ok {
			s.queue = rest
			keep(s)
		}
	})
}

func (m *model) poll(rt *rapid.T) { m.polled(rt) }

// polled looks into the owner's mailbox; false: there was nothing.
func (m *model) polled(rt *rapid.T) bool {
	msg, ok := m.owners[0].Poll()
	if ok {
		m.met(rt, msg)
		return true
	}
	m.keep(rt, "no message", func(s state, keep func(state)) {
		if s.queue == "" {
			keep(s)
		}
	})
	return false
}

func (m *model) recv(rt *rapid.T) {
	p, err := m.s.RecvWait(0, esock.Within(0))
	m.keep(rt, fmt.Sprint("a receive: ", p, err), func(s state, keep func(state)) {
		possible := false
		switch reason(err) {
		case "ok":
			possible = s.mode == false && !m.closed && s.next < m.sent && int(binary.BigEndian.Uint16(p.Data())) == s.next
			s.next++
		case "einval":
			possible = s.mode != false
		case "timeout":
			possible = s.mode == false && !m.closed && s.next == m.sent && !m.ends
		case "closed":
			possible = m.closed || s.mode == false && s.next == m.sent && m.ends
			s.ended = true
		}
		if possible {
			keep(s)
		}
	})
}

// give: nothing stays with the old owner, and the new one has it all.
func (m *model) give(rt *rapid.T) {
	m.look()
	err := m.s.ControllingProcess(m.owners[0], m.owners[1])
	m.keep(rt, fmt.Sprint("another owner: ", err), func(s state, keep func(state)) {
		if err == nil && !m.closed || reason(err) == "closed" && m.gone(s) {
			keep(s)
		}
	})
	if err == nil {
		require.Zero(rt, m.owners[0].Len())
		slices.Reverse(m.owners)
	}
}

// close: no message follows.
func (m *model) close(rt *rapid.T) {
	if rapid.IntRange(0, 9).Draw(rt, "not yet") > 0 {
		rt.Skip("not yet")
	}
	m.look()
	require.NoError(rt, m.s.Close())
	m.keep(rt, "close", func(s state, keep func(state)) {
		s.mode = false
		keep(s)
	})
	m.closed = true
}

// finish takes the rest, which must come: messages by themselves, and then what is left by receives.
func (m *model) finish(rt *rapid.T) {
	for m.polled(rt) || m.comes() {
		if m.comes() {
			m.met(rt, m.receive())
		}
	}
	if m.closed {
		return
	}
	if m.s.SetOpts(gentcp.Active(false)) == nil {
		m.keep(rt, "passive", func(s state, keep func(state)) { keep(s.set(false)) })
	}
	for m.polled(rt) {
	}
	for range m.sent + 1 {
		m.recv(rt)
	}
	for s := range m.states {
		require.Equal(rt, m.sent, s.next)
		require.Empty(rt, s.queue)
	}
}

// comes reports that a message must come, whatever the state is.
func (m *model) comes() bool {
	for s := range m.states {
		all := s.messages(m.sent, m.ends)
		if all[len(all)-1].queue == "" {
			return false
		}
	}
	return true
}

func (m *model) receive() esock.Message {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	msg, err := m.owners[0].Receive(ctx)
	require.NoError(m.t, err)
	return msg
}
