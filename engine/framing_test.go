package engine_test

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/engine"
	"github.com/esock-go/esock/internal/testwait"
	"github.com/esock-go/esock/packet"
)

// samples are some packets of each type.
var samples = map[packet.Type]string{
	packet.Raw:      "bytes",
	packet.Len0:     "bytes",
	packet.Len1:     "\x03abc\x00\x01x",
	packet.Len2:     "\x00\x03abc\x00\x00\x00\x01x",
	packet.Len4:     "\x00\x00\x00\x03abc\x00\x00\x00\x00\x00\x00\x00\x01x",
	packet.ASN1:     "\x30\x03\x02\x01\x05\x04\x81\x02ab",
	packet.SunRM:    "\x80\x00\x00\x02ab\x80\x00\x00\x00",
	packet.CDR:      "GIOP\x01\x00\x00\x00\x00\x00\x00\x02abGIOP\x01\x00\x01\x00\x01\x00\x00\x00x",
	packet.FCGI:     "\x01\x06\x00\x01\x00\x03\x01\x00abc\x00\x01\x06\x00\x01\x00\x00\x00\x00",
	packet.TPKT:     "\x03\x00\x00\x06ab\x03\x00\x00\x05x",
	packet.Line:     "a line\n\nlast\n",
	packet.HTTP:     "GET / HTTP/1.1\r\nHost: a\r\nX-Y: z\r\n\r\nGET /b HTTP/1.0\r\n\r\n",
	packet.HTTPBin:  "PUT * HTTP/1.1\r\nHost: a\r\n\r\n",
	packet.HTTPH:    "Host: a\r\n b\r\nX: y\r\n\r\n",
	packet.HTTPHBin: "Host: a\r\nX: y\r\n\r\n",
	packet.TLS:      "\x16\x03\x01\x00\x02ab\x17\x03\x03\x00\x01x",
}

// shown is a packet as text that has all of it. Bytes without a type come in pieces, which are put together.
func shown(list []string, p packet.Packet, ty packet.Type) []string {
	if (ty == packet.Raw || ty == packet.Len0) && len(list) > 0 {
		list[0] += string(p.Data())
		return list
	} else if p.Kind() == packet.KindData {
		return append(list, string(p.Data()))
	}
	return append(list, fmt.Sprintf("%v", p))
}

// Packets of every type are the same wherever their bytes are split.
func TestPacketsSplitAtEveryByte(t *testing.T) {
	for ty := packet.Raw; ; ty++ {
		if _, err := packet.NewParser(ty, packet.Options{}); err != nil {
			break
		}
		sample := samples[ty]
		require.NotEmpty(t, sample, "%v", ty)
		t.Run(ty.String(), func(t *testing.T) {
			var want []string
			parser, err := packet.NewParser(ty, packet.Options{})
			require.NoError(t, err)
			for rest := []byte(sample); len(rest) > 0; {
				p, n, err := parser.Next(rest)
				require.NoError(t, err, "%q", rest)
				want = shown(want, p, ty)
				rest = rest[n:]
			}
			l := run(t, engine.Buffers(16, 256))
			for at := 0; at <= len(sample); at++ {
				a, b := pair(t)
				var got []string
				closed := make(chan error, 1)
				h := packets{packet: func(_ *engine.Conn, p packet.Packet) { got = shown(got, p, ty) }}
				h.closed = func(_ *engine.Conn, err error) { closed <- err }
				framed, err := engine.Packets(ty, packet.Options{}, h)
				require.NoError(t, err)
				_, err = l.Adopt(a, framed)
				require.NoError(t, err)
				_, err = b.Send([]byte(sample[:at]), 0, esock.Forever)
				require.NoError(t, err)
				testwait.Until(t, "the first part", func() bool { return a.Info().Counters.ReadByte == uint64(at) })
				_, err = b.Send([]byte(sample[at:]), 0, esock.Forever)
				require.NoError(t, err)
				require.NoError(t, b.Close())
				require.Equal(t, io.EOF, testwait.Result(t, "the end", closed))
				require.Equal(t, want, got, "split at %d", at)
				// A peer that vanishes there leaves whole packets.
				a, b = pair(t)
				got = []string{}
				_, err = l.Adopt(a, framed)
				require.NoError(t, err)
				_, err = b.Send([]byte(sample[:at]), 0, esock.Forever)
				require.NoError(t, err)
				require.NoError(t, b.Close())
				err = testwait.Result(t, "the end", closed)
				require.Condition(t, func() bool { return err == io.EOF || err == io.ErrUnexpectedEOF }, "%v", err)
				if ty != packet.Raw && ty != packet.Len0 {
					require.Equal(t, want[:len(got)], got, "ends at %d", at)
				}
			}
		})
	}
}

