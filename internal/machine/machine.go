// Package machine tells tests what the machine has, so that a test skips, with the reason, what cannot be tested there; and
// what their process has open.
package machine

import (
	"errors"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// IPv6 reports whether the loopback has its IPv6 address: a kernel may be without, or a container. It is asked before
// any test, so that it is about the namespace of the process.
var IPv6 = func() bool {
	c, err := net.ListenPacket("udp6", "[::1]:0")
	if err != nil {
		return false
	}
	c.Close()
	return true
}()

// Lacks says what the machine lacks without which hardly any test can run: an IPv4 loopback that is up. It is empty if the
// machine has it. TestMain says it, and runs nothing.
func Lacks() string {
	c, err := net.Dial("udp4", "127.0.0.1:9")
	if err != nil {
		return "the loopback interface is not up: " + err.Error()
	}
	c.Close()
	return ""
}

// NeedIPv6 skips a test where there is no IPv6.
func NeedIPv6(t testing.TB) {
	t.Helper()
	if !IPv6 {
		t.Skip("there is no IPv6 here")
	}
}

// NeedMapped skips a test where IPv6 sockets do not speak IPv4 unless they are told to.
func NeedMapped(t testing.TB) {
	t.Helper()
	NeedIPv6(t)
	if Sysctl("net/ipv6/bindv6only") == "1" {
		t.Skip("net.ipv6.bindv6only is on")
	}
}

// NetNSOf names the network namespace of a socket, by its inode. SO_NETNS_COOKIE is only in Linux 5.14 and later.
func NetNSOf(fd int) (inode uint64, err error) {
	ns, err := unix.IoctlRetInt(fd, unix.SIOCGSKNS)
	if err != nil {
		return 0, os.NewSyscallError("SIOCGSKNS", err)
	}
	defer unix.Close(ns)
	var st unix.Stat_t
	err = unix.Fstat(ns, &st)
	return st.Ino, err
}

// Sysctl is a setting of the kernel, by its path below /proc/sys; "" if the kernel has none of the name.
func Sysctl(name string) string {
	text, _ := os.ReadFile("/proc/sys/" + name)
	return strings.TrimSpace(string(text))
}

// RefusesForeign reports whether the kernel refuses to bind to an address that the machine does not have.
func RefusesForeign() bool {
	return Sysctl("net/ipv4/ip_nonlocal_bind") != "1" && Sysctl("net/ipv6/ip_nonlocal_bind") != "1"
}

// pollers are what the descriptors are that the runtime and the C poller keep for ever, from the first wait on.
var pollers = []string{"anon_inode:[eventpoll]", "anon_inode:[eventfd]"}

// Descriptors lists what the process has open, each as "number:what". Pollers are left out: one starts in the midst of a test.
func Descriptors() []string {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return nil
	}
	var open []string
	for _, e := range entries {
		what, err := os.Readlink("/proc/self/fd/" + e.Name())
		if err == nil && !slices.Contains(pollers, what) { // err: that of the listing is closed by now
			open = append(open, e.Name()+":"+what)
		}
	}
	return open
}

// NeedICMP skips a test where a datagram to a closed port of the loopback is not answered: by a firewall's doing, or
// because the kernel sends no ICMP just now.
func NeedICMP(t testing.TB) {
	t.Helper()
	gone, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	c, err := net.Dial("udp4", gone.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	// The loopback answers before the send returns. But the kernel sends only so many answers in a while.
	for range 100 {
		if _, err = c.Write([]byte("x")); err == nil {
			if err = c.SetReadDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
				t.Fatal(err)
			}
			_, err = c.Read(make([]byte, 1))
		}
		if errors.Is(err, syscall.ECONNREFUSED) {
			return
		}
	}
	t.Skip("no ICMP comes: ", err)
}
