package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock/internal/sourcetree"
	"github.com/esock-go/esock/packet"
)

func TestPacketVectorsAllPass(t *testing.T) {
	sourcetree.Need(t)
	text, errs := said(t, exitOK, "packet", "decode", "--vectors", "../../packet/testdata/decode_packet.json")
	assert.Equal(t, "273 passed, 0 failed\n", text)
	assert.Empty(t, errs)
}

func TestPacketVectorsThatFailAreNamed(t *testing.T) {
	sourcetree.Need(t)
	b, err := os.ReadFile("../../packet/testdata/decode_packet.json")
	require.NoError(t, err)
	name := filepath.Join(t.TempDir(), "vectors.json")
	text := strings.Replace(string(b), `{"kind": "data", "hex": "61"}`, `{"kind": "data", "hex": "62"}`, 1)
	require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	said, errs := said(t, exitFailed, "packet", "decode", "--vectors", name)
	assert.Equal(t, "raw-002: {\"tag\": \"ok\", \"packet\": {\"kind\": \"data\", \"hex\": \"61\"}, \"rest\": \"\"}\n"+
		indent+"want {\"tag\": \"ok\", \"packet\": {\"kind\": \"data\", \"hex\": \"62\"}, \"rest\": \"\"}\n"+
		"272 passed, 1 failed\n", said)
	assert.Empty(t, errs)
}

func TestPacketDecodePrintsTheResult(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"--type 2 --hex 0003616263000178",
			`{"tag": "ok", "packet": {"kind": "data", "hex": "616263"}, "rest": "000178"}`},
		{"--type 4 --hex 000000", `{"tag": "more", "length": null}`},
		{"--type 4 --hex 00000005", `{"tag": "more", "length": 9}`},
		{"--type 4 --packet-size 4 --hex 00000005", `{"tag": "error", "reason": "invalid"}`},
		{"--type raw", `{"tag": "more", "length": null}`},
		{"--type line --line-length 2 --hex 6162630a",
			`{"tag": "ok", "packet": {"kind": "data", "hex": "6162"}, "rest": "630a"}`},
		{"--type line --line-delimiter 59 --hex 0x613b62",
			`{"tag": "ok", "packet": {"kind": "data", "hex": "613b"}, "rest": "62"}`},
		{"--type httph --hex 613a3c26e4220d0a0d0a", `{"tag": "ok", "packet": {"kind": "http_header", "index": 0, ` +
			`"field": {"string": "A"}, "unmodified": "a", "value": "<&\u00e4\""}, "rest": "0d0a"}`},
	} {
		text, errs := said(t, exitOK, append([]string{"packet", "decode"}, strings.Fields(c.args)...)...)
		assert.Equal(t, c.want+"\n", text, c.args)
		assert.Empty(t, errs)
	}
}

func TestPacketDecodeReadsTheInput(t *testing.T) {
	for in, want := range map[string]string{
		"\x00\x02ab\x00": `{"tag": "ok", "packet": {"kind": "data", "hex": "6162"}, "rest": "00"}`,
		"":               `{"tag": "more", "length": null}`,
	} {
		var b strings.Builder
		require.NoError(t, (&packetDecodeCmd{Type: "2"}).Run(&output{Writer: &b}, terminals{in: strings.NewReader(in)}))
		assert.Equal(t, want+"\n", b.String())
	}
	err := (&packetDecodeCmd{Type: "2"}).Run(&output{Writer: io.Discard}, terminals{in: iotest.ErrReader(errors.New("lost"))})
	assert.EqualError(t, err, "the input cannot be read: lost")
	none := ""
	require.NoError(t, (&packetDecodeCmd{Type: "2", Hex: &none}).Run(&output{Writer: io.Discard}, terminals{}), "--hex= is no bytes")
}

func TestPacketDecodeSaysWhatIsWrong(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"", "give the --type of the packet, or --vectors FILE"},
		{"--type 4 --hex 6", "--hex: odd length hex string"},
		{"--type 4 --hex xy", "--hex: invalid byte"},
		{"--vectors f --type 4", "cannot be combined with other flags"},
		{"--vectors f --packet-size 4", "cannot be combined with other flags"},
		{"--vectors nowhere.json", "no such file"},
	} {
		text, errs := said(t, refusedCode(c.want), append([]string{"packet", "decode"}, strings.Fields(c.args)...)...)
		assert.Empty(t, text, c.args)
		assert.Contains(t, errs, "esock packet decode: ", c.args)
		assert.Contains(t, errs, c.want, c.args)
	}
	// What decode_packet/3 answers badarg to is a wrong flag, and nothing is decoded.
	for _, c := range []struct{ args, want string }{
		{"--type lin", `--type: there is no type "lin"; did you mean line?`},
		{"--type line --line-delimiter 256 --hex 61", "--line-delimiter: must be a number from 0 to 255, not 256"},
		{"--type line --line-delimiter=-1 --hex 61", "--line-delimiter: must be a number from 0 to 255, not -1"},
		{"--type http --line-delimiter 10 --hex 61", "--line-delimiter: only allowed with --type line"},
		{"--type raw --packet-size=-1 --hex 61", "--packet-size: must be a number from 0 to 4294967295, not -1"},
		{"--type 4 --packet-size 4294967296", "--packet-size: must be a number from 0 to 4294967295, not 4294967296"},
		{"--type line --line-length=-1", "--line-length: must be a number from 0 to 4294967295, not -1"},
	} {
		text, errs := said(t, exitUsage, append([]string{"packet", "decode"}, strings.Fields(c.args)...)...)
		assert.Empty(t, text)
		assert.Equal(t, "esock packet decode: "+c.want+"\n", errs)
	}
	// Nothing else is badarg: the flags that are accepted never give it.
	for typ := packet.Raw; typ <= packet.HTTPHBin; typ++ {
		text, _ := said(t, exitOK, "packet", "decode", "--type", typ.String(), "--hex", "00", "--packet-size", "4294967295",
			"--line-length", "4294967295")
		assert.NotContains(t, text, "badarg", typ)
	}
}

func TestPacketDecodeThatCannotBeWritten(t *testing.T) {
	var errs strings.Builder
	assert.Equal(t, exitFailed, run([]string{"packet", "decode", "--type", "raw"}, noWriter{}, &errs))
	assert.Contains(t, errs.String(), "no room")
}
