package tests

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/engine"
	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/netconn"
	"github.com/esock-go/esock/packet"
	"github.com/esock-go/esock/sockopt"
)

// scenarios are what programs do over a network. Each returns what it saw, which may not depend on the network's weather.
var scenarios = []struct {
	name string
	play func(t *testing.T, n network) []string
	want string
}{
	{"blocking", playBlocking, "there 200000 whole; back 200000 whole; end EOF"},
	{"select", playSelect, "connected; there 200000 whole; end EOF"},
	{"one mailbox for all", playMailbox, "connections 3; echoed 60000 60000 60000; whole true"},
	{"time-outs", playTimeouts, "receive 0 timeout; rest 2 timeout; send timeout; taken = received true"},
	{"half close", playHalfClose, "question 50000 whole, EOF; answer 50000 whole, EOF"},
	{"linger", playLinger, "close <nil>; all 100000 whole, EOF; abort connection reset by peer"},
	{"refused", playRefused, "blocking connection refused; asynchronous connection refused"},
	{"sendfile", playSendFile, "sent 150000 <nil>; received 150000 whole, EOF"},
	{"zero-copy", playZeroCopy, "received 150000 whole, EOF; released 3 of 3"},
	{"gentcp passive", playPassive, "packets 40 whole; closed"},
	{"gentcp active", playActive(gentcp.Active(true)), "packets 40 whole; passive 0; closed"},
	{"gentcp once", playActive(gentcp.ActiveOnce()), "packets 40 whole; passive 0; closed"},
	{"gentcp N", playActive(gentcp.ActiveN(7)), "packets 40 whole; passive 5; closed"},
	{"netconn", playNetConn, "deadline true; echoed 100000 whole, EOF"},
	{"engine", playEngine, "echoed 100000 100000; whole true"},
	{"datagrams", playDatagrams, "asked 40, answered 40 in order; others 0"},
	{"a burst of datagrams", playBurst, "all came right true; some came true"},
}

// pattern is data in which nothing repeats.
func pattern(n int) []byte {
	b := make([]byte, 0, n+4)
	for i := uint32(1); len(b) < n; i++ {
		b = binary.BigEndian.AppendUint32(b, i*2654435761)
	}
	return b[:n]
}

func fingerprint(b []byte) string { return fmt.Sprintf("%d %x", len(b), sha256.Sum256(b)) }

// whole says how much came, and whether it is the beginning of the pattern.
func whole(what string, got []byte) string {
	if !bytes.Equal(got, pattern(len(got))) {
		return said(what, len(got), "other bytes than were sent")
	}
	return said(what, len(got), "whole")
}

// toEnd receives until the stream ends, and says how.
func toEnd(what string, s *esock.Socket) string {
	var all []byte
	buf := make([]byte, 1<<16)
	for {
		k, err := s.Recv(buf, 0, esock.Within(patience))
		all = append(all, buf[:k]...)
		if err != nil {
			return whole(what, all) + ", " + fmt.Sprint(err)
		}
	}
}

func playBlocking(t *testing.T, n network) (saw []string) {
	a, b := n.connect(t)
	const size = 200_000
	got := make([]byte, size)
	for _, way := range []struct {
		what     string
		from, to *esock.Socket
	}{{"there", a, b}, {"back", b, a}} {
		sent := start(func() (int, error) { return way.from.Send(pattern(size), 0, esock.Within(patience)) })
		k, err := way.to.RecvFull(got, 0, esock.Within(patience))
		require.NoError(t, err)
		saw = append(saw, whole(way.what, got[:k]))
		require.Equal(t, outcome{size, nil}, result(t, sent))
	}
	require.NoError(t, a.Close())
	_, err := b.Recv(got, 0, esock.Within(patience))
	return append(saw, said("end", err))
}

