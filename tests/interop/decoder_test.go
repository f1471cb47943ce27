package interop

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock/internal/packetjson"
)

//go:embed decoder.erl
var decoderSource []byte

var (
	decodings  = flag.Int("decodings", 2000, "random inputs that both decoders are given, for each type")
	decodeSeed = flag.Uint64("decodeseed", 1, "seed of those inputs")
)

// Random inputs of every type give the same packets here and in Erlang.
func TestDecodeAsErlang(t *testing.T) {
	needErlang(t)
	types := []string{"raw", "0", "1", "2", "4", "asn1", "sunrm", "cdr", "fcgi", "line", "tpkt", "ssl_tls", "http", "httph",
		"http_bin", "httph_bin"}
	g := inputs{rand.New(rand.NewPCG(*decodeSeed, 0))}
	var calls []decoding
	for range *decodings {
		for _, typ := range types {
			calls = append(calls, g.decoding(typ))
		}
	}
	release, answers := decodeWithErlang(t, calls)
	differ := 0
	for i, c := range calls {
		got := packetjson.Decode(c.typ, c.in, c.o)
		if got == answers[i] || c.known(release) || sameJSON(t, got, answers[i]) {
			continue
		}
		if differ++; differ <= 10 {
			assert.Fail(t, "they differ", "%s\n%q\nErlang %s\nhere   %s", c.line(), c.in, answers[i], got)
		}
	}
	assert.Zero(t, differ)
}

// decoding is one call of decode_packet.
type decoding struct {
	typ string
	o   packetjson.Options
	in  []byte
}

func (c decoding) line() string {
	option := func(n *int64) string {
		if n == nil {
			return "-"
		}
		return strconv.FormatInt(*n, 10)
	}
	return fmt.Sprintf("%s %s %s %s %s", c.typ, option(c.o.PacketSize), option(c.o.LineLength),
		option(c.o.LineDelimiter), hex.EncodeToString(c.in))
}

// known reports whether the release is known to answer something else: before 27 it cut hosts in brackets at their
// first colon.
func (c decoding) known(release string) bool {
	n, err := strconv.Atoi(release)
	return err == nil && n < 27 && strings.HasPrefix(c.typ, "http") && bytes.Contains(c.in, []byte("://["))
}

func sameJSON(t *testing.T, x, y string) bool {
	var a, b any
	require.NoError(t, json.Unmarshal([]byte(x), &a))
	require.NoError(t, json.Unmarshal([]byte(y), &b))
	return reflect.DeepEqual(a, b)
}

// decodeWithErlang makes the calls in a node of their own, and returns its release and the results.
func decodeWithErlang(t *testing.T, calls []decoding) (release string, answers []string) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "decoder.erl"), decoderSource, 0o600))
	out, err := exec.Command("erlc", "-Werror", "-o", dir, filepath.Join(dir, "decoder.erl")).CombinedOutput()
	require.NoError(t, err, string(out))
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "erl", "-noinput", "-pa", dir, "-s", "decoder", "main")
	cmd.Env = append(os.Environ(), "ERL_CRASH_DUMP_SECONDS=0") // no dump
	var text strings.Builder
	for _, c := range calls {
		text.WriteString(c.line() + "\n")
	}
	cmd.Stdin = strings.NewReader(text.String())
	var said bytes.Buffer
	cmd.Stderr = &said
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(stdout)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		answers = append(answers, lines.Text())
	}
	require.NoError(t, lines.Err())
	io.Copy(io.Discard, stdout)
	require.NoError(t, cmd.Wait(), said.String())
	require.Len(t, answers, 1+len(calls), said.String())
	return answers[0], answers[1:]
}

// inputs makes random inputs that look like packets often enough.
type inputs struct{ *rand.Rand }

func (g inputs) one(in []int) int { return in[g.IntN(len(in))] }

// some is a text of up to n of the pieces.
func (g inputs) some(n int, pieces ...string) string {
	var s strings.Builder
	for range g.IntN(n + 1) {
		s.WriteString(pieces[g.IntN(len(pieces))])
	}
	return s.String()
}

