package netconn

import (
	"math"
	"net"
	"time"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/sockopt"
)

// TCPConn is a connection of TCP or MPTCP: what *net.TCPConn is in package net.
type TCPConn struct{ stream }

var _ Conn = (*TCPConn)(nil)

// SetNoDelay switches TCP_NODELAY, which sends at once what is written. The connections of Dialer and ListenConfig have it.
func (c *TCPConn) SetNoDelay(on bool) error {
	c = c.orClosed()
	return c.option(sockopt.TCPNoDelay.Set(c.s, on))
}

// SetLinger says what Close does with unsent data: send it in the background (negative), throw it away and reset the
// connection (0), or wait for it for up to so many seconds. More than 1<<31-1 are an *esock.InvalidError "linger".
func (c *TCPConn) SetLinger(sec int) error {
	c = c.orClosed()
	if sec > math.MaxInt32 { // package net's cut ones may be 0, which would throw data away
		return c.option(&esock.InvalidError{What: "linger", Value: sec, Cause: "the kernel counts seconds in 32 bits"})
	}
	return c.option(sockopt.SocketLinger.Set(c.s, sockopt.Linger{On: sec >= 0, Time: time.Duration(max(sec, 0)) * time.Second}))
}

// SetKeepAlive switches keep-alive probes. The connections of Dialer and ListenConfig have them.
func (c *TCPConn) SetKeepAlive(on bool) error {
	c = c.orClosed()
	return c.option(sockopt.SocketKeepAlive.Set(c.s, on))
}

// SetKeepAlivePeriod sets how long a connection is idle before the first probe, in whole seconds (rounded up): 0 is 15
// seconds, and a negative time changes nothing.
func (c *TCPConn) SetKeepAlivePeriod(d time.Duration) error {
	c = c.orClosed()
	return c.option(setKeepAliveTime(c.s, sockopt.TCPKeepIdle, d))
}

// SetKeepAliveConfig sets up keep-alive probes. Values mean what they mean in net.KeepAliveConfig.
func (c *TCPConn) SetKeepAliveConfig(config net.KeepAliveConfig) error {
	c = c.orClosed()
	return c.option(setKeepAlive(c.s, config))
}

// MultipathTCP reports whether the connection uses MPTCP, and has not fallen back to TCP.
func (c *TCPConn) MultipathTCP() (bool, error) {
	c = c.orClosed()
	on, err := isMultipath(c.s)
	return on, c.asked(err)
}
