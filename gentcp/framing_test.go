package gentcp_test

import (
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/packet"
)

// streams are packets of every type, as they are sent and as they are received.
var streams = []struct {
	typ  packet.Type
	sent string
	want []string
}{
	{packet.Len1, "\x03abc\x00\x01x", []string{"abc", "", "x"}},
	{packet.Len2, "\x00\x03abc\x00\x01x\x00\x00", []string{"abc", "x", ""}},
	{packet.Len4, "\x00\x00\x00\x03abc\x00\x00\x00\x01x", []string{"abc", "x"}},
	{packet.SunRM, "\x80\x00\x00\x03abc\x00\x00\x00\x00", []string{"\x80\x00\x00\x03abc", "\x00\x00\x00\x00"}},
	{packet.ASN1, "\x30\x03\x02\x01\x05\x1f\x81\x01\x02ab\x30\x80", []string{"\x30\x03\x02\x01\x05", "\x1f\x81\x01\x02ab", "\x30\x80"}},
	{packet.CDR, "GIOP\x01\x02\x01\x01\x04\x00\x00\x00abcdGIOP\x01\x02\x00\x01\x00\x00\x00\x00",
		[]string{"GIOP\x01\x02\x01\x01\x04\x00\x00\x00abcd", "GIOP\x01\x02\x00\x01\x00\x00\x00\x00"}},
	{packet.FCGI, "\x01\x05\x00\x01\x00\x03\x02\x00abc\x00\x00\x01\x05\x00\x01\x00\x00\x00\x00",
		[]string{"\x01\x05\x00\x01\x00\x03\x02\x00abc", "\x01\x05\x00\x01\x00\x00\x00\x00"}},
	{packet.TPKT, "\x03\x00\x00\x07abc\x03\x00\x00\x04", []string{"\x03\x00\x00\x07abc", "\x03\x00\x00\x04"}},
	{packet.Line, "abc\r\n\nlast\n", []string{"abc\r\n", "\n", "last\n"}},
	{packet.HTTP, "GET /x HTTP/1.1\r\nHost: a\r\nb: c\r\n d\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
		[]string{"GET /x", "Host: a", "B: c\r\n d", "http_eoh", "status OK", "http_eoh"}},
	{packet.HTTPBin, "PUT /x HTTP/1.1\r\n\r\n", []string{"PUT /x", "http_eoh"}},
	{packet.HTTPH, "a: b\r\nc: d\r\n\r\ne: f\r\n\r\n", []string{"A: b", "C: d", "http_eoh", "E: f", "http_eoh"}},
	{packet.HTTPHBin, "a: b\r\n\r\n", []string{"A: b", "http_eoh"}},
}

// Packets are found however the stream is cut, with and without reading ahead, passive and active.
func TestFramingHoweverTheStreamIsCut(t *testing.T) {
	for _, c := range streams {
		for _, ahead := range []bool{true, false} {
			for _, cut := range []int{1, 2, 3, 7, 1 << 20} {
				mb := owner(t)
				s, peer := wired(t, mb, gentcp.PacketType(c.typ), gentcp.ReadAhead(ahead), gentcp.Active(false))
				got := recvLater(t, s, 0, soon)
				turns(t, s, 0)
				pieces := func() { // each when the one before has been read
					for rest := c.sent; rest != ""; {
						n := min(cut, len(rest))
						inKernelQueue(t, s, 0)
						write(t, peer, rest[:n])
						rest = rest[n:]
					}
				}
				wait := background(t, pieces)
				require.Equal(t, c.want[0], got(), "%s", c.typ)
				recvs(t, s, c.want[1:]...)
				wait()

				require.NoError(t, s.SetOpts(gentcp.PacketType(c.typ), gentcp.Active(true)))
				form := "tcp "
				if c.typ.IsHTTP() {
					form = "http "
				}
				wait = background(t, pieces)
				for _, w := range c.want {
					gets(t, mb, form+w)
				}
				wait()
				holds(t, mb)
			}
		}
	}
}

