package tests

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/sockopt"
)

// How waits end, of every family, in every direction, blocking and asynchronous: the result, and the number of system
// calls that it took. The results are those of a blocking call of the kernel, measured with C, but where a note says
// otherwise.

// An end is what may end a wait, and does to the wait of a family: an errno's name, "EOF", "ok", "ErrClosed", "waits": it
// goes on; alternatives are separated by |.
type end struct {
	name string
	do   func(t *testing.T, p *parties)
}

func shutdownOf(of func(p *parties) *esock.Socket, how esock.How) func(*testing.T, *parties) {
	return func(_ *testing.T, p *parties) { _ = of(p).Shutdown(how) } // some families have none
}

var ends = []end{
	{"nothing", func(*testing.T, *parties) {}},
	{"it becomes possible", func(_ *testing.T, p *parties) { p.act() }},
	{"peer closes", func(_ *testing.T, p *parties) { p.peer.Close() }},
	{"peer shuts reading", shutdownOf(theirs, esock.ShutRead)},
	{"peer shuts writing", shutdownOf(theirs, esock.ShutWrite)},
	{"peer shuts both", shutdownOf(theirs, esock.ShutReadWrite)},
	{"own shut reading", shutdownOf(ours, esock.ShutRead)},
	{"own shut writing", shutdownOf(ours, esock.ShutWrite)},
	{"own shut both", shutdownOf(ours, esock.ShutReadWrite)},
	{"a sharer shuts both", func(t *testing.T, p *parties) { _ = syscall.Shutdown(fdOf(t, p.own), syscall.SHUT_RDWR) }},
	{"own close", func(_ *testing.T, p *parties) { p.own.Close() }},
	{"a third drains", func(t *testing.T, p *parties) {
		buf := make([]byte, 4096)
		for fd := fdOf(t, p.peer); ; {
			if n, _, _ := syscall.Recvfrom(fd, buf, syscall.MSG_DONTWAIT); n <= 0 {
				return
			}
		}
	}},
	{"a third fills", func(t *testing.T, p *parties) {
		buf := make([]byte, 4096)
		for range 20 { // one is taken out, and the third puts one in
			_, _ = p.peer.Recv(buf, 0, esock.Within(0))
			_ = p.other(esock.Within(0))
		}
		p.act()
	}},
}

// A row is one direction of a family, with the results in the order of ends; "" is no case.
type row struct {
	name  string
	setup func(t *testing.T) *parties
	want  []string
}

func results(nothing, possible, peerCloses, peerR, peerW, peerRW, ownR, ownW, ownRW, sharer, thirds string) []string {
	ownClose := "ErrClosed"
	if strings.HasSuffix(nothing, "|ok") { // it may end by itself before
		ownClose += "|ok"
	}
	return []string{nothing, possible, peerCloses, peerR, peerW, peerRW, ownR, ownW, ownRW, sharer, ownClose, thirds, thirds}
}

// The tables. A stream's receive, and its send:
var (
	streamRecv = results("waits", "ok", "EOF", "waits", "EOF", "EOF", "EOF", "waits", "EOF", "EOF", "")
	unixSend   = results("waits", "ok", "EPIPE|ECONNRESET", "EPIPE", "waits", "EPIPE", "waits", "EPIPE", "EPIPE", "EPIPE", "")
	// What is on its way in a TCP connection may make room. MPTCP may take a last piece before it knows of the end.
	tcpSend = results("waits|ok", "ok", "EPIPE|ECONNRESET|ok", "waits|ok", "waits|ok", "waits|ok|EPIPE|ECONNRESET", "waits|ok", "EPIPE|ok",
		"EPIPE|ok", "EPIPE|ok", "")
	acceptTCP = results("waits", "ok", "", "", "", "", "EINVAL", "waits", "EINVAL", "EINVAL", "")
	// SCTP has an error of its own for the end of an association.
	sctpSend = results("waits|ok", "ok", "EPIPE|ECONNRESET|ESHUTDOWN|ok", "waits|ok", "waits|ok|ESHUTDOWN|EPIPE",
		"waits|ok|ESHUTDOWN|EPIPE|ECONNRESET", "waits|ok", "EPIPE|ESHUTDOWN|ok", "EPIPE|ESHUTDOWN|ok", "EPIPE|ESHUTDOWN|ok", "")
	// A listener of SCTP has no shutdown in Linux 6.1, and ends there in 7.2.
	sctpAccept = results("waits", "ok", "", "", "", "", "waits|EINVAL", "waits", "waits|EINVAL", "waits|EINVAL", "")
	// A socket that has no shutdown.
	neverShut = results("waits", "ok", "", "", "", "", "waits", "waits", "waits", "waits", "")
	// The end of the peer is nothing to a datagram socket that receives.
	dgramRecv = results("waits", "ok", "waits", "waits", "waits", "waits", "EOF", "waits", "EOF", "EOF", "")
	// The kernel's blocking send does not hear of the peer's shutdown, nor of its own: a try does.
	unixDgramSend = results("waits", "ok", "ECONNREFUSED|ENOTCONN|ECONNRESET", "EPIPE", "waits", "EPIPE", "waits", "EPIPE", "EPIPE", "EPIPE", "ok")
	// Both ends of a pair may send as long as there is memory; then the peer's shutdown frees none.
	unixPairSend = results("waits", "ok", "ECONNREFUSED|ENOTCONN|ECONNRESET", "waits", "waits", "waits", "waits", "EPIPE", "EPIPE", "EPIPE", "")
	netlinkSend  = results("waits", "ok", "ECONNREFUSED", "waits", "waits", "waits", "waits", "waits", "waits", "waits", "ok")
	netlinkRecv  = results("waits", "ok", "waits", "waits", "waits", "waits", "waits", "waits", "waits", "waits", "")
	// Sends that wait for room in the sender's own buffer.
	inetSend = results("waits", "ok", "", "", "", "", "waits", "EPIPE", "EPIPE", "EPIPE", "")
	inetRecv = results("waits", "ok", "waits", "waits", "waits", "waits", "EOF", "waits", "EOF", "EOF", "")
	linkSend = neverShut
	errQueue = results("waits", "ok", "waits", "waits", "waits", "waits", "waits", "waits", "waits", "waits", "")
	connect  = results("waits", "", "", "", "", "", "!ok", "waits|!ok", "!ok", "!ok", "")
)

