package packet_test

import (
	"embed"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock/internal/zerocall"
	"github.com/esock-go/esock/packet"
)

//go:embed *.go
var source embed.FS

// No call with zero values or on nil pointers panics.
func TestZeroValuesAreHarmless(t *testing.T) {
	zerocall.Package{
		Source: source,
		Types: []any{packet.ArgumentError{}, packet.Decoder{}, packet.Delimiter(0), packet.HTTPHeader{}, packet.HTTPRequest{},
			packet.HTTPResponse{}, packet.HTTPVersion{}, packet.Kind(0), packet.Method{}, packet.Options{}, packet.Packet{},
			packet.Parser{}, packet.TLSRecord{}, packet.Type(0), packet.URI{}, packet.URIKind(0)},
		Values: map[string]any{"255": packet.Type(255), "kind 255": packet.Kind(255), "URI kind 255": packet.URIKind(255),
			"delimiter 65535": packet.Delimiter(65535), "ErrMore": packet.ErrMore, "ErrInvalid": packet.ErrInvalid,
			"ErrTooLong": packet.ErrTooLong},
		Funcs: map[string]any{"Append": packet.Append, "AppendHeader": packet.AppendHeader, "DataPacket": packet.DataPacket,
			"Decode": packet.Decode, "DelimiterOf": packet.DelimiterOf, "NewDecoder": packet.NewDecoder,
			"NewParser": packet.NewParser, "ParseKind": packet.ParseKind,
			"ParseType": packet.ParseType, "ParseURIKind": packet.ParseURIKind},
	}.Run(t)
}

// The error names what was nil.
func TestNilPointersAreBadArguments(t *testing.T) {
	var p *packet.Parser
	var d *packet.Decoder
	var typ *packet.Type
	is := func(what string, err error) {
		t.Helper()
		var bad *packet.ArgumentError
		require.ErrorAs(t, err, &bad)
		assert.Equal(t, what, bad.What)
	}
	_, _, err := p.Next([]byte("x"))
	is("parser", err)
	is("parser", p.SetType(packet.Line))
	is("parser", p.SetOptions(packet.Options{}))
	_, err = d.Next()
	is("decoder", err)
	_, err = d.Read(make([]byte, 1))
	is("decoder", err)
	is("decoder", d.SetType(packet.Line))
	is("decoder", d.SetOptions(packet.Options{}))
	for _, err := range d.All() {
		is("decoder", err)
	}
	is("type", typ.UnmarshalText([]byte("line")))
}