// awaits makes an asynchronous call until it does not select any more, and adds up its counts.
func awaits(t *testing.T, mb *esock.Mailbox, call func(done int) (int, error)) (n int, err error) {
	t.Helper()
	for {
		k, err := call(n)
		n += k
		sel, waits := err.(*esock.Select)
		if !waits {
			return n, err
		}
		require.Equal(t, selectOf(sel), message(t, mb))
	}
}

func playSelect(t *testing.T, n network) (saw []string) {
	l := n.listens(t)
	here, there := esock.NewMailbox(), esock.NewMailbox()
	defer here.Close()
	defer there.Close()
	a := open(t, esock.Inet, esock.Stream, esock.TCP, n.client.inside())
	_, err := awaits(t, here, func(int) (int, error) { return 0, a.Connect(sockName(t, l), esock.NoWait(here)) })
	require.NoError(t, err)
	var b *esock.Socket
	_, err = awaits(t, there, func(int) (k int, err error) { b, err = l.Accept(esock.NoWait(there)); return 0, err })
	require.NoError(t, err)
	closeAtEnd(t, b)
	saw = append(saw, "connected")
	data := pattern(200_000)
	sent := start(func() (int, error) {
		n, err := awaits(t, here, func(done int) (int, error) { return a.Send(data[done:], 0, esock.NoWait(here)) })
		return n, errors.Join(err, a.Shutdown(esock.ShutWrite))
	})
	got := make([]byte, len(data))
	k, err := awaits(t, there, func(done int) (int, error) { return b.RecvFull(got[done:], 0, esock.NoWait(there)) })
	require.NoError(t, err)
	saw = append(saw, whole("there", got[:k]))
	_, err = awaits(t, there, func(int) (int, error) { return b.Recv(got, 0, esock.NoWait(there)) })
	require.Equal(t, outcome{len(data), nil}, result(t, sent))
	return append(saw, said("end", err))
}

// One mailbox serves a listener and all its connections: what came on one goes back.
func playMailbox(t *testing.T, n network) (saw []string) {
	const connections, size = 3, 60_000
	l := n.listens(t)
	mb := esock.NewMailbox()
	served := make(chan int)
	go func() {
		defer mb.Close()
		count, ended := 0, 0
		accepting := mb.NewHandle()
		conns := map[*esock.Handle]*esock.Socket{}
		serve := func(h *esock.Handle, s *esock.Socket) bool {
			buf := make([]byte, 4096)
			for {
				k, err := s.Recv(buf, 0, esock.With(h))
				if _, waits := err.(*esock.Select); waits {
					return true
				}
				if err == nil {
					_, err = s.Send(buf[:k], 0, esock.Within(patience))
				}
				if err != nil {
					s.Close()
					return false
				}
			}
		}
		step := func(h *esock.Handle) {
			if s := conns[h]; s != nil {
				if !serve(h, s) {
					ended++
				}
				return
			}
			for count < connections {
				s, err := l.Accept(esock.With(accepting))
				if err != nil {
					return
				}
				count++
				h := mb.NewHandle()
				conns[h] = s
				if !serve(h, s) {
					ended++
				}
			}
		}
		step(accepting)
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		for ended < connections {
			msg, err := mb.Receive(ctx)
			m, ok := msg.(esock.SelectMsg)
			if err != nil || !ok {
				break
			}
			step(m.Handle)
		}
		served <- count
	}()
	var echoed []any
	same := true
	for range connections {
		a := open(t, esock.Inet, esock.Stream, esock.TCP, n.client.inside())
		require.NoError(t, a.Connect(sockName(t, l), esock.Within(patience)))
		got := echo(t, a, size)
		echoed, same = append(echoed, len(got)), same && bytes.Equal(got, pattern(size))
	}
	select {
	case count := <-served:
		saw = append(saw, said("connections", count))
	case <-time.After(patience):
		t.Fatal("the connections do not end")
	}
	return append(saw, said("echoed", echoed...), said("whole", same))
}