func TestHowWaitsEnd(t *testing.T) {
	for _, r := range rows() {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			for i, e := range ends {
				for _, f := range append(forms, form{name: "blocking"}) {
					if r.want[i] == "" || f.completes && strings.HasSuffix(r.name, "error queue") { // RecvErr has no completion form
						continue
					}
					t.Run(e.name+", "+f.name, func(t *testing.T) { howItEnds(t, r, e, r.want[i], f) })
				}
			}
		})
	}
}

// watched is for how long a wait that must go on is looked at: one that spins makes thousands of system calls meanwhile.
const watched = 20 * time.Millisecond

func howItEnds(t *testing.T, r row, e end, want string, f form) {
	p := r.setup(t)
	before, begin := p.tries(), time.Now()
	waits := func() uint64 {
		c := p.own.Counters()
		return c.ReadWaits + c.WriteWaits + c.AccWaits
	}
	waited := waits()
	mayWait := strings.HasPrefix(want, "waits")
	mb := esock.NewMailbox()
	defer mb.Close()
	done := make(chan error, 1)
	var armed, messages atomic.Int32
	go func() {
		if f.wait == nil {
			done <- p.call(esock.Forever)
			return
		}
		for {
			err := p.call(f.wait(mb))
			if _, ok := err.(esock.Pending); !ok {
				done <- err
				return
			}
			armed.Store(1)
			msg, err := mb.Receive(context.Background())
			if abort, ok := msg.(esock.AbortMsg); ok {
				err = abort.Reason
			}
			if f.completes && err == nil {
				_, err = resultOf(msg)
				done <- err
				return
			}
			if err != nil {
				done <- err
				return
			}
			messages.Add(1)
		}
	}()
	eventually(t, "the wait", func() bool {
		if len(done) > 0 {
			return true
		}
		if f.wait != nil {
			return armed.Load() > 0
		}
		// Counted by the try after which it sleeps. An end that a sharer makes before is not seen.
		return waits() > waited || hasState(p.own.Info().WStates, "connecting")
	})
	e.do(t, p)
	var got string
	limit := time.After(patience)
	if mayWait {
		limit = time.After(watched)
	}
	select {
	case err := <-done:
		got = resultName(err)
	case <-limit:
		got = "waits"
	}
	made, took := p.tries()-before, time.Since(begin)
	if got == "waits" {
		p.own.Close()
		// Close ends it all the same, if the peer's doing, which may still be on its way, has not.
		if late := <-done; !errors.Is(late, errClosed) {
			got = resultName(late)
		}
	}
	ok := slices.Contains(strings.Split(want, "|"), got) || strings.Contains(want, "!ok") && got != "ok" && got != "waits"
	assert.True(t, ok, "it ended with %s, and not with %s", got, want)
	// Pauses are of 50 ms in the end, and there are few before.
	most := 40 + uint64(took/(20*time.Millisecond))
	assert.LessOrEqual(t, made, most, "system calls in %v", took)
	assert.LessOrEqual(t, uint64(messages.Load()), most, "messages in %v", took)
}

func resultName(err error) string {
	var errno syscall.Errno
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, errClosed):
		return "ErrClosed"
	case err == io.EOF:
		return "EOF"
	case errors.As(err, &errno):
		return unix.ErrnoName(errno)
	}
	return err.Error()
}

