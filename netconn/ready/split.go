package ready

import (
	"net"
	"strings"
)

// split is the network of an address as gRPC hands it to a dialer.
func split(address string) (network, rest string) {
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		return "unix", strings.TrimPrefix(path, "//")
	}
	if name, ok := strings.CutPrefix(address, "unix-abstract:"); ok {
		return "unix", "@" + name
	}
	if _, _, err := net.SplitHostPort(address); err != nil && strings.HasPrefix(address, "/") {
		return "unix", address
	}
	return "tcp", address
}