// echo sends the pattern, ends the stream, and returns what came back.
func echo(t *testing.T, s *esock.Socket, size int) []byte {
	t.Helper()
	sent := start(func() (int, error) { return s.Send(pattern(size), 0, esock.Within(patience)) })
	got := make([]byte, size)
	k, err := s.RecvFull(got, 0, esock.Within(patience))
	require.NoError(t, err)
	require.Equal(t, outcome{size, nil}, result(t, sent))
	require.NoError(t, s.Close())
	return got[:k]
}

func playTimeouts(t *testing.T, n network) (saw []string) {
	const short = 20 * time.Millisecond
	a, b := n.connect(t)
	buf := make([]byte, 10)
	k, err := b.Recv(buf, 0, esock.Within(short))
	saw = append(saw, said("receive", k, err))
	send(t, a, "ab")
	eventually(t, "two bytes", func() bool { k, err := b.Recv(buf, esock.MsgPeek, esock.Within(0)); return k == 2 && err == nil })
	k, err = b.RecvFull(buf, 0, esock.Within(short))
	saw = append(saw, said("rest", k, err))

	// The peer does not receive: sooner or later no more goes, and what was taken arrives.
	data, taken := pattern(16<<20), 0
	for err = nil; err == nil && taken < len(data); {
		k, err = a.Send(data[taken:min(taken+1<<16, len(data))], 0, esock.Within(short))
		taken += k
	}
	saw = append(saw, said("send", err))
	require.NoError(t, a.Shutdown(esock.ShutWrite))
	got, size := sha256.New(), 0
	for piece := make([]byte, 1<<16); ; {
		k, err := b.Recv(piece, 0, esock.Within(patience))
		got.Write(piece[:k])
		size += k
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
	}
	want := sha256.Sum256(data[:taken])
	return append(saw, said("taken = received", size == taken && bytes.Equal(got.Sum(nil), want[:])))
}

func playHalfClose(t *testing.T, n network) []string {
	a, b := n.connect(t)
	sends := func(s *esock.Socket) <-chan outcome {
		return start(func() (int, error) {
			k, err := s.Send(pattern(50_000), 0, esock.Within(patience))
			return k, errors.Join(err, s.Shutdown(esock.ShutWrite))
		})
	}
	asked := sends(a)
	question := toEnd("question", b)
	require.Equal(t, outcome{50_000, nil}, result(t, asked))
	answered := sends(b)
	answer := toEnd("answer", a)
	require.Equal(t, outcome{50_000, nil}, result(t, answered))
	return []string{question, answer}
}

func playLinger(t *testing.T, n network) (saw []string) {
	a, b := n.connect(t)
	require.NoError(t, sockopt.SocketLinger.Set(a, sockopt.Linger{On: true, Time: patience}))
	received := make(chan string, 1)
	go func() { received <- toEnd("all", b) }()
	k, err := a.Send(pattern(100_000), 0, esock.Within(patience))
	require.NoError(t, err)
	require.Equal(t, 100_000, k)
	saw = append(saw, said("close", closeSoon(t, a)))
	select {
	case all := <-received:
		saw = append(saw, all)
	case <-time.After(patience):
		t.Fatal("the stream does not end")
	}

	// An abort is one packet, which may be lost; the answer to what is sent afterwards is another.
	a, b = n.connect(t)
	require.NoError(t, sockopt.SocketLinger.Set(a, sockopt.Linger{On: true}))
	require.NoError(t, a.Close())
	var ended error
	eventually(t, "the abort", func() bool {
		if _, ended = b.Send([]byte("x"), 0, esock.Within(patience)); ended == nil {
			_, ended = b.Recv(make([]byte, 1), 0, esock.Within(20*time.Millisecond))
		}
		return ended != nil && ended != esock.ErrTimeout
	})
	var errno syscall.Errno
	require.ErrorAs(t, ended, &errno)
	return append(saw, said("abort", errno))
}

