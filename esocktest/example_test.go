package esocktest_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/esocktest"
)

// A client asks with a time-out of ten minutes, and tries three times. The server hangs for an hour at the first two questions.
// The test takes as long as its system calls.
func TestAClientTriesThreeTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := esocktest.New(t, 1)
		server, client := net.Host("10.0.0.1"), net.Host("10.0.0.2")
		net.Link(server, client, esocktest.Path{Delay: 30 * time.Second, Loss: 0.1})

		var questions atomic.Int32
		serve(t, server, func(c *esock.Socket) {
			if questions.Add(1) <= 2 {
				time.Sleep(time.Hour)
			}
			echo(c)
		})

		start := time.Now()
		var answer string
		var err error
		for range 3 {
			if answer, err = ask(client, server, "hello", esock.Within(10*time.Minute)); err == nil {
				break
			}
			require.ErrorIs(t, err, esock.ErrTimeout)
		}
		require.NoError(t, err)
		require.Equal(t, "hello", answer)
		require.Greater(t, time.Since(start), 20*time.Minute)
		require.Less(t, time.Since(start), 30*time.Minute)
	})
}
