package esock_test

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/plain"
	"github.com/esock-go/esock/internal/sourcetree"
	"github.com/esock-go/esock/netdevice"
	"github.com/esock-go/esock/sockopt"
)

// The options come first: the README counts them.
//
//go:generate go run ./internal/optgen
//go:generate env ESOCK_UPDATE=1 go test -count=1 -run ^TestREADMESaysWhatIsSupported$ .

// TestREADMESaysWhatIsSupported compares README's table of what is supported with what is; with ESOCK_UPDATE, as go
// generate runs it, it writes the table.
func TestREADMESaysWhatIsSupported(t *testing.T) {
	const begin, end = "<!-- supported: made by go generate -->\n", "<!-- /supported -->\n"
	sourcetree.Need(t)
	b, err := os.ReadFile("README.md")
	require.NoError(t, err)
	head, rest, ok := strings.Cut(string(b), begin)
	require.True(t, ok, "README.md has no %s", begin)
	was, tail, ok := strings.Cut(rest, end)
	require.True(t, ok, "README.md has no %s", end)
	is := supported()
	options := 0
	for range sockopt.All() {
		options++
	}
	typed := strconv.Itoa(options) + " typed options"
	if os.Getenv("ESOCK_UPDATE") == "" {
		assert.Contains(t, head, typed, "README.md is stale: run go generate")
		assert.Equal(t, is, was, "README.md is stale: run go generate")
		return
	}
	head = regexp.MustCompile(`\d+ typed options`).ReplaceAllString(head, typed)
	require.NoError(t, os.WriteFile("README.md", []byte(head+begin+is+end+tail), 0o644))
}

func TestREADMEShowsAnAddressOfEveryDomain(t *testing.T) {
	var named, shown []string
	for _, d := range plain.Domains {
		named = append(named, d.Text)
	}
	for _, f := range supportedFamilies {
		shown = append(shown, f.addr.Family().String())
		back, err := esock.ParseAddr(f.addr.String())
		assert.NoError(t, err)
		assert.Equal(t, f.addr, back)
	}
	assert.ElementsMatch(t, named, shown)
}

var supportedFamilies = []struct {
	made string
	addr esock.Addr
}{
	{"Inet4Addr", esock.Inet4Addr(netip.MustParseAddr("192.0.2.1"), 80)},
	{"Inet6Addr", esock.Inet6Addr(netip.MustParseAddr("fe80::1"), 80, 2)},
	{"UnixAddr, AbstractAddr", esock.AbstractAddr("name")},
	{"PacketAddr", esock.PacketAddr(esock.LinkLayer{IfIndex: 2, Hardware: net.HardwareAddr{2, 0, 0, 0, 0, 1}})},
	{"NetlinkAddr", esock.NetlinkAddr(7, 1)},
	{"VSockAddr", esock.VSockAddr(esock.VSockHost, 1024)},
	{"RawAddr", esock.RawAddr(esock.Unspec, []byte{1, 2})},
}

// supported is README's block.
func supported() string {
	var b strings.Builder
	all := slices.Collect(sockopt.All())
	fmt.Fprintf(&b, "\n**%d options**, each a typed variable and a name of package `sockopt`, described in [docs/options.md](docs/options.md):\n\n",
		len(all))
	b.WriteString("| level | options | can be read, set, asked | for sockets of kind |\n| --- | ---: | --- | --- |\n")
	for len(all) > 0 {
		level := all[0].Level
		var kinds sockopt.Kinds
		var rows, read, set, asked int
		for ; len(all) > 0 && all[0].Level == level; all = all[1:] {
			r := &all[0]
			kinds |= r.Kinds
			rows++
			if r.CanGet && !r.Asks {
				read++
			}
			if r.CanSet {
				set++
			}
			if r.Asks {
				asked++
			}
		}
		fmt.Fprintf(&b, "| [`%s`](docs/options.md#%s) | %d | %d, %d, %d | %v |\n", level, level, rows, read, set, asked, kinds)
	}

	count := 0
	var table strings.Builder
	for _, l := range plain.Levels {
		var names []string
		for _, n := range esock.CmsgTypeNames[l.Number] {
			names = append(names, n.Text)
		}
		if len(names) > 0 {
			count += len(names)
			fmt.Fprintf(&table, "| `%s` | %s |\n", l.Text, strings.Join(names, ", "))
		}
	}
	fmt.Fprintf(&b, "\n**%d control messages** with typed values; all others come as bytes:\n\n| level | types |\n| --- | --- |\n%s",
		count, &table)

	b.WriteString("\n**Addresses**, as values, text and maps:\n\n| family | made by | text |\n| --- | --- | --- |\n")
	for _, f := range supportedFamilies {
		family := "`" + f.addr.Family().String() + "`"
		if _, raw := f.addr.RawData(); raw {
			family = "any other, raw"
		}
		fmt.Fprintf(&b, "| %s | `%s` | `%v` |\n", family, f.made, f.addr)
	}

	var get, set []string
	for r := range netdevice.Requests() {
		switch {
		case r.Constant == "":
		case r.Set:
			set = append(set, r.Name)
		default:
			get = append(get, r.Name)
		}
	}
	fmt.Fprintf(&b, "\n**%d requests of ioctl(2)**, by name; package `netdevice` has a function for each one about interfaces. "+
		"To read: %s. To set: %s.\n\n", len(get)+len(set),
		strings.Join(slices.Sorted(slices.Values(get)), ", "), strings.Join(slices.Sorted(slices.Values(set)), ", "))
	return b.String()
}
