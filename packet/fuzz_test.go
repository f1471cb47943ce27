package packet_test

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock/internal/packetjson"
	"github.com/esock-go/esock/packet"
)

// FuzzDecode: never a panic, never a read past the input, the input is not changed, and the same packets whatever the
// pieces it comes in.
func FuzzDecode(f *testing.F) {
	for i, v := range vectors(f) {
		typ, err := packet.ParseType(v.Type)
		require.NoError(f, err)
		if o, ok := v.Options.Packet(); ok {
			f.Add(uint8(typ), uint32(o.PacketSize), uint32(o.LineLength), uint16(o.LineDelimiter), []byte(v.Input), uint64(i))
		}
	}
	f.Fuzz(func(t *testing.T, typ uint8, size, length uint32, delimiter uint16, in []byte, seed uint64) {
		o := packet.Options{PacketSize: int(size), LineLength: int(length), LineDelimiter: packet.Delimiter(delimiter)}
		want := decodedWith(t, packet.Type(typ), in, o, nil)
		for _, behind := range []string{"\n\n\n\n\n\n\n\n", "HTTP/1.1 x:\r\n x\r\n\r\n",
			"\x00\x00\x00\x00\xff\xff\xff\xff"} {
			require.Equal(t, want, decodedWith(t, packet.Type(typ), in, o, []byte(behind)))
		}
		if _, err := packet.NewParser(packet.Type(typ), o); err != nil {
			require.Equal(t, "badarg", want)
			return
		}
		if arrivalMatters(packet.Type(typ), o) {
			return
		}
		whole := parsed(t, packet.Type(typ), o, [][]byte{in})
		r := rand.New(rand.NewPCG(seed, 0))
		cut := pieces(r, in, 1+r.IntN(20))
		require.Equal(t, whole, parsed(t, packet.Type(typ), o, cut))
		if len(in) > 0 {
			require.Equal(t, whole, decoded(t, packet.Type(typ), o, &pieceReader{pieces: cut, eager: seed%2 == 0}))
		}
	})
}

// decodedWith decodes b where the memory goes on with other bytes.
func decodedWith(t *testing.T, typ packet.Type, in []byte, o packet.Options, behind []byte) string {
	t.Helper()
	memory := slices.Concat(in, behind)
	before := bytes.Clone(memory)
	p, n, err := packet.Decode(typ, memory[:len(in)], o)
	require.Equal(t, before, memory)
	switch {
	case err == nil:
		require.True(t, 0 < n && n <= len(in), "%d", n)
		return outcome(in, packet.Packet{}, n, nil) + packetjson.Packet(p)
	case n != 0:
		require.Greater(t, n, len(in))
	}
	require.Equal(t, packet.Packet{}, p)
	return outcome(in, p, n, err)
}
