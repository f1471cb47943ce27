package main

import (
	"net"
	"testing"
)

// hasIPv6 says whether the loopback has its IPv6 address: a kernel may be without, or a container. It is asked before
// any test, so that it is about the namespace of the process.
var hasIPv6 = func() bool {
	c, err := net.ListenPacket("udp6", "[::1]:0")
	if err != nil {
		return false
	}
	c.Close()
	return true
}()

// needIPv6 skips a test where there is no IPv6.
func needIPv6(t testing.TB) {
	t.Helper()
	if !hasIPv6 {
		t.Skip("there is no IPv6 here")
	}
}