func playRefused(t *testing.T, n network) []string {
	l := n.listens(t)
	to := sockName(t, l)
	require.NoError(t, l.Close())
	reason := func(err error) error {
		var errno syscall.Errno
		require.ErrorAs(t, err, &errno)
		return errno
	}
	open := func() *esock.Socket { return open(t, esock.Inet, esock.Stream, esock.TCP, n.client.inside()) }
	blocking := open().Connect(to, esock.Within(patience))
	mb := esock.NewMailbox()
	defer mb.Close()
	s := open()
	_, async := awaits(t, mb, func(int) (int, error) { return 0, s.Connect(to, esock.NoWait(mb)) })
	return []string{said("blocking", reason(blocking)), said("asynchronous", reason(async))}
}

func playSendFile(t *testing.T, n network) []string {
	a, b := n.connect(t)
	name := t.TempDir() + "/file"
	require.NoError(t, os.WriteFile(name, append([]byte("head"), pattern(150_000)...), 0o600))
	f, err := os.Open(name)
	require.NoError(t, err)
	defer f.Close()
	sent := start(func() (int, error) {
		k, err := a.SendFile(f, 4, 150_000, esock.Within(patience))
		return int(k), errors.Join(err, a.Shutdown(esock.ShutWrite))
	})
	received := toEnd("received", b)
	o := result(t, sent)
	return []string{said("sent", o.n, o.err), received}
}

func playZeroCopy(t *testing.T, n network) []string {
	a, b := n.connect(t)
	zc, err := a.ZeroCopy()
	require.NoError(t, err)
	received := make(chan string, 1)
	go func() { received <- toEnd("received", b) }()
	data := pattern(150_000)
	const sends = 3
	for i := range sends {
		k, err := zc.Send(data[i*len(data)/sends:(i+1)*len(data)/sends], esock.Within(patience))
		require.NoError(t, err)
		require.Equal(t, len(data)/sends, k)
	}
	released := 0
	for m := new(esock.Msg); zc.Pending() > 0; {
		e, err := a.RecvErr(m, esock.Within(patience))
		require.NoError(t, err)
		released += len(zc.Done(e)) // whether they were copied depends on the path
	}
	require.NoError(t, a.Shutdown(esock.ShutWrite))
	select {
	case all := <-received:
		return []string{all, fmt.Sprintf("released %d of %d", released, sends)}
	case <-time.After(patience):
		t.Fatal("the stream does not end")
		return nil
	}
}

// gentcpPair is a connection of gentcp with packets behind four bytes of length. The mailbox owns the server's side.
func (n network) gentcpPair(t *testing.T, mb *esock.Mailbox, mode gentcp.Option) (client, server *gentcp.Socket) {
	t.Helper()
	l, err := gentcp.Listen(nil, 0, gentcp.Binary(), gentcp.PacketType(packet.Len4), gentcp.IP(n.server.ip),
		gentcp.NetNS("/run/netns/"+n.server.name), gentcp.Active(false))
	require.NoError(t, err)
	defer l.Close()
	port, err := l.Port()
	require.NoError(t, err)
	client, err = gentcp.Connect(nil, n.server.ip.String(), port, esock.Within(patience), gentcp.Binary(),
		gentcp.PacketType(packet.Len4), gentcp.NetNS("/run/netns/"+n.client.name))
	require.NoError(t, err)
	t.Cleanup(func() { client.Close() })
	server, err = l.Accept(mb, esock.Within(patience))
	require.NoError(t, err)
	t.Cleanup(func() { server.Close() })
	if mb != nil {
		require.NoError(t, server.SetOpts(mode))
	}
	return client, server
}

const packets = 40

// somePackets are the packets that are sent: parts of the pattern, of different lengths.
func somePackets() (list [][]byte) {
	data, at := pattern(200_000), 0
	for i := range packets {
		size := i * i * 3 % 9000
		list, at = append(list, data[at:at+size]), at+size
	}
	return list
}

// sendPackets sends the packets and closes the socket.
func sendPackets(s *gentcp.Socket) <-chan outcome {
	return start(func() (int, error) {
		for i, p := range somePackets() {
			if err := s.Send(p); err != nil {
				return i, err
			}
		}
		return packets, s.Close()
	})
}

