package tests

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/esock-go/esock"
)

// A network that delays, loses, reorders and duplicates packets: two namespaces and a cable, at both ends of which Linux's
// queueing discipline netem does that, tc-netem(8). What programs see over it is what they see over the cable alone.

// weather is what netem does to the packets that leave an interface.
type weather struct {
	delay, jitter            time.Duration
	loss, duplicate, reorder float64 // parts of all packets; those that are reordered are not delayed
}

// weathers are those in which all scenarios play. All have a delay, without which little is under way at a time.
var weathers = []struct {
	name string
	weather
}{
	{"1 % loss, 50 ms", weather{delay: 50 * time.Millisecond, loss: 0.01}},
	{"reordering", weather{delay: 10 * time.Millisecond, jitter: 5 * time.Millisecond, reorder: 0.25}},
	{"duplication", weather{delay: 5 * time.Millisecond, duplicate: 0.2}},
}

// cut is a network through which nothing gets.
var cut = weather{loss: 1}

// Attributes of <linux/pkt_sched.h> and <linux/rtnetlink.h>.
const (
	tcaKind        = 1
	tcaOptions     = 2
	netemReorder   = 3
	netemLatency64 = 10
	netemJitter64  = 11
	handleRoot     = math.MaxUint32
	handleNetem    = 1 << 16
)

// attribute is a struct rtattr with its value, padded.
func attribute(typ uint16, value []byte) []byte {
	b := binary.NativeEndian.AppendUint16(nil, uint16(unix.SizeofRtAttr+len(value)))
	b = append(binary.NativeEndian.AppendUint16(b, typ), value...)
	return append(b, make([]byte, -len(b)&3)...)
}

// part is a probability, of which netem has 1 as all ones.
func part(p float64) uint32 { return uint32(p * math.MaxUint32) }

// u32s are numbers of 32 bits.
func u32s(v ...uint32) (b []byte) {
	for _, v := range v {
		b = binary.NativeEndian.AppendUint32(b, v)
	}
	return b
}

// request is the message that makes netem the discipline of an interface, or changes it: rtnetlink(7).
func (w weather) request(index int) []byte {
	gap := uint32(0)
	if w.reorder > 0 {
		gap = 1 // any packet may be the one that is sent at once
	}
	nested := slices.Concat(
		u32s(0, 10_000, part(w.loss), gap, part(w.duplicate), 0), // struct tc_netem_qopt: latency, limit, …, jitter
		attribute(netemReorder, u32s(part(w.reorder), 0)),
		attribute(netemLatency64, binary.NativeEndian.AppendUint64(nil, uint64(w.delay))),
		attribute(netemJitter64, binary.NativeEndian.AppendUint64(nil, uint64(w.jitter))))
	body := slices.Concat(
		u32s(0, uint32(index), handleNetem, handleRoot, 0), // struct tcmsg: family, ifindex, handle, parent, info
		attribute(tcaKind, []byte("netem\x00")), attribute(tcaOptions, nested))
	b := u32s(uint32(unix.NLMSG_HDRLEN + len(body)))
	b = binary.NativeEndian.AppendUint16(b, unix.RTM_NEWQDISC)
	b = binary.NativeEndian.AppendUint16(b, unix.NLM_F_REQUEST|unix.NLM_F_ACK|unix.NLM_F_CREATE|unix.NLM_F_REPLACE)
	return append(append(b, u32s(1, 0)...), body...)
}

// errNoNetem is the answer of a kernel that has no such discipline.
var errNoNetem = errors.New("this kernel has no netem: its module sch_netem is not there")

// set makes the weather at one end of a cable, through a netlink socket in its namespace.
func (w weather) set(t *testing.T, h host) error {
	t.Helper()
	s := open(t, esock.Netlink, esock.Raw, esock.Protocol(unix.NETLINK_ROUTE), h.inside())
	defer s.Close()
	request := esock.Msg{Addr: esock.NetlinkAddr(0, 0), Iov: [][]byte{w.request(h.index)}}
	_, err := s.SendMsg(&request, 0, esock.Within(patience))
	require.NoError(t, err)
	m := esock.Msg{Buf: make([]byte, 1<<16)}
	require.NoError(t, s.RecvMsg(&m, 0, esock.Within(patience)))
	answers := 0
	netlinkMessages(t, m.Data(), func(typ uint16, _ uint32, body []byte) {
		require.EqualValues(t, unix.NLMSG_ERROR, typ)
		answers++
		if n := int32(binary.NativeEndian.Uint32(body)); n != 0 {
			err = syscall.Errno(-n)
		}
	})
	require.Equal(t, 1, answers)
	if err == syscall.ENOENT {
		err = errNoNetem
	}
	return err
}

// network is two hosts, and what is between them.
type network struct{ client, server host }

// becomes makes the weather at both ends; the test is skipped where the kernel has no netem.
func (n network) becomes(t *testing.T, w weather) {
	t.Helper()
	for _, h := range []host{n.client, n.server} {
		err := w.set(t, h)
		if errors.Is(err, errNoNetem) {
			t.Skip(err)
		}
		require.NoError(t, err)
	}
}

