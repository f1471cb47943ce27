package gentcp_test

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	. "github.com/esock-go/esock/gentcp"
)

// In a bubble of testing/synctest a connection works as outside, in every mode, and times are the machine's.
func TestBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mb := esock.NewMailbox()
		l, err := Listen(mb, 0, Active(false))
		require.NoError(t, err)
		accepted := make(chan *Socket, 1)
		go func() {
			s, err := l.Accept(nil, soon)
			assert.NoError(t, err)
			accepted <- s
		}()
		port, err := l.Port()
		require.NoError(t, err)
		client, err := Connect(mb, "127.0.0.1", port, soon, Active(false))
		require.NoError(t, err)
		server := <-accepted

		require.NoError(t, server.Send([]byte("one")))
		p, err := client.Recv(3, soon)
		require.NoError(t, err)
		assert.Equal(t, "one", string(p.Data()))
		_, err = client.Recv(0, esock.Within(5*time.Millisecond))
		assertReason(t, "timeout", nil, err)

		// Behind a receiver that has the turn.
		first := make(chan error, 1)
		go func() { _, err := client.Recv(0, esock.Forever); first <- err }()
		for client.Socket().Info().NumReaders != 1 { // a sleep would be for ever: the bubble's clock stands
			runtime.Gosched()
		}
		_, err = client.Recv(0, esock.Within(5*time.Millisecond).Begin())
		assertReason(t, "timeout", nil, err)
		require.NoError(t, server.Send([]byte("two")))
		require.NoError(t, <-first)

		require.NoError(t, client.SetOpts(ActiveOnce()))
		require.NoError(t, server.Send([]byte("three")))
		msg, err := mb.Receive(context.Background())
		require.NoError(t, err)
		assert.Equal(t, "three", string(msg.(TCPMsg).Data()))
		for _, s := range []*Socket{client, server, l} {
			require.NoError(t, s.Close())
		}
		require.NoError(t, mb.Close())
	})
}
