package packet_test

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock/packet"
)

var allTypes = map[packet.Type]string{packet.Raw: "raw", packet.Len0: "0", packet.Len1: "1", packet.Len2: "2",
	packet.Len4: "4",
	packet.ASN1: "asn1", packet.SunRM: "sunrm", packet.CDR: "cdr", packet.FCGI: "fcgi", packet.Line: "line",
	packet.TPKT: "tpkt",
	packet.TLS:  "ssl_tls", packet.HTTP: "http", packet.HTTPH: "httph", packet.HTTPBin: "http_bin",
	packet.HTTPHBin: "httph_bin"}

func TestTypesHaveOTPsNames(t *testing.T) {
	require.Len(t, allTypes, int(packet.HTTPHBin)+1)
	for typ, name := range allTypes {
		assert.Equal(t, name, typ.String())
		got, err := packet.ParseType(name)
		require.NoError(t, err)
		assert.Equal(t, typ, got)
		text, err := json.Marshal(map[packet.Type]packet.Type{typ: typ})
		require.NoError(t, err)
		assert.Equal(t, `{"`+name+`":"`+name+`"}`, string(text))
		var back map[packet.Type]packet.Type
		require.NoError(t, json.Unmarshal(text, &back))
		assert.Equal(t, map[packet.Type]packet.Type{typ: typ}, back)
		assert.Equal(t, len(name) >= 4 && name[:4] == "http", typ.IsHTTP(), name)
	}
	_, err := packet.ParseType("3")
	assert.EqualError(t, err, "packet: bad type 3")
	typ := packet.Line
	assert.Error(t, typ.UnmarshalText([]byte("LINE")))
	assert.Equal(t, packet.Line, typ)
	_, err = packet.Type(99).MarshalText()
	assert.ErrorIs(t, err, syscall.EINVAL)
	assert.Equal(t, "packet.Type(99)", packet.Type(99).String())
	assert.False(t, packet.Type(99).IsHTTP())
}

func TestKindsHaveOTPsNames(t *testing.T) {
	for k, name := range []string{"none", "data", "http_request", "http_response", "http_header", "http_eoh",
		"http_error", "ssl_tls"} {
		assert.Equal(t, name, packet.Kind(k).String())
	}
	assert.Equal(t, "packet.Kind(8)", packet.Kind(8).String())
	for k, name := range []string{"string", "star", "abs_path", "absoluteURI", "scheme"} {
		assert.Equal(t, name, packet.URIKind(k).String())
	}
	assert.Equal(t, "packet.URIKind(5)", packet.URIKind(5).String())
}

// mostSize is the largest size that an option takes: OTP's, unless an int has 32 bits.
const mostSize = math.MaxUint32 >> ((64 - strconv.IntSize) / 32)

func TestHeadersOfASender(t *testing.T) {
	for typ := range allTypes {
		header, most := "", -1
		switch typ {
		case packet.Len1:
			header, most = "\xff", math.MaxUint8
		case packet.Len2:
			header, most = "\xff\xff", math.MaxUint16
		case packet.Len4:
			if strconv.IntSize == 32 { // every length fits
				continue
			}
			header, most = "\xff\xff\xff\xff", mostSize
		}
		assert.Equal(t, len(header), typ.HeaderLen(), typ)
		if most < 0 {
			got, err := packet.AppendHeader([]byte("x"), typ, math.MaxInt)
			require.NoError(t, err)
			assert.Equal(t, "x", string(got))
			continue
		}
		got, err := packet.AppendHeader([]byte("x"), typ, most)
		require.NoError(t, err)
		assert.Equal(t, "x"+header, string(got))
		got, err = packet.AppendHeader([]byte("x"), typ, most+1)
		assert.ErrorIs(t, err, packet.ErrTooLong)
		assert.ErrorIs(t, err, syscall.EMSGSIZE)
		assert.Equal(t, "x", string(got))
	}
	var bad *packet.ArgumentError
	for _, f := range []func() ([]byte, error){
		func() ([]byte, error) { return packet.AppendHeader([]byte("x"), packet.Len4, -1) },
		func() ([]byte, error) { return packet.AppendHeader([]byte("x"), 99, 1) },
		func() ([]byte, error) { return packet.Append([]byte("x"), 99, []byte("a")) },
	} {
		got, err := f()
		assert.ErrorAs(t, err, &bad)
		assert.Equal(t, "x", string(got))
	}
}

func TestAppend(t *testing.T) {
	got, err := packet.Append([]byte("x"), packet.Len2, []byte("ab"), nil, []byte("c"))
	require.NoError(t, err)
	got, err = packet.Append(got, packet.Len2)
	require.NoError(t, err)
	got, err = packet.Append(got, packet.Line, []byte("as "), []byte("given"))
	require.NoError(t, err)
	assert.Equal(t, "x\x00\x03abc\x00\x00as given", string(got))
	got, err = packet.Append([]byte("x"), packet.Len1, make([]byte, 200), make([]byte, 56))
	assert.ErrorIs(t, err, packet.ErrTooLong)
	assert.Equal(t, "x", string(got))
}

// What is sent can be received.
func TestAppendedPacketsAreDecoded(t *testing.T) {
	for _, typ := range []packet.Type{packet.Len1, packet.Len2, packet.Len4} {
		var stream []byte
		for n := range 256 {
			var err error
			stream, err = packet.Append(stream, typ, bytes.Repeat([]byte{byte(n)}, n))
			require.NoError(t, err)
		}
		d, err := packet.NewDecoder(bytes.NewReader(stream), typ, none)
		require.NoError(t, err)
		for n := range 256 {
			p, err := d.Next()
			require.NoError(t, err)
			assert.Equal(t, bytes.Repeat([]byte{byte(n)}, n), append([]byte{}, p.Data()...))
		}
		_, err = d.Next()
		assert.Equal(t, io.EOF, err)
	}
}

func TestErrorsAreWhatCallersLookFor(t *testing.T) {
	assert.ErrorIs(t, packet.ErrInvalid, syscall.EMSGSIZE)
	assert.NotErrorIs(t, packet.ErrInvalid, packet.ErrTooLong)
	assert.NotErrorIs(t, packet.ErrMore, syscall.EMSGSIZE)
	_, err := packet.NewDecoder(nil, packet.Raw, none)
	assert.ErrorIs(t, err, syscall.EINVAL)
	assert.NotErrorIs(t, err, syscall.EMSGSIZE)
	assert.EqualError(t, err, "packet: bad reader <nil>")
}

func TestCopyHasMemoryOfItsOwn(t *testing.T) {
	in := []byte("Host: x\r\n\r\n")
	p, _, err := packet.Decode(packet.HTTPH, in, none)
	require.NoError(t, err)
	small, room := make([]byte, 0, 1), make([]byte, 100)
	for _, q := range []packet.Packet{p.CopyTo(nil), p.CopyTo(small), p.CopyTo(room)} {
		clear(in)
		assert.Equal(t, `14 Host "Host" "x"`, shown(q))
		copy(in, "Host: x\r\n\r\n")
	}
	assert.Equal(t, "Host: x", string(room[:7]))
}
