package main

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/testwait"
)

// A client that takes nothing is given one time of --stall, however much it took before; one that takes a byte now and
// then is served to the end.
func TestServeStallIsOneTime(t *testing.T) {
	c := &conversation{server: &server{stall: esock.Within(time.Hour)}}
	broken := errors.New("broken")
	type step struct {
		takes int64
		err   error
	}
	for name, s := range map[string]struct {
		steps []step
		waits int // calls that wait
		want  error
	}{
		"all at once":       {[]step{{100, nil}}, 0, nil},
		"nothing ever":      {[]step{{0, esock.ErrTimeout}, {0, esock.ErrTimeout}}, 1, esock.ErrTimeout},
		"some, then none":   {[]step{{60, esock.ErrTimeout}, {0, esock.ErrTimeout}}, 1, esock.ErrTimeout},
		"now and then":      {[]step{{60, esock.ErrTimeout}, {1, nil}, {20, esock.ErrTimeout}, {1, nil}, {18, nil}}, 2, nil},
		"stops in the end":  {[]step{{98, esock.ErrTimeout}, {1, nil}, {0, esock.ErrTimeout}, {0, esock.ErrTimeout}}, 2, esock.ErrTimeout},
		"last byte waits":   {[]step{{99, esock.ErrTimeout}, {1, nil}}, 1, nil},
		"broken at once":    {[]step{{10, broken}}, 0, broken},
		"broken in waiting": {[]step{{10, esock.ErrTimeout}, {0, broken}}, 1, broken},
	} {
		var done int64
		waits := 0
		err := c.push(100, func(at, n int64, w esock.Wait) (int64, error) {
			require.Equal(t, done, at, name)
			require.LessOrEqual(t, at+n, int64(100), name)
			require.NotEmpty(t, s.steps, name)
			if w.Blocks() {
				waits++
				assert.Equal(t, c.stall, w, name)
				assert.EqualValues(t, 1, n, "%s: only the next byte is waited for, so that the wait ends with it", name)
			} else {
				assert.Equal(t, 100-at, n, name)
			}
			now := s.steps[0]
			s.steps = s.steps[1:]
			done += now.takes
			return now.takes, now.err
		})
		assert.ErrorIs(t, err, s.want, name)
		assert.Empty(t, s.steps, name)
		assert.Equal(t, s.waits, waits, name)
	}
}

// The first line of a connection and what follows it share the time of --head; after a wait for the next request the
// time begins with its first line. A body shares it, too.
func TestServeHeadIsOneTime(t *testing.T) {
	root, err := os.OpenRoot(t.TempDir())
	require.NoError(t, err)
	defer root.Close()
	s, err := newServer(root, &serveCmd{Addr: "127.0.0.1:0", Connections: 1, Idle: time.Hour, Head: time.Hour, Stall: time.Hour}, nil)
	require.NoError(t, err)
	defer s.stop()
	client := dialed(t, s.at)
	sock, err := s.listener.Accept(s.owner, esock.Within(testwait.Patience))
	require.NoError(t, err)
	_, err = client.Write([]byte("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab" + request("GET / HTTP/1.1")))
	require.NoError(t, err)

	c := &conversation{server: s, sock: sock}
	first := esock.Within(s.head).Begin()
	c.until = first
	problem, err := c.readHead(first)
	require.NoError(t, err)
	assert.Zero(t, problem)
	assert.Equal(t, first, c.until, "no time of their own for the headers")
	require.NoError(t, c.discard(2))
	assert.Equal(t, first, c.until)

	c.until = esock.Within(s.head)
	problem, err = c.readHead(s.idle)
	require.NoError(t, err)
	assert.Zero(t, problem)
	assert.Equal(t, c.until.Begin(), c.until, "it has begun")
	assert.NotEqual(t, first, c.until)
}

// A file that was changed in the future is told as changed now.
func TestServeNothingIsChangedInTheFuture(t *testing.T) {
	dir := site(t)
	future := time.Now().Add(1000 * time.Hour)
	require.NoError(t, os.Chtimes(dir+"/a.txt", future, future))
	res, _ := ask(t, browser(t), "GET", "http://"+serving(t, dir, nil)+"/a.txt")
	assert.Equal(t, res.Header.Get("Date"), res.Header.Get("Last-Modified"))
}
