package packet_test

import (
	"encoding/json"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock/internal/packetjson"
	"github.com/esock-go/esock/internal/sourcetree"
	"github.com/esock-go/esock/packet"
)

// vectors are OTP's results on chosen inputs and on random ones; the note in each file says how they were made.
func vectors(t testing.TB) []packetjson.Vector {
	t.Helper()
	sourcetree.Need(t)
	f, err := packetjson.Read("testdata/decode_packet.json")
	require.NoError(t, err)
	require.Len(t, f.Vectors, 273)
	more, err := packetjson.Read("testdata/decode_more.json")
	require.NoError(t, err)
	return append(f.Vectors, more.Vectors...)
}

func TestVectorsOfOTP(t *testing.T) {
	for _, v := range vectors(t) {
		got, ok := v.Run()
		assert.True(t, ok, "%s: got %s, want %s", v.ID, got, v.Result)
	}
}

// Every vector, fed byte by byte and in random pieces, gives the packets that it gives at once; the first is the
// vector's.
func TestVectorsGiveTheSamePacketsHoweverTheyArrive(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	compared := 0
	for _, v := range vectors(t) {
		var result struct {
			Tag    string
			Packet json.RawMessage
		}
		require.NoError(t, json.Unmarshal(v.Result, &result))
		if result.Tag == "badarg" {
			continue
		}
		typ, o := optionsOf(t, v)
		if arrivalMatters(typ, o) {
			continue
		}
		compared++
		want := parsed(t, typ, o, [][]byte{v.Input})
		if result.Tag == "ok" {
			assert.JSONEq(t, string(result.Packet), want[0], v.ID)
		}
		assert.Equal(t, want, parsed(t, typ, o, pieces(r, v.Input, 1)), v.ID)
		assert.Equal(t, want, decoded(t, typ, o, &pieceReader{pieces: pieces(r, v.Input, 1)}), v.ID)
		for i := range 10 {
			cut := pieces(r, v.Input, 2+3*i)
			assert.Equal(t, want, parsed(t, typ, o, cut), v.ID)
			assert.Equal(t, want, decoded(t, typ, o, &pieceReader{pieces: cut, eager: i%2 == 0}), v.ID)
		}
	}
	assert.Greater(t, compared, 240)
}

// Raw data are what has come: together they are the input.
func TestRawDataAreDeliveredAsTheyArrive(t *testing.T) {
	for _, typ := range []packet.Type{packet.Raw, packet.Len0} {
		got := parsed(t, typ, packet.Options{PacketSize: 1}, [][]byte{[]byte("ab"), []byte("c")})
		assert.Equal(t, []string{`{"kind": "data", "hex": "6162"}`, `{"kind": "data", "hex": "63"}`, `more after ""`},
			got)
	}
}
