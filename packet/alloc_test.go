package packet_test

import (
	"bytes"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock/packet"
)

// One packet of each type, whose parts are all taken.
var samples = map[packet.Type]string{
	packet.Raw: "abc", packet.Len0: "abc", packet.Len1: "\x01a", packet.Len2: "\x00\x01a",
	packet.Len4: "\x00\x00\x00\x01a",
	packet.ASN1: "\x1f\x81\x01\x81\x01a", packet.SunRM: "\x80\x00\x00\x01a",
	packet.CDR:  "GIOP\x01\x02\x01\x01\x01\x00\x00\x00a",
	packet.FCGI: "\x01\x05\x00\x01\x00\x03\x02\x00abc\x00\x00", packet.Line: "abc\n", packet.TPKT: "\x03\x00\x00\x05a",
	packet.TLS: "\x16\x03\x03\x00\x04abcd", packet.HTTP: "GET http://h:80/ HTTP/1.1\r\n",
	packet.HTTPBin: "HTTP/1.1 200 OK\r\n",
	packet.HTTPH:   "content-TYPE: x\r\nx", packet.HTTPHBin: "X-Other: x\r\nx",
}

func takeParts(p packet.Packet) int {
	n := len(p.Data())
	if r, ok := p.HTTPRequest(); ok {
		n += len(r.Method.String()) + len(r.URI.Host) + r.URI.Port + r.Version.Minor + len(r.VersionText) + len(r.Rest)
	}
	if r, ok := p.HTTPResponse(); ok {
		n += r.Status + len(r.Phrase)
	}
	if h, ok := p.HTTPHeader(); ok {
		n += len(h.Value)
		if h.Index != 0 {
			n += len(h.Field())
		}
	}
	if r, ok := p.TLS(); ok {
		n += len(r.Data)
	}
	return n
}

func TestNothingIsAllocated(t *testing.T) {
	require.Len(t, samples, len(allTypes))
	for typ, in := range samples {
		b := []byte(in)
		o := packet.Options{PacketSize: 1000}
		parser, err := packet.NewParser(typ, o)
		require.NoError(t, err)
		assert.Zero(t, testing.AllocsPerRun(100, func() {
			p, _, err := packet.Decode(typ, b, o)
			if err != nil {
				panic(err)
			}
			sink += takeParts(p)
			if _, _, err := packet.Decode(typ, b[:1], o); err != nil && err != packet.ErrMore {
				panic(err)
			}
			if err := parser.SetType(typ); err != nil {
				panic(err)
			}
			p, _, err = parser.Next(b)
			if err != nil {
				panic(err)
			}
			sink += takeParts(p)
		}), typ)
	}
}

func TestNothingIsAllocatedForWhatIsInvalid(t *testing.T) {
	b := []byte("\x7f\xff\xff\xff")
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		if _, _, err := packet.Decode(packet.Len4, b, none); err != packet.ErrInvalid {
			panic(err)
		}
	}))
}

func TestDecoderAllocatesItsBufferOnly(t *testing.T) {
	for typ, in := range samples {
		one := []byte(in)
		if typ == packet.HTTPH || typ == packet.HTTPHBin {
			one = one[:len(one)-1]
		}
		stream := bytes.Repeat(one, 1000)
		r := bytes.NewReader(stream)
		d, err := packet.NewDecoder(r, typ, packet.Options{PacketSize: 1000})
		require.NoError(t, err)
		run := func() {
			r.Reset(stream)
			if err := d.SetType(typ); err != nil {
				panic(err)
			}
			for {
				p, err := d.Next()
				if err == io.EOF || err == io.ErrUnexpectedEOF { // a header at the end may go on
					break
				}
				if err != nil {
					panic(err)
				}
				sink += takeParts(p)
			}
		}
		run() // makes the buffer
		assert.Zero(t, testing.AllocsPerRun(10, run), typ)
	}
}

func TestAppendAllocatesNothingWhereThereIsRoom(t *testing.T) {
	buf, data := make([]byte, 0, 100), []byte("abc")
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		if _, err := packet.Append(buf, packet.Len4, data, data); err != nil {
			panic(err)
		}
	}))
}