func writeTries(s *esock.Socket) func() uint64 {
	return func() uint64 { return s.Counters().WriteTries }
}

func readTries(s *esock.Socket) func() uint64 { return func() uint64 { return s.Counters().ReadTries } }

// kindRows are send and receive of a family.
func kindRows(name string, send, recv []string, sender, receiver func(t *testing.T) *parties) []row {
	return []row{{name + " send", sender, send}, {name + " receive", receiver, recv}}
}

func rows() (all []row) {
	add := func(r ...row) { all = append(all, r...) }
	streams := []struct {
		name       string
		make       maker
		send, recv []string
		accept     []string
	}{
		{"tcp", kindOf(sockopt.KindTCP4), tcpSend, streamRecv, acceptTCP},
		{"tcp6", kindOf(sockopt.KindTCP6), tcpSend, streamRecv, acceptTCP},
		{"mptcp", kindOf(sockopt.KindMPTCP), tcpSend, streamRecv, acceptTCP},
		{"sctp", kindOf(sockopt.KindSCTP), sctpSend, streamRecv, sctpAccept},
		{"unix stream", unixOf(esock.Stream), unixSend, streamRecv, acceptTCP},
		{"unix seqpacket", unixOf(esock.SeqPacket), unixSend, streamRecv, acceptTCP},
		{"vsock", kindOf(sockopt.KindVSock), tcpSend, streamRecv, neverShut},
	}
	for _, f := range streams {
		add(kindRows(f.name, f.send, f.recv, func(t *testing.T) *parties {
			a, b := connected(t, f.make)
			return sending(t, a, b, plainSend)
		}, func(t *testing.T) *parties {
			a, b := connected(t, f.make)
			return receiving(a, b, func() { send(t, b, "x") })
		})...)
		add(row{f.name + " accept", func(t *testing.T) *parties { return accepting(t, f.make) }, f.accept})
	}
	add(row{"tcp connect", connecting, connect})

	add(kindRows("unix datagram pair", unixPairSend, dgramRecv, func(t *testing.T) *parties {
		a, b := pair(t, esock.Dgram)
		return sending(t, a, b, plainSend)
	}, func(t *testing.T) *parties {
		a, b := pair(t, esock.Dgram)
		return receiving(a, b, func() { send(t, b, "x") })
	})...)
	for _, name := range []string{"connected", "not connected", "connected to another"} {
		add(row{"unix datagram " + name + " send", func(t *testing.T) *parties { return unixSender(t, name) }, unixDgramSend})
	}
	add(row{"unix datagram receive", func(t *testing.T) *parties {
		r, to := unixReceiver(t)
		s := open(t, esock.Local, esock.Dgram, 0)
		return receiving(r, s, func() { _ = sendTo(to)(s, esock.Forever) })
	}, dgramRecv})

	for _, name := range []string{"netlink", "netlink connected"} {
		add(kindRows(name, netlinkSend, netlinkRecv, func(t *testing.T) *parties { return netlinkSender(t, name != "netlink") },
			func(t *testing.T) *parties {
				r, to := netlinkUser(t)
				s, _ := netlinkUser(t)
				return receiving(r, s, func() { require.NoError(t, sendTo(to)(s, esock.Forever)) })
			})...)
	}

	for _, f := range []struct {
		name string
		kind sockopt.Kinds
		ip6  bool
	}{{"udp", sockopt.KindUDP4, false}, {"udp6", sockopt.KindUDP6, true}, {"udp-lite", sockopt.KindUDPLite, false}} {
		add(row{f.name + " send", func(t *testing.T) *parties { return slowSender(t, f.kind) }, inetSend})
		add(row{f.name + " receive", func(t *testing.T) *parties {
			r, s := kindSocket(t, f.kind), kindSocket(t, f.kind)
			require.NoError(t, r.Bind(esock.Loopback))
			return receiving(r, s, func() { require.NoError(t, sendTo(sockName(t, r))(s, esock.Forever)) })
		}, inetRecv})
	}
	// A raw socket for which the kernel makes the header does not wait for room.
	add(row{"raw send", func(t *testing.T) *parties { return rawSender(t, false) }, []string{"ENOBUFS", "", "", "", "", "", "", "", "", "", "", "", ""}})
	add(row{"raw send with header", func(t *testing.T) *parties { return rawSender(t, true) }, inetSend})
	add(row{"raw receive", rawReceiver, inetRecv})
	add(row{"packet send", func(t *testing.T) *parties { return slowSender(t, 0) }, linkSend})
	add(row{"packet receive", packetReceiver, neverShut})
	add(row{"udp error queue", udpErrors, errQueue}, row{"tcp error queue", tcpErrors, errQueue})
	return all
}
