package gentcp_test

import (
	"net"
	"slices"
	"testing"
)

// needLocalhost skips a test where the name localhost does not stand for 127.0.0.1.
func needLocalhost(t testing.TB) {
	t.Helper()
	if addrs, err := net.LookupHost("localhost"); !slices.Contains(addrs, "127.0.0.1") {
		t.Skip("localhost is not 127.0.0.1 here: ", addrs, err)
	}
}
