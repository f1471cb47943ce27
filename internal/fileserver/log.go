package fileserver

import (
	"fmt"
	"strconv"
	"strings"
)

// logRequest logs an answered request, as a line in the Common Log Format.
func (c *connection) logRequest() {
	if c.log == nil {
		return
	}
	host := "-"
	if a, err := c.sock.PeerName(); err == nil {
		host = c.sock.Socket().NameZone(a).AddrPort().Addr().String()
	}
	// The request line is quoted, so that a client cannot write a quote or a control character into the log.
	first := strconv.Quote(string(c.head.first))
	first = `"` + strings.ReplaceAll(first[1:len(first)-1], `\"`, `\x22`) + `"`
	line := fmt.Sprintf("%s - - [%s] %s %d %d\n", host, c.date.Format("02/Jan/2006:15:04:05 -0700"), first, c.status, c.bytes)
	c.logging.Lock()
	defer c.logging.Unlock()
	c.log.Write([]byte(line)) // an error is ignored: there is nowhere to report it
}
