package esocktest_test

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/esocktest"
	"github.com/esock-go/esock/internal/testmain"
)

func TestMain(m *testing.M) { os.Exit(testmain.Run(m)) }

var background = context.Background()

// at is the address of a port on a host.
func at(h *esocktest.Host, port uint16) esock.Addr {
	return esock.AddrFrom(netip.AddrPortFrom(netip.MustParseAddr(h.IP()), port))
}

// open opens a TCP socket on a host.
func open(t testing.TB, h *esocktest.Host) *esock.Socket {
	t.Helper()
	s, err := esock.Open(esock.Inet, esock.Stream, esock.TCP, h.Kernel())
	require.NoError(t, err)
	return s
}

// listen opens a listener on port 7 of a host.
func listen(t testing.TB, h *esocktest.Host) *esock.Socket {
	t.Helper()
	l := open(t, h)
	require.NoError(t, l.Bind(at(h, 7)))
	require.NoError(t, l.Listen(64))
	return l
}

// serve answers each connection to port 7 of a host with f, until the test ends.
func serve(t testing.TB, h *esocktest.Host, f func(c *esock.Socket)) {
	t.Helper()
	l := listen(t, h)
	var running sync.WaitGroup
	running.Go(func() {
		for {
			c, err := l.Accept(esock.Forever)
			if err != nil {
				return
			}
			running.Go(func() {
				defer c.Close()
				f(c)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		running.Wait()
	})
}

// echo sends back what comes.
func echo(c *esock.Socket) {
	buf := make([]byte, 4096)
	for {
		n, err := c.Recv(buf, 0, esock.Forever)
		if err != nil {
			return
		}
		if _, err = c.Send(buf[:n], 0, esock.Forever); err != nil {
			return
		}
	}
}

// ask sends a question on a new connection, and returns the answer of as many bytes.
func ask(from, to *esocktest.Host, question string, w esock.Wait) (string, error) {
	s, err := esock.Open(esock.Inet, esock.Stream, esock.TCP, from.Kernel())
	if err != nil {
		return "", err
	}
	defer s.Close()
	w = w.Begin()
	if err = s.Connect(at(to, 7), w); err != nil {
		return "", err
	}
	if _, err = s.Send([]byte(question), 0, w); err != nil {
		return "", err
	}
	buf := make([]byte, len(question))
	n, err := s.RecvFull(buf, 0, w)
	return string(buf[:n]), err
}

// recorder is a testing.TB that keeps the failures of New's report.
type recorder struct {
	testing.TB
	cleanup func()
	errors  []string
}

func (r *recorder) Helper()          {}
func (r *recorder) Cleanup(f func()) { r.cleanup = f }
func (r *recorder) Errorf(format string, args ...any) {
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}
