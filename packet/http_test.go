package packet_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock/packet"
)

func TestHTTPFindsTheLine(t *testing.T) {
	for _, typ := range []packet.Type{packet.HTTP, packet.HTTPBin} {
		checkRows(t, []row{
			{typ, none, "", "more"},
			{typ, none, "GET / HTTP/1.1", "more"},
			{typ, none, "GET / HTTP/1.1\r", "more"},
			{typ, none, "GET / HTTP/1.1\r\n", `GET path "/" 1.1`},
			{typ, none, "GET / HTTP/1.1\nrest", `GET path "/" 1.1 rest "rest"`},
			{typ, none, "GET / HTTP/1.1\r\n folded\r\n", `GET path "/" 1.1 rest " folded\r\n"`},
			{typ, none, "\r\n", `error "\r\n"`},
			{typ, none, "\n", `error "\n"`},
			{typ, none, "\r\nGET", `error "\r\n" rest "GET"`},
			{typ, size(15), "GET / HTTP/1.1\r\n", "invalid"},
			{typ, size(16), "GET / HTTP/1.1\r\n", `GET path "/" 1.1`},
			{typ, size(16), "GET / HTTP/1.1\r\nmore", `GET path "/" 1.1 rest "more"`},
			{typ, size(4), "GET", "more"},
			{typ, size(4), "GET ", "invalid"},
			{typ, packet.Options{LineLength: 15}, "GET / HTTP/1.1\r\n", "invalid"},
			{typ, packet.Options{PacketSize: 16, LineLength: 1}, "GET / HTTP/1.1\r\n", `GET path "/" 1.1`},
			{typ, size(1), "\r\n", `error "\r\n"`}, // an empty line alone is always taken
			{typ, size(1), "\r\nx", "invalid"},
		})
	}
	for _, typ := range []packet.Type{packet.HTTPH, packet.HTTPHBin} {
		checkRows(t, []row{
			{typ, none, "", "more"},
			{typ, none, "Host: x\r\n", "more"}, // it may go on
			{typ, none, "host:x\r\n\r\n", `14 Host "host" "x" rest "\r\n"`},
			{typ, none, "a: 1\n\tb\n c\nd", `0 A "a" "1\n\tb\n c" rest "d"`},
			{typ, none, "a: 1\r\n b", "more"},
			{typ, none, "a: 1\r\n b\r\n", "more"},
			{typ, none, "\r\n", "http_eoh"},
			{typ, none, "\n", "http_eoh"},
			{typ, none, "\r\nBODY", `http_eoh rest "BODY"`},
			{typ, none, "\r\n BODY", `http_eoh rest " BODY"`}, // an empty line does not go on
			{typ, none, "\n BODY", `http_eoh rest " BODY"`},
			{typ, none, "a\n b", `error "a\n" rest " b"`}, // nor do two bytes
			{typ, none, "ab\n c", "more"},
			{typ, size(5), "a: 1\n", "more"},
			{typ, size(5), "a: 1\nx", `0 A "a" "1" rest "x"`},
			{typ, size(4), "a: 1\n", "invalid"},
			{typ, size(4), "a: 1\nx", "invalid"},
			{typ, size(4), "a: 1", "invalid"},
			{typ, size(9), "a: 1\n b\nx", `0 A "a" "1\n b" rest "x"`},
			{typ, size(7), "a: 1\n b\nx", "invalid"},
			{typ, size(5), "a: 1\n b", "invalid"},
		})
	}
}

