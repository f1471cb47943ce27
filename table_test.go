package esock

import (
	"encoding/json"
	"errors"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// table is the table of what a mailbox owns.
func table(t *testing.T, mb *Mailbox, keys ...string) string {
	t.Helper()
	var b strings.Builder
	require.NoError(t, WriteTable(&b, keys, OwnedBy(mb)))
	return b.String()
}

func TestTableOfNothingIsNothing(t *testing.T) {
	mb := NewMailbox()
	defer mb.Close()
	assert.Empty(t, table(t, mb))
}

func TestTableColumns(t *testing.T) {
	mb := NewMailbox()
	defer mb.Close()
	l, addr := listener(t, Owner(mb))
	open(t, Local, Dgram, Owner(mb))
	head, _, _ := strings.Cut(table(t, mb), "\n")
	assert.Equal(t, []string{"Domain", "Type", "Protocol", "Fd", "Owner", "Local", "Address", "Remote", "Address", "Recv",
		"Sent", "State"}, strings.Fields(head))

	assert.Equal(t, ""+
		"Domain Type   Protocol State\n"+
		"inet   STREAM TCP      BD:LG, -\n"+
		"local  DGRAM  UDP\n", table(t, mb, "domain", "type", "protocol", "state"))

	fd := strconv.Itoa(cFD(l.h))
	address := "localhost:" + strconv.Itoa(int(addr.Port()))
	if name := serviceName(addr.Port(), "tcp"); name != "" {
		address = "localhost:" + name + " (" + strconv.Itoa(int(addr.Port())) + ")"
	}
	text := table(t, mb, "fd", "local_address", "remote_address", "owner", "recv", "sent")
	assert.Equal(t, "Fd Local Address", strings.Join(strings.Fields(text)[:3], " "))
	assert.Contains(t, text, "\n"+fd)
	assert.Contains(t, text, address)
	assert.Contains(t, text, mb.String())
	assert.Contains(t, text, "local:")
}

func TestTableCounts(t *testing.T) {
	mb := NewMailbox()
	defer mb.Close()
	a, b := pair(t, Stream, Owner(mb))
	_, err := a.Send(make([]byte, 12345), 0, Forever)
	require.NoError(t, err)
	_, err = b.RecvFull(make([]byte, 12345), 0, Forever)
	require.NoError(t, err)
	assert.Equal(t, ""+
		"Recv  Sent  State\n"+
		"0     12345  - , CD\n"+
		"12345 0      - , CD\n", table(t, mb, "recv", "sent", "state"))
}

// The rows are the table's before it is printed.
func TestTableRows(t *testing.T) {
	mb := NewMailbox()
	defer mb.Close()
	l, addr := listener(t, Owner(mb))
	rows, err := SocketRows(OwnedBy(mb))
	require.NoError(t, err)
	require.Len(t, rows, 1)
	r := rows[0]
	assert.Equal(t, SocketRow{Domain: "inet", Type: "STREAM", Protocol: "TCP", FD: cFD(l.h), Owner: mb.String(),
		LocalAddress: formatAddr(addr, "tcp"), State: "BD:LG, -"}, r)

	m := r.Map()
	assert.Len(t, m, len(TableColumns()))
	for _, key := range TableColumns() {
		assert.Contains(t, m, key)
	}
	assert.Equal(t, cFD(l.h), m["fd"])
	assert.Equal(t, uint64(0), m["recv"])
	assert.Equal(t, "", SocketRow{FD: -1}.Map()["fd"])
	text, err := json.Marshal(r)
	require.NoError(t, err)
	assert.Contains(t, string(text), `"fd":`+strconv.Itoa(cFD(l.h))+`,`)

	var printed strings.Builder
	require.NoError(t, WriteRows(&printed, nil, rows))
	assert.Equal(t, table(t, mb), printed.String())
	assert.ErrorIs(t, WriteRows(&printed, []string{"colour"}, nil), &InvalidError{What: "column"})
	assert.ErrorIs(t, WriteRows(nil, nil, nil), &InvalidError{What: "writer"})
	rows, err = SocketRows(OwnedBy(mb), InDomain(Local))
	require.NoError(t, err)
	assert.Empty(t, rows)
	_, err = SocketRows(nil)
	assert.ErrorIs(t, err, &InvalidError{What: "filter"})
}

func TestTableErrors(t *testing.T) {
	mb := NewMailbox()
	defer mb.Close()
	open(t, Inet, Dgram, Owner(mb))
	var b strings.Builder
	assert.ErrorIs(t, WriteTable(&b, []string{"domain", "colour"}), &InvalidError{What: "column"})
	assert.ErrorIs(t, WriteTable(&b, nil, nil), &InvalidError{What: "filter"})
	assert.Empty(t, b.String())
	assert.Equal(t, errFull, WriteTable(fullWriter{}, nil, OwnedBy(mb)))
}

var errFull = errors.New("full")

type fullWriter struct{}

func (fullWriter) Write([]byte) (int, error) { return 0, errFull }

func TestTablePrintsWhatIsKnown(t *testing.T) {
	mb := NewMailbox()
	defer mb.Close()
	s, gone := open(t, Inet, Dgram, Owner(mb)), open(t, Inet, Dgram, Owner(mb))
	s.dom.Store(99)
	s.typ, s.proto = 9, 253
	defer func() { s.dom.Store(int32(Inet)); s.typ, s.proto = Dgram, int32(UDP) }()
	var b strings.Builder
	require.NoError(t, WriteTable(&b, []string{"domain", "type", "protocol"}, func(x *Socket) bool {
		if x == gone {
			x.Close() // between the listing and the table
			return true
		}
		return x == s
	}))
	assert.Equal(t, ""+
		"Domain Type Protocol\n"+
		"99     9    253\n", b.String())
}

func TestTableProtocols(t *testing.T) {
	for _, c := range []struct {
		typ   Type
		proto Protocol
		want  string
	}{{Stream, TCP, "TCP"}, {Stream, Default, "TCP"}, {Dgram, Default, "UDP"}, {SeqPacket, Default, "UNKNOWN"},
		{Stream, 253, "253"}, {Raw, ICMPv6, "IPV6-ICMP"}} {
		assert.Equal(t, c.want, protocolCell(&SocketInfo{Type: c.typ, Protocol: c.proto}))
	}
}

func TestTableStates(t *testing.T) {
	for want, i := range map[string]SocketInfo{
		"":               {},
		"BD:LG:A:SD, -":  {RStates: []string{"bound", "listening", "accepting", "selected"}},
		" - , CG":        {WStates: []string{"connecting"}},
		"BD , CD:SD":     {RStates: []string{"bound"}, WStates: []string{"connected", "selected"}},
		"BY:O:LN, -":     {RStates: []string{"busy", "open", "listen"}},
		"CLOSING , DTOR": {RStates: []string{"closing"}, WStates: []string{"dtor"}},
	} {
		assert.Equal(t, want, stateCell(&i))
	}
}

func TestTableAddresses(t *testing.T) {
	v4 := func(ip string, port uint16) Addr { return Inet4Addr(netip.MustParseAddr(ip), port) }
	v6 := func(ip string, port uint16, scope uint32) Addr {
		return Inet6Addr(netip.MustParseAddr(ip), port, scope)
	}
	for _, c := range []struct {
		a    Addr
		want string
	}{
		{v4("0.0.0.0", 60001), "*:60001"},
		{v6("::", 60001, 0), "*:60001"},
		{v4("127.0.0.1", 60001), "localhost:60001"},
		{v6("::1", 60001, 0), "localhost:60001"},
		{v4("192.0.2.1", 60001), "192.0.2.1:60001"},
		{v6("fe80::1", 60001, 3), "[fe80::1%3]:60001"},
		{UnixAddr("/run/x"), "local:/run/x"},
		{UnixAddr(""), "local:"},
		{AbstractAddr("x"), "local:@x"},
		{UnixAddr("/run/x\n"), `local:"/run/x\n"`},
		{VSockAddr(3, 1024), "vsock:3:1024"},
		{RawAddr(31, []byte{1, 2}), RawAddr(31, []byte{1, 2}).String()},
	} {
		assert.Equal(t, c.want, formatAddr(c.a, "none"))
	}
}

func TestTableServices(t *testing.T) {
	got := readServices(strings.NewReader("# a comment\n\nhttp 80/tcp www # web\nother 80/tcp\ndomain\t53/udp\n" +
		"broken\nbad x/tcp\nhuge 70000/tcp\nend 1/tcp"))
	assert.Equal(t, map[service]string{{80, "tcp"}: "http", {53, "udp"}: "domain", {1, "tcp"}: "end"}, got)
	if name := serviceName(80, "tcp"); name != "" {
		assert.Equal(t, "*:"+name+" (80)", formatAddr(Inet4Addr(netip.IPv4Unspecified(), 80), "tcp"))
	}
}
