package esocktest_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/esocktest"
)

func TestAPairTalksInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := esocktest.New(t, 1)
		a, b := n.Host("10.0.0.1").Pair()
		defer a.Close()
		defer b.Close()
		go func() {
			time.Sleep(time.Hour)
			b.Send([]byte("hello"), 0, esock.Forever)
		}()
		start := time.Now()
		buf := make([]byte, 16)
		_, err := a.Recv(buf, 0, esock.Within(10*time.Minute))
		require.ErrorIs(t, err, esock.ErrTimeout)
		require.Equal(t, 10*time.Minute, time.Since(start))
		k, err := a.Recv(buf, 0, esock.Forever)
		require.NoError(t, err)
		require.Equal(t, "hello", string(buf[:k]))
		require.Equal(t, time.Hour, time.Since(start))
	})
}