func TestHTTPRequestLines(t *testing.T) {
	for in, want := range map[string]string{
		"GET /a?b HTTP/1.0":            `GET path "/a?b" 1.0`,
		"OPTIONS * HTTP/1.1":           "OPTIONS star 1.1",
		"HEAD / HTTP/1.1":              `HEAD path "/" 1.1`,
		"POST / HTTP/1.1":              `POST path "/" 1.1`,
		"PUT / HTTP/1.1":               `PUT path "/" 1.1`,
		"DELETE / HTTP/1.1":            `DELETE path "/" 1.1`,
		"TRACE / HTTP/1.1":             `TRACE path "/" 1.1`,
		"PATCH /x HTTP/1.1":            `"PATCH" path "/x" 1.1`,
		"get / HTTP/1.1":               `"get" path "/" 1.1`,
		"CONNECT a.b:443 HTTP/1.1":     `"CONNECT" scheme "a.b" "443" 1.1`,
		"GET /":                        `GET path "/" 0.9`,
		"GET / \t ":                    `GET path "/" 0.9`,
		"bad line":                     `"bad" "line" 0.9`,
		"GET \t /x\t HTTP/1.1":         `GET path "/x" 1.1`,
		"GET / HTTP/10.25":             `GET path "/" 10.25`,
		"GET / HTTP/1.1 ignored":       `GET path "/" 1.1`,
		"GET / HTTP/1.1x":              `GET path "/" 1.1`,
		"GET / HTTP/1.99999999999":     `GET path "/" 1.2147483647`,
		"GET / HTTP/2147483648.1":      `GET path "/" 2147483647.1`,
		"GET foo HTTP/1.1":             `GET "foo" 1.1`,
		"GET x HTTP/1.1":               `GET path "x" 1.1`, // a single byte
		"GET : HTTP/1.1":               `GET path ":" 1.1`,
		"GET ** HTTP/1.1":              `GET "**" 1.1`,
		"GET a:b:c HTTP/1.1":           `GET scheme "a" "b:c" 1.1`,
		"GET :b HTTP/1.1":              `GET scheme "" "b" 1.1`,
		"GET ftp://h/x HTTP/1.1":       `GET scheme "ftp" "//h/x" 1.1`,
		"GET http:/h HTTP/1.1":         `GET scheme "http" "/h" 1.1`,
		"GET http://h:8080/p HTTP/1.1": `GET absolute http "h" 8080 "/p" 1.1`,
		"GET HtTp://H/p HTTP/1.1":      `GET absolute http "H" 0 "/p" 1.1`,
		"GET HTTPS://h HTTP/1.1":       `GET absolute https "h" 0 "/" 1.1`,
		"GET http://h:0/ HTTP/1.1":     `GET absolute http "h" 0 "/" 1.1`,
		"GET http://h:/ HTTP/1.1":      `GET absolute http "h" 0 "/" 1.1`,
		"GET http://h:8x/ HTTP/1.1":    `GET absolute http "h" 0 "/" 1.1`,
		"GET http://a:1:2/ HTTP/1.1":   `GET absolute http "a" 0 "/" 1.1`,
		"GET http://h:99999999999/":    `GET absolute http "h" 2147483647 "/" 0.9`,
		"GET http:// HTTP/1.1":         `GET absolute http "" 0 "/" 1.1`,
		"GET http:///p HTTP/1.1":       `GET absolute http "" 0 "/p" 1.1`,
		"GET http://[::1]/p":           `GET absolute http "[::1]" 0 "/p" 0.9`,
		"GET http://[::1]:80/p":        `GET absolute http "[::1]" 80 "/p" 0.9`,
		"GET http://[::1]x:80/p":       `GET absolute http "[::1]" 0 "/p" 0.9`,
		"GET http://[::1":              `GET absolute http "[" 0 "/" 0.9`,
		"GET http://[::1]":             `GET absolute http "[::1]" 0 "/" 0.9`,
		"GET http://[::1]x":            `GET absolute http "[::1]" 0 "/" 0.9`,
		"GET http://[::1]x/":           `GET absolute http "[::1]" 0 "/" 0.9`,
		"GET http://[::1]:":            `GET absolute http "[::1]" 0 "/" 0.9`,
		"GET http://[::1]:0":           `GET absolute http "[::1]" 0 "/" 0.9`,
		"GET http://[::1]:80:90/":      `GET absolute http "[::1]" 0 "/" 0.9`,
		"GET http://[::1]:8]":          `GET absolute http "[::1]" 0 "/" 0.9`,
		"GET http://[a]b/":             `GET absolute http "[a]b" 0 "/" 0.9`, // no colon: brackets mean nothing
		"GET http://[a]":               `GET absolute http "[a]" 0 "/" 0.9`,
		"GET http://[]/":               `GET absolute http "[]" 0 "/" 0.9`,
		"GET https://[]x/y":            `GET absolute https "[]x" 0 "/y" 0.9`,
		"GET http://[a]b]/":            `GET absolute http "[a]b]" 0 "/" 0.9`,
		"GET http://[/":                `GET absolute http "[" 0 "/" 0.9`,
		"GET http://]/":                `GET absolute http "]" 0 "/" 0.9`,
		"GET http://[a]b:80/":          `GET absolute http "[a]" 0 "/" 0.9`,
		"GET http://[a]:80/":           `GET absolute http "[a]" 80 "/" 0.9`,
		"GET http://[]:80/":            `GET absolute http "[]" 80 "/" 0.9`,
		"GET http://[[::1]]:80/":       `GET absolute http "[[::1]" 0 "/" 0.9`,
		"GET http://[a:80/":            `GET absolute http "[a" 80 "/" 0.9`,
		"GET http://x[::1]:80/":        `GET absolute http "x[" 0 "/" 0.9`,
		"GET http://:[a]/":             `GET absolute http "" 0 "/" 0.9`,
		"GET http://a]:80/":            `GET absolute http "a]" 80 "/" 0.9`,
		"GET http://[/]:80":            `GET absolute http "[" 0 "/]:80" 0.9`,
		"GET http://h?q:1/p HTTP/1.1":  `GET absolute http "h?q" 1 "/p" 1.1`,
		"GET /\xe4\x00 HTTP/1.1":       `GET path "/\xe4\x00" 1.1`,
		"a!#$%&'*+-.^_`|~\x7f / X":     "error",
		"a!#$%&'*+-.^_`|~\x7f /":       "\"a!#$%&'*+-.^_`|~\\x7f\" path \"/\" 0.9",
		"GET":                          "error",
		"GET ":                         "error",
		"GET / FOO/1.1":                "error",
		"GET / http/1.1":               "error",
		"GET / HTTP/1":                 "error",
		"GET / HTTP/1.":                "error",
		"GET / HTTP/1.x":               "error",
		"GET / HTTP/.11":               "error",
		"GET / HTTP/111":               "error",
		" GET / HTTP/1.1":              "error",
		"G{T / HTTP/1.1":               "error",
		"G\xe4T / HTTP/1.1":            "error",
		"GET(/ HTTP/1.1":               "error",
		"HTTPS /":                      `"HTTPS" path "/" 0.9`,
	} {
		if want == "error" {
			want = `error "` + strings.NewReplacer("\xe4", `\xe4`, "\x7f", `\x7f`).Replace(in) + `\r\n"`
		}
		assert.Equal(t, want, answer(packet.HTTP, in+"\r\n", none), in)
	}
}

