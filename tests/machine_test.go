package tests

import (
	"errors"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
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

// needMapped skips a test where IPv6 sockets do not speak IPv4 unless they are told to.
func needMapped(t testing.TB) {
	t.Helper()
	needIPv6(t)
	if sysctl("net/ipv6/bindv6only") == "1" {
		t.Skip("net.ipv6.bindv6only is on")
	}
}

// sysctl is a setting of the kernel's, "" if it has none.
func sysctl(name string) string {
	text, _ := os.ReadFile("/proc/sys/" + name)
	return strings.TrimSpace(string(text))
}

// foreignRefused reports whether the kernel refuses to bind to an address that the machine does not have.
func foreignRefused() bool {
	return sysctl("net/ipv4/ip_nonlocal_bind") != "1" && sysctl("net/ipv6/ip_nonlocal_bind") != "1"
}

// needICMP skips a test where a datagram to a closed port of the loopback is not answered: by a firewall's doing, or
// because the kernel sends no ICMP just now.
func needICMP(t testing.TB) {
	t.Helper()
	gone, err := net.ListenPacket("udp4", "127.0.0.1:0")
	require.NoError(t, err)
	gone.Close()
	c, err := net.Dial("udp4", gone.LocalAddr().String())
	require.NoError(t, err)
	defer c.Close()
	for range 20 { // it sends only so many in a while
		if _, err = c.Write([]byte("x")); err == nil {
			require.NoError(t, c.SetReadDeadline(time.Now().Add(200*time.Millisecond)))
			_, err = c.Read(make([]byte, 1))
		}
		if errors.Is(err, syscall.ECONNREFUSED) {
			return
		}
	}
	t.Skip("no ICMP comes: ", err)
}
