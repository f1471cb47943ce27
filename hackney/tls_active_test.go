package hackney

import (
	"crypto/tls"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/packet"
	"github.com/stretchr/testify/require"
)

// A SetOpts does not break the connection if a receiver has met the announcement and has not read yet.
func TestSetOptsUnderAReceiverOfTheMailbox(t *testing.T) {
	mb := mailbox(t)
	s, p := connect(t, mb, overTLS)
	require.NoError(t, s.SetOpts(gentcp.PacketType(packet.Len1), gentcp.Active(true)))
	c := s.Sock.(*TLSConn)
	running := func(f string) bool {
		all := make([]byte, 1<<20)
		return strings.Contains(string(all[:runtime.Stack(all, true)]), f)
	}
	c.mu.Lock()
	var wg sync.WaitGroup
	wg.Go(func() { s.SetOpts(gentcp.PacketType(packet.Len1)) })
	eventually(t, func() bool { return running("(*TLSConn).setOpts(") }, "a SetOpts that waits")
	wg.Go(func() { mb.Poll() })
	eventually(t, func() bool { return running(".receiveThrough(") }, "a receiver that met the announcement")
	c.mu.Unlock()
	wg.Wait()
	write(t, p, "\x01x")
	require.Equal(t, "x", nextData(t, mb, s))
}

// A mode that is set while a receive waits is told the end that the receive gets.
func TestTheEndIsToldToAModeSetMeanwhile(t *testing.T) {
	both(t, func(t *testing.T, tr Transport) {
		mb := mailbox(t)
		s, p := connect(t, mb, tr)
		result := make(chan error, 1)
		go func() {
			_, err := s.RecvWait(0, soon)
			result <- err
		}()
		eventually(t, func() bool { return beneath(s).Info().NumReaders == 1 }, "a receive that waits")
		require.NoError(t, s.SetOpts(gentcp.Active(true)))
		p.Close()
		require.Equal(t, "closed", reason(<-result))
		require.Equal(t, s.Messages().Closed, next(t, mb, s).Tag)
		armed(t, mb)
	})
}

// What is announced may be the end, which closes the connection: it moves to the new owner all the same.
func TestTheEndMovesToTheNewOwner(t *testing.T) {
	both(t, func(t *testing.T, tr Transport) {
		mine, other := mailbox(t), mailbox(t)
		s, p := connect(t, mine, tr)
		require.NoError(t, s.SetOpts(gentcp.Active(true)))
		armed(t, mine)
		p.Close()
		eventually(t, func() bool { return mine.Len() == 1 }, "the announcement")
		require.NoError(t, s.ControllingProcess(mine, other))
		require.Equal(t, s.Messages().Closed, next(t, other, s).Tag)
		armed(t, mine)
		armed(t, other)
	})
}

// gathered is a connection that keeps what is written to it, once told to.
type gathered struct {
	net.Conn
	keep bool
	kept []byte
}

func (g *gathered) Write(b []byte) (int, error) {
	if !g.keep {
		return g.Conn.Write(b)
	}
	g.kept = append(g.kept, b...)
	return len(b), nil
}

// crypto/tls looks for an alert right behind a record. When only its beginning has come the poller waits for the rest, and the
// data is received all the same: that of one packet after the other, and what is missing of a packet is no error.
func TestTheBeginningOfAnAlertBehindARecord(t *testing.T) {
	for data, want := range map[string][]string{"\x05ab": nil, "\x02ab\x01c\x01d\x05e": {"ab", "c", "d"}} {
		mb := mailbox(t)
		port, accepted := accepting(t, TCP)
		shaken := make(chan *tls.Conn, 1)
		var g *gathered
		go func() {
			g = &gathered{Conn: (<-accepted).Conn}
			config := serverConfig.Clone()
			config.MaxVersion = tls.VersionTLS12 // later ones hide what is an alert
			server := tls.Server(g, config)
			server.Handshake()
			shaken <- server
		}()
		s, err := ConnectWait(mb, overTLS, "localhost", port, soon)
		require.NoError(t, err)
		defer s.Close()
		server := <-shaken
		defer g.Conn.Close()
		require.NoError(t, s.SetOpts(gentcp.PacketType(packet.Len1), gentcp.Active(true)))
		armed(t, mb)

		g.keep = true
		_, err = server.Write([]byte(data))
		require.NoError(t, err)
		record := len(g.kept)
		require.NoError(t, server.CloseWrite())
		require.NoError(t, g.SetWriteDeadline(time.Time{})) // crypto/tls lets nothing be written behind it
		_, err = g.Conn.Write(g.kept[:record+7])
		require.NoError(t, err)
		eventually(t, func() bool { return mb.Len() == 1 }, "the announcement")
		for _, w := range want {
			require.Equal(t, w, nextData(t, mb, s))
		}
		armed(t, mb) // it waits for the rest
		if want == nil {
			require.NoError(t, s.SetOpts(gentcp.Active(false)))
		}
		_, err = g.Conn.Write(g.kept[record+7:])
		require.NoError(t, err)
		if want != nil {
			require.Equal(t, Event{Tag: "ssl_closed"}, next(t, mb, s))
		}
		_, err = s.RecvWait(0, soon) // the poller does not hold the socket
		require.Equal(t, "closed", reason(err))
		require.ErrorIs(t, err, io.EOF)
	}
}