func TestHTTPRequestTellsWhatFollowsTheVersion(t *testing.T) {
	for in, want := range map[string][2]string{
		"GET /":                    {"", ""},
		"GET / \t":                 {"", ""},
		"GET / HTTP/1.1":           {"HTTP/1.1", ""},
		"GET / HTTP/1.1 ":          {"HTTP/1.1", " "},
		"GET / HTTP/1.1 junk":      {"HTTP/1.1", " junk"},
		"GET / HTTP/0001.10abc":    {"HTTP/0001.10", "abc"},
		"GET / HTTP/1.1\rX":        {"HTTP/1.1", "\rX"},
		"GET HTTP/1.1 HTTP/1.2.3 ": {"HTTP/1.2", ".3 "},
	} {
		p, _, err := packet.Decode(packet.HTTP, []byte(in+"\r\n"), none)
		require.NoError(t, err)
		r, ok := p.HTTPRequest()
		require.True(t, ok, in)
		assert.Equal(t, want, [2]string{string(r.VersionText), string(r.Rest)}, in)
		assert.Equal(t, len(r.VersionText), cap(r.VersionText), "appending does not write into the line")
		assert.Equal(t, len(r.Rest), cap(r.Rest))
	}
}

func TestHTTPStatusLines(t *testing.T) {
	for in, want := range map[string]string{
		"HTTP/1.1 200 OK":             `1.1 200 "OK"`,
		"HTTP/1.1 204":                `1.1 204 ""`,
		"HTTP/1.1 204 ":               `1.1 204 ""`,
		"HTTP/1.1 ":                   `1.1 0 ""`,
		"HTTP/1.1  200   Spaced  Out": `1.1 200 "Spaced  Out"`,
		"HTTP/1.1\t200\tOK \t":        `1.1 200 "OK \t"`,
		"HTTP/12.34 99999999999 x":    `12.34 2147483647 "x"`,
		"HTTP/1.1 007 x":              `1.1 7 "x"`,
		"HTTP/1.1 OK":                 "error",
		"HTTP/1.1 200OK":              "error",
		"HTTP/1.1":                    "error",
		"HTTP/1.1x 200":               "error",
		"HTTP/1 200 OK":               "error",
		"HTTP/1. 200 OK":              "error",
		"HTTP/.1 200 OK":              "error",
		"HTTP/":                       "error",
		"HTTP/x":                      "error",
		"http/1.1 200 OK":             "error", // a slash is no token character
	} {
		if want == "error" {
			want = `error "` + in + `\r\n"`
		}
		assert.Equal(t, want, answer(packet.HTTP, in+"\r\n", none), in)
	}
}