// The example of the manual: two bytes as raw, then packets of the rest that has been read already.
func TestPacketSwitchWithBufferedData(t *testing.T) {
	s, peer := wired(t, nil)
	put(t, s, peer, "xy\x00\x02abline\n\x01z")
	assert.Equal(t, "xy", recvText(s, 2, soon))
	for _, c := range []struct {
		typ  packet.Type
		want string
	}{{packet.Len2, "ab"}, {packet.Line, "line\n"}, {packet.Len1, "z"}} {
		require.NoError(t, s.SetOpts(gentcp.PacketType(c.typ)))
		recvs(t, s, c.want)
	}
}

// A type that is changed while a receive waits is that of the packet it gets.
func TestPacketSwitchWhileAReceiveWaits(t *testing.T) {
	for _, into := range []int{0, 100} {
		for _, length := range []int{0, 50} {
			s, peer := wired(t, nil)
			var p gentcp.Packet
			wait := background(t, func() {
				var err error
				p, err = s.RecvInto(make([]byte, into), length, soon)
				assert.NoError(t, err)
			})
			turns(t, s, 0)
			require.NoError(t, s.SetOpts(gentcp.PacketType(packet.Line)))
			write(t, peer, "a")
			inKernelQueue(t, s, 0)
			write(t, peer, strings.Repeat("b", 100)+"\n")
			wait()
			assert.Equal(t, "a"+strings.Repeat("b", 100)+"\n", string(p.Data()))
		}
	}
}

// An HTTP message: the head in packets, its body as raw, and the next one.
func TestHTTPBodyAsRaw(t *testing.T) {
	for _, when := range []string{"all at once", "in pieces"} {
		s, peer := wired(t, nil, gentcp.PacketType(packet.HTTP))
		stream := "POST /a HTTP/1.1\r\nContent-Length: 4\r\n\r\nbodyPOST /b HTTP/1.1\r\nContent-Length: 4\r\n\r\nmore"
		if when == "all at once" {
			put(t, s, peer, stream)
		} else {
			background(t, func() { io.Copy(peer, iotest.OneByteReader(strings.NewReader(stream))) })
		}
		for _, c := range [][2]string{{"POST /a", "body"}, {"POST /b", "more"}} {
			recvs(t, s, c[0], "Content-Length: 4", "http_eoh")
			require.NoError(t, s.SetOpts(gentcp.PacketType(packet.Raw)))
			assert.Equal(t, c[1], recvText(s, 4, soon))
			require.NoError(t, s.SetOpts(gentcp.PacketType(packet.HTTP)))
		}
	}
}

// Only option packet makes a head begin again.
func TestHTTPStateIsKeptByOtherOptions(t *testing.T) {
	s, peer := wired(t, nil, gentcp.PacketType(packet.HTTP))
	put(t, s, peer, "GET /a HTTP/1.1\r\nHost: x\r\nGET /b HTTP/1.1\r\n")
	recvs(t, s, "GET /a")
	require.NoError(t, s.SetOpts(gentcp.PacketSize(1000), gentcp.Buffer(100), gentcp.Binary(), gentcp.LineDelimiter('x')))
	recvs(t, s, "Host: x")
	require.NoError(t, s.SetOpts(gentcp.PacketType(packet.HTTP)))
	recvs(t, s, "GET /b")
}

// A start line that is none is a packet too, and does not change what comes next.
func TestHTTPErrorGoesOn(t *testing.T) {
	s, peer := wired(t, nil, gentcp.PacketType(packet.HTTP))
	put(t, s, peer, "bad\r\nGET /a HTTP/1.1\r\nbad header\r\na: b\r\n\r\n")
	recvs(t, s, "http_errorbad\r\n", "GET /a", "http_errorbad header\r\n", "A: b", "http_eoh")
}

