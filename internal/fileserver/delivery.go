package fileserver

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/esock-go/esock"
)

// longBody is the length from which on a response that the kernel has taken may still be far from the client. The kernel
// takes megabytes.
const longBody = 64 << 10

// delivered waits until the client's system has confirmed a long response, so that the log can tell whether it did. The next
// request confirms it, too. The error is that of the connection, or esock.ErrTimeout once nothing was confirmed for
// Config.Stall; c.bytes is then what was confirmed.
func (c *connection) delivered() error {
	if c.log == nil || c.bytes < longBody {
		return nil
	}
	taken, least := c.bytes, int64(-1)
	var until time.Time
	// The kernel does not report when its queue becomes empty, so it is polled, less and less often.
	for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		errno, err := c.sock.GetOptionNativeInt(unix.SOL_SOCKET, unix.SO_ERROR)
		left, closed := c.sock.NWrite()
		if err != nil || closed != nil {
			return nil // the server ends
		}
		if least < 0 || int64(left) < least {
			least, until = int64(left), time.Now().Add(c.patience)
		}
		c.bytes = max(taken-int64(left), 0)
		switch more, _ := c.sock.NRead(); {
		case errno != 0:
			return syscall.Errno(errno)
		case left == 0, more > 0:
			c.bytes = taken
			return nil
		case time.Now().After(until):
			return esock.ErrTimeout
		}
		time.Sleep(pause)
	}
}
