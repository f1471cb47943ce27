package gentcp_test

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/internal/testwait"
	"github.com/esock-go/esock/packet"
)

// numbered is a packet that says which it is.
func numbered(i int) []byte { return binary.BigEndian.AppendUint32(nil, uint32(i)) }

func numberIn(p gentcp.Packet) int { return int(binary.BigEndian.Uint32(p.Data())) }

// A thousand connections in mode {active, N} go from owner to owner, and some owners die. Of each connection every
// packet comes once and in order, up to the end; those of an owner that died are closed.
func TestManyConnections(t *testing.T) {
	const conns, packets, owners = 1000, 40, 20
	goroutines := runtime.NumGoroutine()
	l := listenWith(t, nil, gentcp.Backlog(conns))
	type conn struct {
		s, peer *gentcp.Socket
		next    int  // packet
		over    bool // ClosedMsg came
	}
	boxes := make([]*esock.Mailbox, owners)
	for i := range boxes {
		boxes[i] = owner(t)
	}
	var all [conns]*conn
	bySocket := make(map[*gentcp.Socket]*conn, conns)
	for i := range all {
		peer := connectTo(t, nil, l, gentcp.PacketType(packet.Len2), gentcp.Active(false))
		a := acceptFrom(t, l, boxes[i%owners])
		all[i] = &conn{s: a, peer: peer}
		bySocket[a] = all[i]
		require.NoError(t, a.SetOpts(gentcp.PacketType(packet.Len2), gentcp.ActiveN(1+i%7)))
	}
	for i := range 8 {
		background(t, func() {
			for k := range packets {
				for j := i; j < conns; j += 8 {
					all[j].peer.Send(numbered(k)) // fails where the owner has died
				}
			}
			for j := i; j < conns; j += 8 {
				all[j].peer.Close()
			}
		})
	}
	// Each owner is a goroutine. It passes some of its connections on to the next, and the last one dies.
	var live atomic.Int64
	live.Store(conns)
	limit, cancel := context.WithTimeout(t.Context(), longEnough)
	defer cancel()
	ctx, finish := context.WithCancel(limit)
	defer finish()
	over := func(n int) {
		if live.Add(int64(-n)) == 0 {
			finish()
		}
	}
	var wg sync.WaitGroup
	for i := range owners {
		wg.Go(func() {
			mb, next, r := boxes[i], boxes[(i+1)%(owners-1)], rand.New(rand.NewPCG(1, uint64(i)))
			for n := 0; ; n++ {
				if i == owners-1 && n == 300 { // it dies
					mb.Close()
					return
				}
				msg, err := mb.Receive(ctx)
				if err != nil {
					return
				}
				c := bySocket[gentcp.SocketOf(msg)]
				switch m := msg.(type) {
				case gentcp.TCPMsg:
					if k := numberIn(m.Packet); !assert.Equal(t, c.next, k) {
						return
					}
					c.next++
					if r.IntN(10) == 0 {
						c.s.ControllingProcess(mb, next)
					}
				case gentcp.PassiveMsg:
					c.s.SetOpts(gentcp.ActiveN(1 + r.IntN(7)))
				case gentcp.ClosedMsg:
					assert.False(t, c.over, "closed twice")
					c.over = true
					over(1)
				default:
					t.Error(describe(msg))
				}
			}
		})
	}
	// The connections of the owner that dies bring no message.
	dead := make(map[*conn]bool)
	comes(t, "the death", boxes[owners-1].Closed)
	for _, c := range all {
		if c.s.Owner() == boxes[owners-1] && !c.over {
			dead[c] = true
		}
	}
	over(len(dead))
	wg.Wait()
	require.NoError(t, limit.Err(), "%d connections never ended", live.Load())
	for i, c := range all {
		if dead[c] {
			assert.False(t, c.s.Open(), "connection %d", i)
		} else {
			assert.True(t, c.over, "connection %d", i)
			assert.Equal(t, packets, c.next, "connection %d", i)
			assert.False(t, c.s.Open(), "connection %d", i)
		}
	}
	assert.NotEmpty(t, dead)
	for _, mb := range boxes {
		assert.Zero(t, mb.Len())
	}
	comes(t, "the end of the goroutines", func() bool { return runtime.NumGoroutine() <= goroutines+10 })
}

// Several goroutines receive from one mailbox while others change the mode: a wake-up that is lost would leave the
// connection stuck with data.
func TestNoWakeUpIsLost(t *testing.T) {
	for round := range 10 {
		mb := esock.NewMailbox()
		s, peer := bothEnds(t, mb, gentcp.PacketType(packet.Len2), gentcp.Active(round%2 == 0))
		require.NoError(t, peer.SetOpts(gentcp.PacketType(packet.Len2)))
		const packets = 2000
		ctx, cancel := context.WithTimeout(t.Context(), longEnough)
		var got [packets]atomic.Int32
		arrived := make(chan struct{}, 2*packets)
		closed := make(chan struct{})
		var wg sync.WaitGroup
		take := func(p gentcp.Packet) {
			got[numberIn(p)].Add(1)
			arrived <- struct{}{}
		}
		for range 3 {
			wg.Go(func() {
				for {
					msg, err := mb.Receive(ctx)
					if err != nil {
						return
					}
					switch m := msg.(type) {
					case gentcp.TCPMsg:
						take(m.Packet)
					case gentcp.ClosedMsg:
						close(closed)
						return
					case gentcp.ErrorMsg:
						t.Error(m.Reason)
					}
				}
			})
		}
		// These end in mode true: all the others have done is to hold it up.
		var stops []func()
		for i := range 3 {
			r := rand.New(rand.NewPCG(uint64(round), uint64(i)))
			stops = append(stops, testwait.Repeat(func() {
				switch r.IntN(8) {
				case 0:
					s.SetOpts(gentcp.Active(true))
				case 1:
					s.SetOpts(gentcp.ActiveOnce())
				case 2:
					s.SetOpts(gentcp.ActiveN(1 + r.IntN(5)))
				case 3:
					s.SetOpts(gentcp.Active(false))
				case 4:
					s.GetOpts("active")
				case 5:
					s.SetOpts(gentcp.Buffer(100 + r.IntN(1000)))
				case 6:
					if p, err := s.Recv(0, now); err == nil {
						take(p)
					}
				case 7:
					if p, err := s.Recv(0, esock.Within(time.Duration(r.IntN(100))*time.Microsecond)); err == nil {
						take(p)
					}
				}
				runtime.Gosched()
			}))
		}
		for i := range packets / 2 {
			require.NoError(t, peer.Send(numbered(i)))
		}
		for _, stop := range stops {
			stop()
		}
		require.NoError(t, s.SetOpts(gentcp.Active(true)))
		// One at a time, so that each needs a wake-up of its own.
		count := 0
		await := func(n int) {
			for ; count < n; count++ {
				select {
				case <-arrived:
				case <-ctx.Done():
					t.Fatalf("a wake-up is lost: %d of %d came", count, n)
				}
			}
		}
		for i := packets / 2; i < packets; i++ {
			require.NoError(t, peer.Send(numbered(i)))
			if i%4 == 0 {
				await(i + 1)
			}
		}
		await(packets)
		peer.Close()
		select {
		case <-closed:
		case <-ctx.Done():
			t.Fatal("a wake-up is lost: the end never came")
		}
		cancel()
		mb.Close()
		wg.Wait()
		for i := range got {
			require.Equal(t, int32(1), got[i].Load(), "packet %d", i)
		}
	}
}