// arePackets says whether they are what was sent.
func arePackets(got [][]byte) string {
	if slices.EqualFunc(got, somePackets(), bytes.Equal) {
		return said("packets", len(got), "whole")
	}
	return said("packets", len(got), "others than were sent")
}

func playPassive(t *testing.T, n network) []string {
	client, server := n.gentcpPair(t, nil, gentcp.Active(false))
	sent := sendPackets(client)
	var got [][]byte
	for {
		p, err := server.Recv(0, esock.Within(patience))
		if errors.Is(err, gentcp.ErrClosed) {
			break
		}
		require.NoError(t, err)
		got = append(got, bytes.Clone(p.Data()))
	}
	require.Equal(t, outcome{packets, nil}, result(t, sent))
	return []string{arePackets(got), "closed"}
}

// playActive receives the packets as messages. In mode once and N it sets the mode anew when it has run out.
func playActive(mode gentcp.Option) func(t *testing.T, n network) []string {
	return func(t *testing.T, n network) []string {
		mb := esock.NewMailbox()
		defer mb.Close()
		client, server := n.gentcpPair(t, mb, mode)
		sent := sendPackets(client)
		var got [][]byte
		passive := 0
		for {
			switch m := message(t, mb).(type) {
			case gentcp.TCPMsg:
				got = append(got, bytes.Clone(m.Data()))
				if mode.Value() == gentcp.ActiveOnce().Value() {
					require.NoError(t, server.SetOpts(mode))
				}
			case gentcp.PassiveMsg:
				passive++
				require.NoError(t, server.SetOpts(mode))
			case gentcp.ClosedMsg:
				require.Equal(t, outcome{packets, nil}, result(t, sent))
				return []string{arePackets(got), said("passive", passive), "closed"}
			default:
				t.Fatalf("a message %v", m)
			}
		}
	}
}

func playNetConn(t *testing.T, n network) []string {
	a, b := n.connect(t)
	client, err := netconn.NewConn(a)
	require.NoError(t, err)
	defer client.Close()
	server, err := netconn.NewConn(b)
	require.NoError(t, err)
	require.NoError(t, client.SetReadDeadline(time.Now().Add(20*time.Millisecond)))
	_, err = client.Read(make([]byte, 1))
	late := errors.Is(err, os.ErrDeadlineExceeded)
	require.NoError(t, client.SetDeadline(time.Now().Add(patience)))
	require.NoError(t, server.SetDeadline(time.Now().Add(patience)))
	echoed := start(func() (int, error) {
		defer server.Close()
		n, err := io.Copy(server, server)
		return int(n), err
	})
	const size = 100_000
	sent := start(func() (int, error) {
		k, err := client.Write(pattern(size))
		return k, errors.Join(err, a.Shutdown(esock.ShutWrite))
	})
	got, err := io.ReadAll(client)
	require.NoError(t, err)
	require.Equal(t, outcome{size, nil}, result(t, sent))
	require.Equal(t, outcome{size, nil}, result(t, echoed))
	return []string{said("deadline", late), whole("echoed", got) + ", EOF"}
}

// returns is a handler that sends back what comes.
type returns struct{}

func (returns) Opened(*engine.Conn)               {}
func (returns) Received(c *engine.Conn, b []byte) { _, _ = c.Write(b) }
func (returns) Writable(*engine.Conn)             {}
func (returns) Closed(*engine.Conn, error)        {}

func playEngine(t *testing.T, n network) []string {
	loop, err := engine.New(engine.Buffers(64, 4096))
	require.NoError(t, err)
	l := n.listens(t)
	to := sockName(t, l)
	require.NoError(t, loop.Serve(l, returns{}))
	ran := start(func() (int, error) { return 0, loop.Run(context.Background()) })
	const size = 100_000
	var echoed []any
	same := true
	for range 2 {
		a := open(t, esock.Inet, esock.Stream, esock.TCP, n.client.inside())
		require.NoError(t, a.Connect(to, esock.Within(patience)))
		got := echo(t, a, size)
		echoed, same = append(echoed, len(got)), same && bytes.Equal(got, pattern(size))
	}
	require.NoError(t, loop.Close())
	require.Equal(t, outcome{0, engine.ErrClosed}, result(t, ran))
	return []string{said("echoed", echoed...), said("whole", same)}
}