func TestHTTPHeaderLines(t *testing.T) {
	fifty := strings.Repeat("x", 50)
	for in, want := range map[string]string{
		"HOST:\t a  ":        `14 Host "HOST" "a  "`,
		": v":                `0  "" "v"`,
		":":                  `0  "" ""`,
		"A:":                 `0 A "A" ""`,
		"A:b:c":              `0 A "A" "b:c"`,
		"content-md5: x":     `40 Content-Md5 "content-md5" "x"`,
		"X-CUSTOM-thing: v":  `0 X-Custom-Thing "X-CUSTOM-thing" "v"`,
		"--a--b--: v":        `0 --A--b-- "--a--b--" "v"`, // a hyphen in place of a capital counts as it
		"-a: v":              `0 -a "-a" "v"`,
		"-A-B: v":            `0 -a-B "-A-B" "v"`,
		"---ab-c---d: v":     `0 ---ab-C---D "---ab-c---d" "v"`,
		"-: v":               `0 - "-" "v"`,
		"a--b---C: v":        `0 A--b---C "a--b---C" "v"`,
		"9a-9a: v":           `0 9a-9a "9a-9a" "v"`,
		"a_b: v":             `0 A_b "a_b" "v"`,
		"A: \xe4\x00":        `0 A "A" "\xe4\x00"`,
		fifty + ": v":        `0 X` + fifty[1:] + ` "` + fifty + `" "v"`,
		fifty + "x: v":       `0 ` + fifty + `x "` + fifty + `x" "v"`,
		"No colon":           `error "No colon\r\n"`,
		"Nocolon":            `error "Nocolon\r\n"`,
		"Bad Name: x":        `error "Bad Name: x\r\n"`,
		"Blank : x":          `error "Blank : x\r\n"`,
		" a: b":              `error " a: b\r\n"`,
		"a\xe4: b":           `error "a\xe4: b\r\n"`,
		"Set-Cookie\x12: b":  `error "Set-Cookie\x12: b\r\n"`,
		"Set\x0dCookie: b":   `error "Set\rCookie: b\r\n"`,
		"Set-Cookie3: b":     `0 Set-Cookie3 "Set-Cookie3" "b"`,
		"X-Forwarded-Fo: b":  `0 X-Forwarded-Fo "X-Forwarded-Fo" "b"`,
		"Xx-Forwarded-Fo: b": `0 Xx-Forwarded-Fo "Xx-Forwarded-Fo" "b"`,
	} {
		assert.Equal(t, want+` rest "\r\n"`, answer(packet.HTTPH, in+"\r\n\r\n", none), in)
	}
}

