package sctp

import (
	"embed"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"net/netip"
	"path"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
)

// Notifications that kernels have written on little-endian machines, one file for each kernel, and what they say.
// ESOCK_SCTP_RECORD=1 has the tests print the bytes that come from the running kernel.
//
//go:embed testdata
var recorded embed.FS

// eachRecorded calls f for each line of the files about something: bytes, and what they say.
func eachRecorded(t testing.TB, about string, f func(file string, bytes []byte, says string)) {
	t.Helper()
	files, err := recorded.ReadDir("testdata")
	require.NoError(t, err)
	for _, file := range files {
		if !strings.HasPrefix(file.Name(), about+"-") {
			continue
		}
		text, err := recorded.ReadFile(path.Join("testdata", file.Name()))
		require.NoError(t, err)
		for line := range strings.Lines(string(text)) {
			code, says, ok := strings.Cut(strings.TrimSpace(line), " ")
			require.True(t, ok, "%s: %q", file.Name(), line)
			b, err := hex.DecodeString(code)
			require.NoError(t, err)
			f(file.Name(), b, says)
		}
	}
}

// shown is a notification as the files have it.
func shown(n Notification) string { return fmt.Sprintf("%T%+v", n, n) }

func littleEndian(t testing.TB) {
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		t.Skip("the bytes are of little-endian machines")
	}
}

func TestTheBytesOfKernelsAreDecoded(t *testing.T) {
	littleEndian(t)
	kinds := map[string]map[Event]bool{}
	eachRecorded(t, "notifications", func(file string, b []byte, says string) {
		n, err := Decode(b)
		require.NoError(t, err, "%s: %x", file, b)
		assert.Equal(t, says, shown(n), "%s: %x", file, b)
		if kinds[file] == nil {
			kinds[file] = map[Event]bool{}
		}
		kinds[file][n.Event()] = true
	})
	require.NotEmpty(t, kinds)
	for file, seen := range kinds {
		for e := EventAssocChange; e <= EventSendFailedEvent; e++ {
			assert.True(t, seen[e], "%s has no %v", file, e)
		}
	}
}

// controls is what the control messages of a received message say.
func controls(b []byte) string {
	var m esock.Msg
	m.DecodeControl(b)
	var says []string
	for c := range m.Control() {
		says = append(says, fmt.Sprint(c.Map()))
	}
	return strings.Join(says, " ")
}

func TestTheControlMessagesOfKernelsAreDecoded(t *testing.T) {
	littleEndian(t)
	if strconv.IntSize != 64 {
		t.Skip("the headers of the control messages are those of 64-bit machines")
	}
	var m esock.Msg
	if m.SetControl(esock.SCTPSndInfo{}.Control()) != nil {
		t.Skip("the core was built without linux/sctp.h")
	}
	all := ""
	eachRecorded(t, "control", func(file string, b []byte, says string) {
		assert.Equal(t, says, controls(b), "%s: %x", file, b)
		all += says
	})
	for _, name := range []string{"sndrcv", "rcvinfo", "nxtinfo"} {
		assert.Contains(t, all, "type:"+name)
	}
}

// A notification that lacks its last byte, and any part of it, is refused; so is one that says it is shorter than its
// structure.
func TestShortNotificationsAreRefused(t *testing.T) {
	littleEndian(t)
	eachRecorded(t, "notifications", func(file string, b []byte, _ string) {
		kind := Event(binary.NativeEndian.Uint16(b))
		for n := range len(b) {
			_, err := Decode(b[:n])
			require.ErrorIs(t, err, &esock.InvalidError{What: "notification"}, "%v: %d of %d bytes", kind, n, len(b))
		}
		short := append([]byte(nil), b...)
		size := kinds[kind-EventDataIO].size
		for n := range size {
			binary.NativeEndian.PutUint32(short[4:], uint32(n))
			_, err := Decode(short)
			require.ErrorContains(t, err, fmt.Sprintf("invalid notification %v: it has %d bytes, and its structure %d", kind, n, size))
		}
	})
}

