package gentcp_test

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock/gentcp"
)

// What has come is handed out first; then the reset is an end like others, or shown once.
func TestReset(t *testing.T) {
	for _, show := range []bool{false, true} {
		for _, exit := range []bool{false, true} {
			opts := []gentcp.Option{gentcp.ShowEconnreset(show), gentcp.ExitOnClose(exit)}
			t.Run(opts[0].String()+opts[1].String(), func(t *testing.T) {
				t.Run("recv", func(t *testing.T) {
					for _, data := range []string{"", "data"} {
						s, peer := wired(t, nil, opts...)
						put(t, s, peer, data)
						reset(t, s, peer)
						if data != "" {
							recvs(t, s, data)
						}
						if show {
							_, err := s.Recv(0, soon)
							assert.ErrorIs(t, err, syscall.ECONNRESET)
							assert.NotErrorIs(t, err, gentcp.ErrClosed)
						}
						_, err := s.Recv(0, soon)
						reasons(t, "closed", err)
						assert.ErrorIs(t, err, syscall.ECONNRESET, "it says why")
						recvs(t, s, "error: closed")
						assert.Equal(t, !exit, s.Open())
					}
				})
				t.Run("a receive that waits", func(t *testing.T) {
					s, peer := wired(t, nil, opts...)
					first := recvLater(t, s, 0, soon)
					turns(t, s, 0)
					second := recvLater(t, s, 0, soon)
					turns(t, s, 1)
					require.NoError(t, peer.SetLinger(0))
					require.NoError(t, peer.Close())
					if show {
						assert.Equal(t, "error: econnreset", first())
					} else {
						assert.Equal(t, "error: closed", first())
					}
					assert.Equal(t, "error: closed", second())
				})
				t.Run("active", func(t *testing.T) {
					mb := owner(t)
					s, peer := wired(t, mb, opts...)
					put(t, s, peer, "data")
					reset(t, s, peer)
					gets(t, mb, "tcp data")
					if show {
						gets(t, mb, "error econnreset")
					}
					gets(t, mb, "closed")
					holds(t, mb)
					recvs(t, s, "error: closed")
					assert.Equal(t, !exit, s.Open())
				})
				t.Run("send", func(t *testing.T) {
					s, peer := wired(t, nil, opts...)
					reset(t, s, peer)
					if show {
						reasons(t, "econnreset", s.Send([]byte("x")))
					} else {
						reasons(t, "closed", s.Send([]byte("x")))
					}
					assert.True(t, s.Open(), "a send only tells its caller")
				})
			})
		}
	}
}

// Reasons other than a reset are always shown.
func TestOtherReasonsAreShown(t *testing.T) {
	for _, show := range []bool{false, true} {
		mb := owner(t)
		fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
		require.NoError(t, err)
		s, err := gentcp.FDOpen(mb, fd, gentcp.ShowEconnreset(show))
		made(t, s, err)
		gets(t, mb, "error enotconn", "closed")
		holds(t, mb)
		recvs(t, s, "error: closed")
	}
}