func (g inputs) decoding(typ string) decoding {
	c := decoding{typ: typ}
	number := func(n int64) *int64 { return &n }
	sizes := []int64{0, 1, 2, 3, 4, 5, 8, 10, 16, 20, 30, 60, 255, 256, 65535, 1<<31 - 1, 1 << 31, 1<<32 - 1, 1 << 32, -1}
	if g.IntN(3) == 0 {
		c.o.PacketSize = number(sizes[g.IntN(len(sizes))])
	}
	if g.IntN(4) == 0 {
		c.o.LineLength = number(sizes[g.IntN(len(sizes))])
	}
	if g.IntN(8) == 0 || typ == "line" && g.IntN(2) == 0 {
		c.o.LineDelimiter = number(int64(g.one([]int{0, 10, 13, ';', 127, 128, 255, 255, 256, -1})))
	}
	switch {
	case g.IntN(20) == 0:
		c.in = g.bytes(g.IntN(40))
	case typ == "line":
		c.in = []byte(g.some(40, "a", "b", ";", "\r", "\n", "\x00", "\x80", "\xff"))
	case strings.HasPrefix(typ, "httph"):
		c.in = []byte(g.headers())
	case strings.HasPrefix(typ, "http"):
		c.in = []byte(g.start())
	default:
		c.in = append(g.header(typ), g.bytes(g.IntN(20))...)
	}
	if g.IntN(20) == 0 && len(c.in) > 0 { // one byte changed
		c.in[g.IntN(len(c.in))] = byte(g.Uint32())
	}
	if g.IntN(10) == 0 { // not all of it has come
		c.in = c.in[:g.IntN(len(c.in)+1)]
	}
	return c
}

func (g inputs) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(g.Uint32())
	}
	return b
}

// length is mostly small.
func (g inputs) length(bytes int) []byte {
	b := make([]byte, bytes)
	if bytes > 0 {
		b[bytes-1] = byte(g.IntN(24))
	}
	for g.IntN(3) == 0 && bytes > 0 {
		b[g.IntN(bytes)] = byte(g.one([]int{0, 1, 5, 0x7f, 0x80, 0xf8, 0xfb, 0xfc, 0xff}))
	}
	return b
}

// header is the front of a packet whose length is in it.
func (g inputs) header(typ string) []byte {
	switch typ {
	case "1", "2", "4":
		return g.length(int(typ[0] - '0'))
	case "sunrm":
		b := g.length(4)
		b[0] ^= byte(g.IntN(2) << 7)
		return b
	case "asn1":
		b := []byte{byte(g.Uint32())}
		if g.IntN(3) == 0 {
			b[0] |= 0x1f
			for range g.IntN(5) {
				b = append(b, byte(g.Uint32())|0x80)
			}
			b = append(b, byte(g.Uint32())&0x7f)
		}
		if g.IntN(2) == 0 {
			return append(b, byte(g.IntN(24)))
		}
		k := g.IntN(6)
		return append(append(b, 0x80|byte(k)), g.length(k)...)
	case "cdr":
		b := append([]byte("GIOP"), g.bytes(4)...)
		length := g.length(4)
		if b[6]&1 != 0 {
			length[0], length[1], length[2], length[3] = length[3], length[2], length[1], length[0]
		}
		return append(b, length...)
	case "fcgi":
		b := append([]byte{1, byte(g.IntN(12)), 0, 1}, g.length(2)...)
		return append(b, byte(g.IntN(9)), 0)
	case "tpkt":
		return append([]byte{3, byte(g.Uint32())}, g.length(2)...)
	case "ssl_tls":
		if g.IntN(3) == 0 {
			return append([]byte{0x80 | byte(g.IntN(2)*g.IntN(128)), byte(g.IntN(24)), 1}, g.bytes(2)...)
		}
		return append([]byte{byte(20 + g.IntN(6)), 3, byte(g.IntN(5))}, g.length(2)...)
	}
	return nil
}

func (g inputs) blanks() string {
	if g.IntN(4) > 0 {
		return " "
	}
	return g.some(3, " ", "\t")
}

func (g inputs) eol() string {
	if g.IntN(3) > 0 {
		return "\r\n"
	}
	return g.some(3, "\r", "\n")
}