func TestWhatIsNoNotification(t *testing.T) {
	header := func(kind Event, length uint32) []byte {
		b := binary.NativeEndian.AppendUint16(nil, uint16(kind))
		return binary.NativeEndian.AppendUint32(append(b, 0, 0), length)
	}
	for _, c := range []struct {
		b    []byte
		says string
	}{
		{nil, "invalid notification 0: fewer bytes than a header has"},
		{header(EventShutdown, 12), "invalid notification shutdown: 8 of its 12 bytes are there"},
		{header(EventShutdown, 1<<32-1), "invalid notification shutdown: 8 of its 4294967295 bytes are there"},
		{header(EventDataIO, 8), "invalid notification data_io: the kind is not known"},
		{header(EventSendFailedEvent+1, 8), "invalid notification 32782: the kind is not known"},
		{header(0, 8), "invalid notification 0: the kind is not known"},
	} {
		_, err := Decode(c.b)
		assert.EqualError(t, err, c.says)
	}
}

// The result keeps nothing of the bytes.
func TestADecodedNotificationIsACopy(t *testing.T) {
	b := make([]byte, 24)
	binary.NativeEndian.PutUint16(b, uint16(EventRemoteError))
	binary.NativeEndian.PutUint32(b[4:], 24)
	copy(b[16:], "the data")
	n, err := Decode(b)
	require.NoError(t, err)
	clear(b)
	assert.Equal(t, RemoteError{Data: []byte("the data")}, n)
}

// The kernels that were recorded leave some fields 0. Here each byte is another one.
func TestFieldsThatLinuxLeavesEmpty(t *testing.T) {
	notification := func(kind Event, size int) body {
		b := make(body, size)
		for i := range b {
			b[i] = byte(i)
		}
		binary.NativeEndian.PutUint16(b, uint16(kind))
		binary.NativeEndian.PutUint32(b[4:], uint32(size))
		return b
	}
	b := notification(EventSendFailed, 48)
	n, err := Decode(b)
	require.NoError(t, err)
	failed := n.(SendFailed)
	assert.Equal(t, esock.SCTPSndRcv{Stream: b.u16(12), SSN: b.u16(14), Flags: b.u16(16), PPID: b.u32(20), Context: b.u32(24),
		TimeToLive: b.u32(28), TSN: b.u32(32), CumTSN: b.u32(36), AssocID: b.i32(40)}, failed.Info)
	assert.Equal(t, b.i32(44), failed.AssocID)
	assert.Nil(t, failed.Data, "no data is nil")

	b = notification(EventPartialDelivery, 24)
	n, err = Decode(b)
	require.NoError(t, err)
	assert.Equal(t, PartialDelivery{Indication: b.u32(8), AssocID: b.i32(12), Stream: b.u32(16), Seq: b.u32(20)}, n)

	b = notification(EventPeerAddrChange, 148)
	copy(b[10:], "\x00\x50\x7f\x00\x00\x01") // port and address, as struct sockaddr_in has them
	for _, want := range []esock.Addr{{}, local(1, 80), esock.RawAddr(99, b[10:136])} {
		binary.NativeEndian.PutUint16(b[8:], uint16(want.Family()))
		n, err = Decode(b)
		require.NoError(t, err)
		assert.Equal(t, PeerAddrChange{Addr: want, State: AddrState(b.i32(136)), Error: b.i32(140), AssocID: b.i32(144)}, n)
	}
}

func TestAMessageWithoutInformation(t *testing.T) {
	for _, m := range []*esock.Msg{nil, {}} {
		_, ok := RcvInfo(m)
		assert.False(t, ok)
		_, ok = NxtInfo(m)
		assert.False(t, ok)
	}
}

func TestNamesOfWhatHappened(t *testing.T) {
	for _, c := range []struct {
		v    fmt.Stringer
		name string
	}{
		{EventAssocChange, "assoc_change"}, {EventSendFailedEvent, "send_failed_event"}, {Event(0), "0"}, {Event(0xFFFF), "65535"},
		{CommUp, "comm_up"}, {CantStrAssoc, "cant_assoc"}, {AssocState(9), "9"}, {AddrAvailable, "addr_available"},
		{AddrPotentiallyFailed, "addr_potentially_failed"}, {AddrState(-1), "-1"}, {AuthNoAuth, "auth_no_auth"},
		{AuthIndication(3), "3"}, {PrNone, "none"}, {PrPrio, "prio"}, {PrPolicy(0x40), "64"}, {Incoming | Outgoing, "incoming|outgoing"},
		{Direction(4), "4"},
	} {
		assert.Equal(t, c.name, c.v.String())
	}
}