// What is no packet, or is too large, is told as often as is asked, and can be read as raw.
func TestPacketsThatAreNone(t *testing.T) {
	for _, c := range []struct {
		name string
		opts []gentcp.Option
		good string // before it
		sent string
	}{
		{"4, too large", []gentcp.Option{gentcp.PacketType(packet.Len4), gentcp.PacketSize(10)}, "",
			"\x00\x00\x00\x0bhello world"},
		{"4, too large, after another", []gentcp.Option{gentcp.PacketType(packet.Len4), gentcp.PacketSize(10)},
			"\x00\x00\x00\x01a", "\x00\x00\x00\x0b"},
		{"1, too large", []gentcp.Option{gentcp.PacketType(packet.Len1), gentcp.PacketSize(5)}, "", "\x06"},
		{"tpkt, version", []gentcp.Option{gentcp.PacketType(packet.TPKT)}, "", "\x04\x00\x00\x05x"},
		{"cdr, magic", []gentcp.Option{gentcp.PacketType(packet.CDR)}, "", "GIOQ\x01\x00\x00\x00\x00\x00\x00\x00"},
		{"fcgi, version", []gentcp.Option{gentcp.PacketType(packet.FCGI)}, "", "\x02\x05\x00\x01\x00\x00\x00\x00"},
		{"asn1, length", []gentcp.Option{gentcp.PacketType(packet.ASN1)}, "", "\x30\x85\x00\x00\x00\x00\x02"},
		{"line, too long", []gentcp.Option{gentcp.PacketType(packet.Line), gentcp.PacketSize(4)}, "", "abcde\n"},
		{"http, too long", []gentcp.Option{gentcp.PacketType(packet.HTTP), gentcp.PacketSize(15)}, "", "GET / HTTP/1.1\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, peer := wired(t, nil, c.opts...)
			put(t, s, peer, c.good+c.sent)
			if c.good != "" {
				require.NotContains(t, recvText(s, 0, soon), "error")
			}
			recvs(t, s, "error: emsgsize", "error: emsgsize")
			require.NoError(t, s.Send([]byte{}), "it is connected")
			require.NoError(t, s.SetOpts(gentcp.PacketType(packet.Raw)))
			recvs(t, s, c.sent)
		})
	}
	t.Run("one that may be larger after all", func(t *testing.T) {
		s, peer := wired(t, nil, gentcp.PacketType(packet.Len4), gentcp.PacketSize(10))
		put(t, s, peer, "\x00\x00\x00\x0bhello world")
		recvs(t, s, "error: emsgsize")
		require.NoError(t, s.SetOpts(gentcp.PacketSize(11)))
		recvs(t, s, "hello world")
	})
	t.Run("then the end", func(t *testing.T) {
		s, peer := wired(t, nil, gentcp.PacketType(packet.TPKT))
		put(t, s, peer, "nonsense")
		hangUp(t, s, peer)
		recvs(t, s, "error: emsgsize", "error: emsgsize")
		require.NoError(t, s.SetOpts(gentcp.PacketType(packet.Raw)))
		recvs(t, s, "nonsense", "error: closed")
	})
}

func TestLineOptions(t *testing.T) {
	t.Run("delimiter", func(t *testing.T) {
		s, peer := wired(t, nil, gentcp.PacketType(packet.Line), gentcp.LineDelimiter(';'))
		put(t, s, peer, "a;b\nc;d,e\n")
		recvs(t, s, "a;", "b\nc;")
		require.NoError(t, s.SetOpts(gentcp.LineDelimiter(',')))
		recvs(t, s, "d,")
		require.NoError(t, s.SetOpts(gentcp.LineDelimiter('\n')))
		recvs(t, s, "e\n")
	})
	t.Run("a line as long as a packet comes as a fragment", func(t *testing.T) {
		s, peer := wired(t, nil, gentcp.PacketType(packet.Line), gentcp.PacketSize(4))
		put(t, s, peer, "abcd")
		recvs(t, s, "abcd")
		put(t, s, peer, "ef\n")
		recvs(t, s, "ef\n")
	})
}

// Packets of every size around those of the buffers, and their echo.
func TestFramingOfAllSizes(t *testing.T) {
	client, server := bothEnds(t, nil, gentcp.PacketType(packet.Len4))
	require.NoError(t, server.SetOpts(gentcp.PacketType(packet.Len4), gentcp.Buffer(1<<20)))
	data := pattern(4 << 20)
	var sizes []int
	for k := 1; k <= len(data); k *= 2 {
		sizes = append(sizes, k-1, k, k-4)
	}
	background(t, func() {
		for _, n := range sizes {
			if n >= 0 {
				assert.NoError(t, server.Send(data[:n]))
			}
		}
	})
	for _, n := range sizes {
		if n >= 0 {
			p, err := client.Recv(0, soon)
			require.NoError(t, err)
			require.Len(t, p.Data(), n)
			require.True(t, string(data[:n]) == string(p.Data()))
		}
	}
	_, room := gentcp.Buffered(client)
	assert.Zero(t, room)
	assert.Equal(t, "error: timeout", recvText(client, 0, esock.Within(0)))
}