func TestKnownHeadersInAnyCase(t *testing.T) {
	names := strings.Fields(`Cache-Control Connection Date Pragma Transfer-Encoding Upgrade Via Accept Accept-Charset
		Accept-Encoding Accept-Language Authorization From Host If-Modified-Since If-Match If-None-Match If-Range
		If-Unmodified-Since Max-Forwards Proxy-Authorization Range Referer User-Agent Age Location Proxy-Authenticate
		Public Retry-After Server Vary Warning Www-Authenticate Allow Content-Base Content-Encoding Content-Language
		Content-Length Content-Location Content-Md5 Content-Range Content-Type Etag Expires Last-Modified Accept-Ranges
		Set-Cookie Set-Cookie2 X-Forwarded-For Cookie Keep-Alive Proxy-Connection`)
	require.Len(t, names, 52)
	for i, name := range names {
		for _, written := range []string{name, strings.ToLower(name), strings.ToUpper(name)} {
			p, _, err := packet.Decode(packet.HTTPH, []byte(written+": v\r\n\r\n"), none)
			require.NoError(t, err)
			h, ok := p.HTTPHeader()
			require.True(t, ok)
			assert.Equal(t, i+1, h.Index, written)
			assert.Equal(t, name, h.Field())
			assert.Equal(t, written, string(h.Name))
			assert.Equal(t, name, string(h.AppendField(nil)))
		}
		for j := range name { // one letter changed
			other := name[:j] + "!" + name[j+1:]
			assert.Contains(t, answer(packet.HTTPH, other+": v\r\n\r\n", none), `0 `, other)
		}
	}
	assert.Equal(t, "X", packet.HTTPHeader{Index: 53, Name: []byte("x")}.Field())
	assert.Equal(t, "X", packet.HTTPHeader{Index: -1, Name: []byte("x")}.Field())
}

// The Parser takes headers after a start line, up to the empty line; an invalid line changes nothing.
func TestParserOfHTTPGoesFromStartLineToHeadersAndBack(t *testing.T) {
	in := "bad\r\nGET / HTTP/1.1\r\nHost: x\r\nbad\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\n\r\nPUT /\r\n"
	var got []string
	p, err := packet.NewParser(packet.HTTP, none)
	require.NoError(t, err)
	for rest := []byte(in); len(rest) > 0; {
		pkt, n, err := p.Next(rest)
		require.NoError(t, err)
		got = append(got, shown(pkt))
		rest = rest[n:]
	}
	assert.Equal(t, []string{`error "bad\r\n"`, `GET path "/" 1.1`, `14 Host "Host" "x"`, `error "bad\r\n"`,
		`0 A "A" "b"`, "http_eoh",
		`1.1 200 "OK"`, "http_eoh", `PUT path "/" 0.9`}, got)

	require.NoError(t, p.SetOptions(size(1000))) // stays
	next := func(in string) string {
		pkt, n, err := p.Next([]byte(in))
		return outcome([]byte(in), pkt, n, err)
	}
	assert.Equal(t, `0 A "A" "b" rest "\n"`, next("A: b\n\n"))
	require.NoError(t, p.SetType(packet.HTTP)) // resets
	assert.Equal(t, `"A" path "b" 0.9`, next("A b\n"))

	p, err = packet.NewParser(packet.HTTPH, none)
	require.NoError(t, err)
	assert.Equal(t, `http_eoh rest "A: b\nc"`, next("\r\nA: b\nc"))
	assert.Equal(t, `0 A "A" "b" rest "c"`, next("A: b\nc")) // always headers
}

func TestPartsOfOtherKindsAreEmpty(t *testing.T) {
	var none packet.Packet
	data := packet.DataPacket([]byte("x"))
	for _, p := range []packet.Packet{none, data} {
		_, ok := p.HTTPRequest()
		assert.False(t, ok)
		_, ok = p.HTTPResponse()
		assert.False(t, ok)
		_, ok = p.HTTPHeader()
		assert.False(t, ok)
		_, ok = p.TLS()
		assert.False(t, ok)
	}
	assert.Nil(t, none.Data())
	assert.Equal(t, packet.KindNone, none.Kind())
	assert.Equal(t, "x", string(data.Data()))
	p, _, err := packet.Decode(packet.HTTP, []byte("GET /\n"), packet.Options{})
	require.NoError(t, err)
	assert.Nil(t, p.Data())
}
