package sctp

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/testwait"
	"github.com/esock-go/esock/sockopt"
)

// aborts closes a socket so that its peers get an ABORT.
func aborts(t *testing.T, s *esock.Socket) {
	t.Helper()
	require.NoError(t, sockopt.SocketLinger.Set(s, sockopt.Linger{On: true}))
	require.NoError(t, s.Close())
}

// waits calls f in a goroutine until it fails, and returns its error's place when it waits.
func waits(t *testing.T, s *esock.Socket, counter func(*esock.Counters) uint64, f func() error) <-chan error {
	t.Helper()
	c := s.Counters()
	before, failed := counter(&c), make(chan error, 1)
	go func() {
		for {
			if err := f(); err != nil {
				failed <- err
				return
			}
		}
	}()
	testwait.Until(t, "a wait", func() bool { c := s.Counters(); return counter(&c) > before })
	return failed
}

// A send that waits for room ends with its association, and with its socket.
func TestASendThatWaitsEnds(t *testing.T) {
	many := func(t *testing.T, end func(client, server *esock.Socket, sid int32), want error) {
		client, server, cid, sid := oneToMany(t, nil)
		stuffed(t, client, esock.SCTPSndInfo{AssocID: cid})
		failed := waits(t, client, func(c *esock.Counters) uint64 { return c.WriteWaits }, func() error {
			_, err := SendV(client, [][]byte{[]byte(stuffing)}, nil, patient, esock.SCTPSndInfo{AssocID: cid})
			return err
		})
		end(client, server, sid)
		assert.ErrorIs(t, <-failed, want)
	}
	t.Run("the peer aborts", func(t *testing.T) {
		many(t, func(_, server *esock.Socket, sid int32) {
			require.NoError(t, Abort(server, sid, nil, patient))
		}, syscall.EPIPE)
	})
	t.Run("the peer closes", func(t *testing.T) {
		many(t, func(_, server *esock.Socket, _ int32) { aborts(t, server) }, syscall.EPIPE)
	})
	t.Run("close", func(t *testing.T) {
		many(t, func(client, _ *esock.Socket, _ int32) { aborts(t, client) }, net.ErrClosed)
	})
	t.Run("one-to-one", func(t *testing.T) {
		client, server := oneToOne(t, nil)
		stuffed(t, client)
		failed := waits(t, client, func(c *esock.Counters) uint64 { return c.WriteWaits }, func() error {
			_, err := SendV(client, [][]byte{[]byte(stuffing)}, nil, patient)
			return err
		})
		aborts(t, server)
		err := <-failed
		assert.True(t, err != esock.ErrTimeout, "%v", err) // ECONNRESET, or EPIPE where it has been told
	})
}

func TestAReceiveThatWaitsEnds(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(client, server *esock.Socket)
		want error
	}{
		{"the peer aborts", func(client, _ *esock.Socket) { aborts(t, client) }, syscall.ECONNRESET},
		{"the peer ends", func(client, _ *esock.Socket) { require.NoError(t, EOF(client, 0, patient)) }, io.EOF},
		{"close", func(_, server *esock.Socket) { aborts(t, server) }, net.ErrClosed},
	} {
		t.Run(c.name, func(t *testing.T) {
			client, server := oneToOne(t, nil)
			failed := waits(t, server, func(c *esock.Counters) uint64 { return c.ReadWaits }, func() error {
				var m esock.Msg
				_, err := RecvV(server, &m, patient)
				return err
			})
			c.end(client, server)
			assert.ErrorIs(t, <-failed, c.want)
		})
	}
}

// The socket of a branched-off association is of no use without it, and says so.
func TestWhatIsLeftOfABranchedOffAssociation(t *testing.T) {
	client, server, cid, sid := oneToMany(t, nil)
	peeled, err := PeelOff(server, sid)
	require.NoError(t, err)
	closes(t, peeled)
	_, err = PeelOff(peeled, sid)
	assert.ErrorIs(t, err, syscall.EINVAL)
	require.NoError(t, Abort(client, cid, []byte("why"), patient))
	lost := next[AssocChange](t, peeled)
	assert.Equal(t, CommLost, lost.State)
	assert.Contains(t, string(lost.Info), "why")
	var m esock.Msg
	_, err = RecvV(peeled, &m, patient)
	assert.ErrorIs(t, err, syscall.ECONNRESET, "the kernel says it once")
	for _, err := range []error{EOF(peeled, 0, patient), Abort(peeled, 0, nil, patient)} {
		assert.ErrorIs(t, err, syscall.EPIPE)
		assert.ErrorContains(t, err, "there is no such association, or it has ended")
	}
	_, err = PeerNames(peeled, sid)
	assert.ErrorIs(t, err, syscall.EINVAL)
}

