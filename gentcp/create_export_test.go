package gentcp

import (
	"context"
	"net/netip"
	"testing"
)

// UseResolver replaces the resolver for the time of a test.
func UseResolver(t testing.TB, f func(ctx context.Context, network, host string) ([]netip.Addr, error)) {
	old := lookUpHost
	lookUpHost = f
	t.Cleanup(func() { lookUpHost = old })
}

// OptionNames are the names of all options but raw.
func OptionNames() []string {
	var names []string
	for _, r := range optionTable {
		names = append(names, r.name)
	}
	return names
}

// ReadableNames are those that GetOpts knows.
func ReadableNames() []Name {
	var names []Name
	for _, r := range optionTable {
		if r.use&inGetOpts != 0 {
			names = append(names, Name(r.name))
		}
	}
	return names
}