// Each scenario has its result over the cable alone, and the same one in all weathers.
func TestANetworkThatDelaysLosesReordersAndDuplicates(t *testing.T) {
	client, server := cable(t)
	n := network{client, server}
	plain := map[string][]string{}
	t.Run("the cable alone", func(t *testing.T) {
		for _, s := range scenarios {
			t.Run(s.name, func(t *testing.T) {
				plain[s.name] = s.play(t, n)
				assert.Equal(t, s.want, strings.Join(plain[s.name], "; "))
			})
		}
	})
	for _, w := range weathers {
		t.Run(w.name, func(t *testing.T) {
			n.becomes(t, w.weather)
			for _, s := range scenarios {
				t.Run(s.name, func(t *testing.T) { assert.Equal(t, plain[s.name], s.play(t, n)) })
			}
		})
	}
}

// What is sent while the network is cut arrives when it is whole again; until then waits end by their time.
func TestACutNetworkHeals(t *testing.T) {
	client, server := cable(t)
	n := network{client, server}
	a, b := n.connect(t)
	n.becomes(t, cut)
	const short = 20 * time.Millisecond
	data := pattern(3000)
	sent, err := a.Send(data, 0, esock.Within(patience)) // the kernel takes it, and sends it again and again
	require.NoError(t, err)
	require.Equal(t, len(data), sent)
	got := make([]byte, len(data))
	for range 3 {
		k, err := b.Recv(got, 0, esock.Within(short))
		assert.Equal(t, esock.ErrTimeout, err)
		assert.Zero(t, k)
	}
	late := open(t, esock.Inet, esock.Stream, esock.TCP, n.client.inside())
	l := n.listens(t)
	assert.ErrorIs(t, late.Connect(sockName(t, l), esock.Within(short)), esock.ErrTimeout)
	mb := esock.NewMailbox()
	defer mb.Close()
	async := open(t, esock.Inet, esock.Stream, esock.TCP, n.client.inside())
	sel := selected(t, async.Connect(sockName(t, l), esock.NoWait(mb)))
	_, come := mb.Poll()
	assert.False(t, come, "the connection cannot be there")

	n.becomes(t, weather{})
	_, err = b.RecvFull(got, 0, esock.Within(patience))
	require.NoError(t, err)
	assert.Equal(t, fingerprint(data), fingerprint(got))
	assert.Equal(t, selectOf(sel), message(t, mb))
	require.NoError(t, async.Connect(sockName(t, l), esock.NoWait(mb)))
}

// Netem does what it is asked for: else the other tests would show nothing.
func TestNetemDuplicatesAndReorders(t *testing.T) {
	client, server := cable(t)
	n := network{client, server}
	a, b := n.udpPair(t)
	buf := make([]byte, 2000)
	number := func() uint32 {
		k, err := b.Recv(buf, 0, esock.Within(patience))
		require.NoError(t, err)
		number, ok := isDatagram(buf[:k])
		require.True(t, ok)
		return number
	}
	n.becomes(t, weather{duplicate: 1})
	for i := range uint32(3) {
		send(t, a, string(datagram(i)))
		assert.Equal(t, []uint32{i, i}, []uint32{number(), number()})
	}
	n.becomes(t, weathers[1].weather)
	next := uint32(0)
	eventually(t, "another order", func() bool {
		const burst = 20
		var came []uint32
		for range burst {
			send(t, a, string(datagram(next)))
			next++
		}
		for range burst {
			came = append(came, number())
		}
		return !slices.IsSorted(came)
	})
}

// The bytes by which netem is asked for are right, wherever it is not there to say so.
func TestNetemRequest(t *testing.T) {
	b := weather{delay: time.Millisecond, loss: 1}.request(7)
	types := 0
	netlinkMessages(t, b, func(typ uint16, _ uint32, body []byte) {
		types++
		assert.EqualValues(t, unix.RTM_NEWQDISC, typ)
		assert.Equal(t, u32s(0, 7, handleNetem, handleRoot, 0), body[:20])
		assert.Equal(t, "\x0a\x00\x01\x00netem\x00\x00\x00", string(body[20:32]))
		assert.EqualValues(t, len(body)-32, binary.NativeEndian.Uint16(body[32:]))
		assert.Equal(t, u32s(0, 10_000, math.MaxUint32, 0, 0, 0), body[36:60])
	})
	assert.Equal(t, 1, types)
}

// connect makes a connection from client to server.
func (n network) connect(t *testing.T) (client, server *esock.Socket) {
	t.Helper()
	l := n.listens(t)
	client = open(t, esock.Inet, esock.Stream, esock.TCP, n.client.inside())
	require.NoError(t, client.Connect(sockName(t, l), esock.Within(patience)))
	server, err := l.Accept(esock.Within(patience))
	require.NoError(t, err)
	closeAtEnd(t, server)
	require.NoError(t, l.Close())
	return client, server
}

// listens is a listener of the server.
func (n network) listens(t *testing.T) *esock.Socket {
	t.Helper()
	l := open(t, esock.Inet, esock.Stream, esock.TCP, n.server.inside())
	require.NoError(t, l.Bind(n.server.addr(0)))
	require.NoError(t, l.Listen(5))
	return l
}

// said is a result as a line of a scenario.
func said(what string, v ...any) string {
	for i := range v {
		if err, ok := v[i].(error); ok && isError(err, esock.ErrTimeout) {
			v[i] = "timeout"
		}
	}
	return strings.TrimSpace(what + " " + fmt.Sprintln(v...))
}