// One of several branches it off, also while the socket closes.
func TestAnAssociationIsBranchedOffOnce(t *testing.T) {
	for round := range 10 {
		_, server, _, sid := oneToMany(t, nil)
		var all sync.WaitGroup
		branched := make(chan *esock.Socket, 4)
		for range cap(branched) {
			all.Go(func() {
				if s, err := PeelOff(server, sid); err == nil {
					branched <- s
				}
			})
		}
		if round%2 == 1 {
			all.Go(func() { server.Close() })
		}
		all.Wait()
		close(branched)
		assert.LessOrEqual(t, len(branched), 1)
		if round%2 == 0 {
			assert.Len(t, branched, 1)
		}
		for s := range branched {
			closes(t, s)
		}
	}
}

// A notification of which somebody has read the beginning is not taken for a message.
func TestTheRestOfANotificationIsNoMessage(t *testing.T) {
	client, _, cid, _ := oneToMany(t, nil)
	require.NoError(t, Abort(client, cid, []byte("because"), patient))
	m := &esock.Msg{Buf: make([]byte, 9)}
	require.NoError(t, client.RecvMsg(m, 0, patient))
	require.NotZero(t, m.Flags&MsgNotification)
	require.Zero(t, m.Flags&esock.MsgEOR)
	n, err := RecvV(client, &esock.Msg{}, patient)
	assert.ErrorIs(t, err, &esock.InvalidError{What: "notification"})
	assert.ErrorContains(t, err, "esock: recvv")
	assert.Nil(t, n)
}

// What one call sends is one message, or an error: more buffers than a message has are refused.
func TestAMessageIsNotSentInPieces(t *testing.T) {
	client, server := oneToOne(t, nil)
	buffers := make([][]byte, esock.Info().IOVMax+1)
	for i := range buffers {
		buffers[i] = []byte{'x'}
	}
	_, err := SendV(client, buffers, nil, patient)
	assert.ErrorIs(t, err, &esock.InvalidError{What: "iov"})
	n, err := SendV(client, buffers[1:], nil, patient)
	require.NoError(t, err)
	assert.Equal(t, len(buffers)-1, n)
	m := message(t, server)
	assert.Len(t, m.Data(), len(buffers)-1)
	assert.NotZero(t, m.Flags&esock.MsgEOR)
}

// Several senders on many streams: each stream keeps its order, and nothing is lost.
func TestManyMessagesOnManyStreams(t *testing.T) {
	const streams, each, senders = 50, 200, 4
	client, server, cid, _ := oneToMany(t, func(client, server *esock.Socket) {
		for _, s := range []*esock.Socket{client, server} {
			require.NoError(t, sockopt.SCTPInitMsg.Set(s, esock.SCTPInit{NumOStreams: streams, MaxInStreams: streams}))
		}
		require.NoError(t, sockopt.SCTPRecvRcvInfo.Set(server, true))
		// So many small messages overflow the receiver's buffer, and what it drops comes again after the least of these.
		require.NoError(t, sockopt.SCTPNoDelay.Set(client, true))
		require.NoError(t, sockopt.SCTPRTOInfo.Set(client, sockopt.SCTPRTOInfoValue{Initial: 100 * time.Millisecond,
			Max: 100 * time.Millisecond, Min: 10 * time.Millisecond}))
	})
	failed := make(chan error, senders)
	for g := range senders {
		go func() {
			for i := range each {
				for sid := g; sid < streams; sid += senders {
					b := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, uint16(sid)), uint16(i))
					info := esock.SCTPSndInfo{AssocID: cid, SID: uint16(sid), PPID: uint32(i)}
					if _, err := SendV(client, [][]byte{b[:2], b[2:]}, nil, esock.Within(testwait.Long), info); err != nil {
						failed <- err
						return
					}
				}
			}
			failed <- nil
		}()
	}
	var m esock.Msg
	var numbers [streams]uint32
	for range streams * each {
		n, err := RecvV(server, &m, esock.Within(testwait.Long))
		require.NoError(t, err)
		require.Nil(t, n)
		info, ok := RcvInfo(&m)
		require.True(t, ok)
		want := fmt.Sprintf("%x", uint32(info.SID)<<16|numbers[info.SID])
		require.Equal(t, want, fmt.Sprintf("%x", binary.BigEndian.Uint32(m.Data())))
		require.Equal(t, numbers[info.SID], info.PPID)
		require.EqualValues(t, numbers[info.SID], info.SSN)
		numbers[info.SID]++
	}
	for range senders {
		assert.NoError(t, <-failed)
	}
}