func (g inputs) version() string {
	if g.IntN(2) == 0 {
		return "HTTP/1.1"
	}
	return g.some(1, "HTTP/", "HTTP/", "HTTP/", "http/", "HTTP") + g.some(3, "0", "1", "9", "99") +
		g.some(2, ".", ".", "") + g.some(3, "0", "1", "12") + g.some(1, "", "", "x", ".", "-")
}

func (g inputs) uri() string {
	part := []string{"a", "b", "h", "1", "80", "0", ":", "/", "[", "]", "[::1]", "?", "*", "%", "@", ".", "#", "\xe4", "\x00", "\r"}
	switch g.IntN(4) {
	case 0:
		return g.some(6, part...)
	case 1:
		return g.some(1, "/", "*", "ftp:", "urn:a:b", "HTTP:/", "http:", "https:/") + g.some(4, part...)
	}
	return g.some(1, "http://", "http://", "https://", "HtTp://", "HTTPS://") + g.some(6, part...)
}

func (g inputs) start() string {
	if g.IntN(3) == 0 {
		return g.version() + g.blanks() + g.some(3, "2", "0", "4", "200") + g.blanks() +
			g.some(4, "OK", " ", "\t", "x", "7", "\xe4", "\x00", "\r") + g.eol() + g.some(1, "a: b\r\n", " ", "\n", "x")
	}
	method := g.some(1, "GET", "GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "get", "CONNECT") +
		g.some(1, "", "", "", "T", "-", "\x7f", "\xe4", "{", ":", "(")
	line := method + g.blanks() + g.uri()
	if g.IntN(5) > 0 {
		line += g.blanks() + g.version()
	}
	return line + g.some(1, "", "", " ", "\t", " x") + g.eol() + g.some(1, "a: b\r\n", " ", "\n", "x")
}

var knownNames = strings.Fields(`Cache-Control Connection Date Pragma Transfer-Encoding Upgrade Via Accept Accept-Charset
	Accept-Encoding Accept-Language Authorization From Host If-Modified-Since If-Match If-None-Match If-Range
	If-Unmodified-Since Max-Forwards Proxy-Authorization Range Referer User-Agent Age Location Proxy-Authenticate
	Public Retry-After Server Vary Warning Www-Authenticate Allow Content-Base Content-Encoding Content-Language
	Content-Length Content-Location Content-Md5 Content-Range Content-Type Etag Expires Last-Modified Accept-Ranges
	Set-Cookie Set-Cookie2 X-Forwarded-For Cookie Keep-Alive Proxy-Connection`)

func (g inputs) name() string {
	switch g.IntN(8) {
	case 0, 1: // one that is known, in any case, perhaps not quite
		b := []byte(knownNames[g.IntN(len(knownNames))])
		for i := range b {
			if g.IntN(3) == 0 && b[i] >= 'A' {
				b[i] ^= 0x20
			}
		}
		if g.IntN(4) == 0 {
			b[g.IntN(len(b))] = byte(33 + g.IntN(95))
		}
		return string(b)
	case 2: // about as long as names that are brought to normal form
		name := strings.Repeat(g.some(1, "aB-", "-x", "Q"), 60)
		return name[:min(len(name), 48+g.IntN(6))]
	}
	return g.some(12, "a", "b", "Q", "Z", "-", "-", "--", "9", "_", "!", "`", "@", "\x7f", "^", "~")
}

func (g inputs) headers() string {
	if g.IntN(8) == 0 {
		return g.eol() + g.some(2, "body", " ", "\n", "\r\n")
	}
	text := g.name() + g.some(1, ":", ":", ":", ":", ":", ":", " :", "") + g.some(2, " ", "\t", "") +
		g.some(4, "v", "w x", " ", "\t", ":", "\xe4", "\x00", "\r") + g.eol()
	for g.IntN(4) == 0 {
		text += g.some(1, " ", "\t") + g.some(2, "more", " ", "\t") + g.eol()
	}
	return text + g.some(1, "a: b\r\n", " ", "\t", "\n", "\r\n", "x", "x")
}