// Decode does not panic, and what it returns says of which kind it is.
func FuzzDecode(f *testing.F) {
	eachRecorded(f, "notifications", func(_ string, b []byte, _ string) { f.Add(b) })
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := Decode(b)
		if err != nil {
			assert.ErrorIs(t, err, &esock.InvalidError{What: "notification"})
			return
		}
		assert.Equal(t, Event(binary.NativeEndian.Uint16(b)), n.Event())
		assert.NotEmpty(t, shown(n))
		n.Assoc()
	})
}

// Addresses of the kernel's lists and of notifications are read to their ends, and no further.
func FuzzAddresses(f *testing.F) {
	list, err := appendSockaddrs(nil, []esock.Addr{local(1, 80), esock.Inet6Addr(local(1, 0).IP(), 81, 2).WithFlowInfo(3)})
	require.NoError(f, err)
	f.Add(list, uint32(2))
	f.Fuzz(func(t *testing.T, b []byte, count uint32) {
		addrs, err := addressList(b, count)
		if err != nil {
			assert.ErrorIs(t, err, &esock.InvalidError{What: "sockaddr"})
			return
		}
		assert.EqualValues(t, count, len(addrs))
		assert.LessOrEqual(t, len(addrs), len(b)/size4)
	})
}

// The bytes of control messages that are sent: RFC 6458, section 5.3.
func TestWhatGoesWithAMessageIsEncoded(t *testing.T) {
	littleEndian(t)
	six := esock.Inet6Addr(netip.IPv6Loopback(), 80, 0)
	for _, c := range []struct {
		info  Info
		typ   int
		bytes string
	}{
		{PrInfo{Policy: PrRtx, Value: 0x01020304}, 5, "\x20\x00\x00\x00\x04\x03\x02\x01"},
		{AuthInfo{KeyNumber: 0x0102}, 6, "\x02\x01"},
		{DstAddr{local(9, 80)}, 7, "\x7f\x00\x00\x09"},
		{DstAddr{six}, 8, strings.Repeat("\x00", 15) + "\x01"},
	} {
		got := c.info.Control()
		assert.Equal(t, []any{132, c.typ, c.bytes}, []any{got.Level, got.Type, string(got.Data)}, "%T", c.info)
	}
}

func TestAddressesAreReadAsTheyAreWritten(t *testing.T) {
	want := []esock.Addr{local(1, 80), esock.Inet6Addr(local(1, 0).IP(), 81, 2).WithFlowInfo(3), local(2, 0)}
	list, err := appendSockaddrs(nil, want)
	require.NoError(t, err)
	require.Len(t, list, size4+size6+size4)
	addrs, err := addressList(list, 3)
	require.NoError(t, err)
	assert.Equal(t, want, addrs)
	for n := range len(list) {
		_, err := addressList(list[:n], 3)
		require.ErrorIs(t, err, &esock.InvalidError{What: "sockaddr"})
		_, err = addressList(list[size4:][:min(n, size6-1)], 1)
		require.ErrorIs(t, err, &esock.InvalidError{What: "sockaddr"}, "an address of inet6 with %d bytes", n)
	}
	six, err := addressList(list[size4:size4+size6], 1)
	require.NoError(t, err)
	assert.Equal(t, want[1:2], six)
	// Room that the kernel did not write, and what is no address of the internet, end the list, too.
	for _, end := range []string{strings.Repeat("\x00", 64), "\x63\x63" + strings.Repeat("x", 62)} {
		_, err := addressList(append(list[:len(list):len(list)], end...), 4)
		require.ErrorIs(t, err, &esock.InvalidError{What: "sockaddr"})
	}
	_, err = addressList(list, math.MaxUint32)
	require.ErrorIs(t, err, &esock.InvalidError{What: "sockaddr"})
}
