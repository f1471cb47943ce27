package esock

import (
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	longAgo = time.Unix(1, 0)
	inHours = func() time.Time { return time.Now().Add(time.Hour) }
)

// deadlineWait is a call of Forever at one of the places where a call can wait.
type deadlineWait struct {
	s    *Socket
	set  func(time.Time) error
	call func(Wait) error
	at   func() time.Duration // the deadline that is set where it waits; s.mu is held
}

func recvByte(s *Socket) func(Wait) error {
	return func(w Wait) error { _, err := s.Recv(make([]byte, 1), 0, w); return err }
}

func recvError(s *Socket) func(Wait) error {
	return func(w Wait) error { _, err := s.RecvErr(new(Msg), w); return err }
}

// onPoller is the deadline of the call that waits on the C poller.
func (w *deadlineWait) onPoller(d direction) func() time.Duration {
	return func() time.Duration {
		if w.s.blk.Load() == nil || w.s.blk.Load().onPoller[d] == nil {
			return -1
		}
		return w.s.blk.Load().onPoller[d].at
	}
}

// onRuntime is the deadline of the descriptor of the call that waits on the runtime's poller.
func (w *deadlineWait) onRuntime(d direction) func() time.Duration {
	return func() time.Duration {
		if w.s.blk.Load() == nil || w.s.state.Load()&stParked(d) == 0 {
			return -1
		}
		p := w.s.blk.Load().parks[d] // s.mu is held
		if p == nil {
			return -1
		}
		return p.at.get()
	}
}

// deadlineWaits are the places where a call can wait. Each function makes one.
func deadlineWaits() map[string]func(t *testing.T) *deadlineWait {
	ofReading := func(s *Socket) *deadlineWait {
		return &deadlineWait{s: s, set: s.SetReadDeadline, call: recvByte(s)}
	}
	full := func(t *testing.T) *deadlineWait {
		s, _ := pair(t, Stream)
		fill(t, s)
		w := &deadlineWait{s: s, set: s.SetWriteDeadline}
		w.at = w.onRuntime(writing)
		return w
	}
	return map[string]func(t *testing.T) *deadlineWait{
		"receive": func(t *testing.T) *deadlineWait {
			s, _ := pair(t, Stream)
			w := ofReading(s)
			w.at = w.onRuntime(reading)
			return w
		},
		"both directions": func(t *testing.T) *deadlineWait {
			s, _ := pair(t, Stream)
			w := ofReading(s)
			w.set, w.at = s.SetDeadline, w.onRuntime(reading)
			return w
		},
		"accept": func(t *testing.T) *deadlineWait {
			l, _ := listening(t)
			w := &deadlineWait{s: l, set: l.SetReadDeadline, call: func(w Wait) error { _, err := l.Accept(w); return err }}
			w.at = w.onRuntime(reading)
			return w
		},
		"raw read": func(t *testing.T) *deadlineWait {
			s, _ := pair(t, Stream)
			w := ofReading(s)
			w.at = w.onRuntime(reading)
			raw, err := s.SyscallConn()
			require.NoError(t, err)
			w.call = func(Wait) error { return raw.Read(func(uintptr) bool { return false }) }
			return w
		},
		"send": func(t *testing.T) *deadlineWait {
			w := full(t)
			w.call = func(wt Wait) error { _, err := w.s.Send(make([]byte, 1), 0, wt); return err }
			return w
		},
		"sendfile": func(t *testing.T) *deadlineWait {
			w := full(t)
			f, err := os.CreateTemp(t.TempDir(), "")
			require.NoError(t, err)
			t.Cleanup(func() { f.Close() })
			require.NoError(t, f.Truncate(1))
			fillForFiles(t, w.s, f)
			w.call = func(wt Wait) error { _, err := w.s.SendFile(f, 0, 1, wt); return err }
			return w
		},
		"on the C poller": func(t *testing.T) *deadlineWait {
			s, _ := pair(t, Stream)
			require.NoError(t, syscall.SetNonblock(fdOf(s), false)) // the runtime's poller refuses it
			w := ofReading(s)
			w.at = w.onPoller(reading)
			return w
		},
		"connect": func(t *testing.T) *deadlineWait {
			to := fullListener(t)
			s, err := Open(Inet, Stream, TCP)
			require.NoError(t, err)
			t.Cleanup(func() { s.Close() })
			w := &deadlineWait{s: s, set: s.SetWriteDeadline, call: func(w Wait) error { return s.Connect(to, w) }}
			w.at = w.onPoller(writing)
			return w
		},
		"error queue": func(t *testing.T) *deadlineWait {
			s, _ := boundUDP(t)
			w := &deadlineWait{s: s, set: s.SetReadDeadline, call: recvError(s)}
			w.at = w.onPoller(erring)
			return w
		},
		"queue": func(t *testing.T) *deadlineWait {
			s, _ := pair(t, Stream)
			_, err := s.Recv(make([]byte, 1), 0, NoWait(NewMailbox()))
			require.ErrorAs(t, err, new(*Select))
			w := ofReading(s)
			w.at = func() time.Duration {
				if h := s.lanes[reading].head; h != nil {
					return h.ext.waiter.at
				}
				return -1
			}
			return w
		},
		"pause": func(t *testing.T) *deadlineWait {
			s, _ := pair(t, Stream)
			w := ofReading(s)
			w.at = w.onPoller(reading)
			w.call = func(wt Wait) error {
				c := call{op: OpRecv}
				c.until(s, &wt)
				return s.waitOnPoller(&c, &wt, 10*time.Hour)
			}
			return w
		},
	}
}

// waits waits until the call waits with the deadline, or, if it is the zero time, without one.
func (w *deadlineWait) waits(t *testing.T, until time.Time) {
	t.Helper()
	var want time.Duration
	if !until.IsZero() {
		want = until.Sub(epoch)
	}
	eventually(t, func() bool {
		w.s.mu.Lock()
		defer w.s.mu.Unlock()
		return w.at() == want
	}, "a call with this deadline")
}

// goes runs f in a goroutine.
func goes(f func() error) <-chan error {
	got := make(chan error, 1)
	go func() { got <- f() }()
	return got
}