// A packet may be as large as PacketSize, and not larger, with its header or without.
func TestTheLimitOfPackets(t *testing.T) {
	for _, size := range []int{10, 11} {
		closed := make(chan error, 1)
		got := 0
		h := packets{packet: func(_ *engine.Conn, p packet.Packet) { got = len(p.Data()) }}
		h.closed = func(_ *engine.Conn, err error) { closed <- err }
		c := dial(t, serve(t, packet.Len2, packet.Options{PacketSize: 10}, h))
		_, err := c.Write(append([]byte{0, byte(size)}, make([]byte, size)...))
		require.NoError(t, err)
		require.NoError(t, c.(*net.TCPConn).CloseWrite())
		err = testwait.Result(t, "the end", closed)
		if size == 10 {
			require.Equal(t, io.EOF, err)
			require.Equal(t, 10, got)
		} else {
			require.ErrorIs(t, err, packet.ErrInvalid)
			require.Zero(t, got)
		}
	}
}

// Raw hands the body after a head over as it comes, and packets follow it.
func TestRawBytesBetweenPackets(t *testing.T) {
	sent := "PUT /a HTTP/1.1\r\nContent-Length: 5\r\n\r\nbody\nGET /b HTTP/1.1\r\n\r\n"
	l := run(t)
	for at := 0; at <= len(sent); at++ {
		a, b := pair(t)
		var got []string
		var left []int64
		body := ""
		closed := make(chan error, 1)
		h := packets{packet: func(c *engine.Conn, p packet.Packet) {
			switch p.Kind() {
			case packet.KindHTTPRequest:
				got = append(got, fmt.Sprintf("%v", p))
			case packet.KindHTTPEOH:
				if len(got) == 1 {
					assert.NoError(t, c.Raw(2))
					assert.NoError(t, c.Raw(3))
				}
			case packet.KindData:
				body += string(p.Data())
				left = append(left, c.RawLeft())
			}
		}}
		h.closed = func(_ *engine.Conn, err error) { closed <- err }
		framed, err := engine.Packets(packet.HTTP, packet.Options{}, h)
		require.NoError(t, err)
		_, err = l.Adopt(a, framed)
		require.NoError(t, err)
		_, err = b.Send([]byte(sent[:at]), 0, esock.Forever)
		require.NoError(t, err)
		testwait.Until(t, "the first part", func() bool { return a.Info().Counters.ReadByte == uint64(at) })
		_, err = b.Send([]byte(sent[at:]), 0, esock.Forever)
		require.NoError(t, err)
		require.NoError(t, b.Close())
		require.Equal(t, io.EOF, testwait.Result(t, "the end", closed))
		require.Equal(t, "body\n", body, "split at %d", at)
		require.Len(t, got, 2)
		require.Zero(t, left[len(left)-1])
	}
	// An end in the body is unexpected.
	a, b := pair(t)
	closed := make(chan error, 1)
	h := packets{packet: func(c *engine.Conn, p packet.Packet) { c.Raw(2) }}
	h.closed = func(_ *engine.Conn, err error) { closed <- err }
	framed, err := engine.Packets(packet.Line, packet.Options{}, h)
	require.NoError(t, err)
	_, err = l.Adopt(a, framed)
	require.NoError(t, err)
	_, err = b.Send([]byte("\nab\n"), 0, esock.Forever)
	require.NoError(t, err)
	require.NoError(t, b.Close())
	require.Equal(t, io.ErrUnexpectedEOF, testwait.Result(t, "the end", closed))
}

// A parser that is changed while bytes wait finds packets in them, without any that follow.
func TestAnotherTypeForWhatWaits(t *testing.T) {
	for name, change := range map[string]func(*engine.Conn) error{
		"type": func(c *engine.Conn) error { return c.Parser().SetType(packet.Raw) },
		"raw":  func(c *engine.Conn) error { return c.Raw(4) },
	} {
		t.Run(name, func(t *testing.T) {
			l := run(t)
			a, b := pair(t)
			got := make(chan string, 1)
			framed, err := engine.Packets(packet.Line, packet.Options{}, packets{packet: func(_ *engine.Conn, p packet.Packet) {
				got <- string(p.Data())
			}})
			require.NoError(t, err)
			c, err := l.Adopt(a, framed)
			require.NoError(t, err)
			_, err = b.Send([]byte("rest"), 0, esock.Forever)
			require.NoError(t, err)
			testwait.Until(t, "the bytes", func() bool { return a.Info().Counters.ReadByte == 4 })
			in(t, l, func() { assert.NoError(t, change(c)) })
			require.Equal(t, "rest", testwait.Result(t, "the packet", got))
		})
	}
}

func TestWrongRaw(t *testing.T) {
	var none *engine.Conn
	var invalid *esock.InvalidError
	require.ErrorAs(t, none.Raw(1), &invalid)
	require.ErrorAs(t, (&engine.Conn{}).Raw(1), &invalid)
	require.Zero(t, none.RawLeft())
	errs := make(chan error, 3)
	h := packets{packet: func(c *engine.Conn, _ packet.Packet) {
		errs <- c.Raw(-1)
		assert.NoError(t, c.Raw(1<<62))
		errs <- c.Raw(1 << 62)
		assert.EqualValues(t, int64(1<<62), c.RawLeft())
		c.Close()
	}}
	c := dial(t, serve(t, packet.Line, packet.Options{}, h))
	_, err := c.Write([]byte(strings.Repeat("\n", 3)))
	require.NoError(t, err)
	for range 2 {
		require.ErrorAs(t, testwait.Result(t, "the error", errs), &invalid)
	}
}