// datagram has a number, and bytes that follow from it.
func datagram(number uint32) []byte {
	b := binary.BigEndian.AppendUint32(nil, number)
	for range number * 37 % 1200 {
		b = append(b, byte(len(b))^byte(number))
	}
	return b
}

// isDatagram returns the number of a datagram that is right.
func isDatagram(b []byte) (number uint32, ok bool) {
	if len(b) < 4 {
		return 0, false
	}
	number = binary.BigEndian.Uint32(b)
	return number, bytes.Equal(b, datagram(number))
}

// udpPair is a socket of the server and one of the client, which is connected to it.
func (n network) udpPair(t *testing.T) (client, server *esock.Socket) {
	t.Helper()
	server = open(t, esock.Inet, esock.Dgram, esock.UDP, n.server.inside())
	require.NoError(t, server.Bind(n.server.addr(0)))
	client = open(t, esock.Inet, esock.Dgram, esock.UDP, n.client.inside())
	require.NoError(t, client.Connect(sockName(t, server), esock.Within(patience)))
	return client, server
}

// Each datagram is sent again until its answer comes; what comes twice, or late, is known by its number.
func playDatagrams(t *testing.T, n network) []string {
	client, server := n.udpPair(t)
	served := start(func() (int, error) {
		buf := make([]byte, 2000)
		for {
			k, from, err := server.RecvFrom(buf, 0, esock.Forever)
			if err != nil {
				return 0, err
			}
			if _, err := server.SendTo(buf[:k], from, 0, esock.Within(patience)); err != nil {
				return 0, err
			}
		}
	})
	const asked = 40
	answered, others, inOrder := 0, 0, true
	buf := make([]byte, 2000)
	for number := uint32(0); number < asked; number++ {
		eventually(t, "an answer", func() bool {
			_, err := client.Send(datagram(number), 0, esock.Within(patience))
			require.NoError(t, err)
			for {
				k, err := client.Recv(buf, 0, esock.Within(500*time.Millisecond))
				if err == esock.ErrTimeout {
					return false
				}
				require.NoError(t, err)
				switch got, ok := isDatagram(buf[:k]); {
				case !ok || got > number:
					others++
				case got == number:
					answered++
					return true
				}
			}
		})
		inOrder = inOrder && answered == int(number)+1
	}
	require.NoError(t, server.Close())
	require.ErrorIs(t, result(t, served).err, errClosed)
	order := "out of order"
	if inOrder {
		order = "in order"
	}
	return []string{fmt.Sprintf("asked %d, answered %d %s", asked, answered, order), said("others", others)}
}

// Of datagrams without answers some come, in any order and number, and each as it was sent. A connection says when all were sent.
func playBurst(t *testing.T, n network) []string {
	client, server := n.udpPair(t)
	const sends = 300
	right, came := true, map[uint32]bool{}
	mb := esock.NewMailbox()
	defer mb.Close()
	m := esock.Msg{Buf: make([]byte, 2000)}
	receive := func() {
		for {
			err := server.RecvMsg(&m, 0, esock.Within(0))
			if err == esock.ErrTimeout {
				return
			}
			require.NoError(t, err)
			number, ok := isDatagram(m.Data())
			right = right && ok && number < sends && m.Flags&esock.MsgTrunc == 0
			came[number] = true
		}
	}
	for number := range uint32(sends) {
		_, err := client.Send(datagram(number), 0, esock.Within(patience))
		require.NoError(t, err)
		receive()
	}
	eventually(t, "a datagram", func() bool { receive(); return len(came) > 0 })
	return []string{said("all came right", right), said("some came", len(came) > 0)}
}
