package interop

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// typeCase is a packet type with what is sent and what of it is received, as terms.
type typeCase struct {
	name    string
	sends   []string
	packets []string // what differs from sends; nil: nothing
}

var typeCases = []typeCase{
	{name: "raw", sends: []string{`"abc"`, `"defgh"`}},
	{name: "0", sends: []string{`"abc"`, `"defgh"`}},
	{name: "1", sends: []string{`""`, `"abc"`, `pattern(255)`}},
	{name: "2", sends: []string{`"abc"`, `""`, `pattern(65535)`}},
	{name: "4", sends: []string{`"abc"`, `pattern(100000)`, `""`}},
	{name: "asn1", sends: []string{`<<48,3,2,1,5>>`, `[48,130,1,0,pattern(256)]`, `<<31,129,1,2,"ab">>`, `<<48,128>>`}},
	{name: "sunrm", sends: []string{`<<128,0,0,3,"abc">>`, `<<0,0,0,0>>`, `[0,0,4,0,pattern(1024)]`}},
	{name: "cdr", sends: []string{`<<"GIOP",1,2,1,1,4,0,0,0,"abcd">>`, `<<"GIOP",1,2,0,1,0,0,0,3,"efg">>`,
		`<<"GIOP",1,0,0,5,0,0,0,0>>`}},
	{name: "fcgi", sends: []string{`<<1,5,0,1,0,3,2,0,"abc",0,0>>`, `<<1,6,0,1,0,2,0,0,"de">>`, `<<1,3,0,1,0,0,0,0>>`},
		packets: []string{`<<1,5,0,1,0,3,2,0,"abc">>`, `<<1,6,0,1,0,2,0,0,"de">>`, `<<1,3,0,1,0,0,0,0>>`}},
	{name: "line", sends: []string{`"a\n"`, `"\n"`, `"bc\r\n"`, `[dup("x",20000),10]`}},
	{name: "tpkt", sends: []string{`<<3,0,0,7,"abc">>`, `<<3,0,0,4>>`, `[3,0,4,4,pattern(1024)]`}},
	{name: "http", sends: httpLines, packets: httpPackets},
	{name: "http_bin", sends: httpLines, packets: httpPackets},
	{name: "httph", sends: httpLines[1:4], packets: httpPackets[1:4]},
	{name: "httph_bin", sends: httpLines[1:4], packets: httpPackets[1:4]},
}

// A header is one when the byte behind it has come.
var (
	httpLines = []string{`"GET /path?q HTTP/1.1\r\n"`, `"host: there\r\n"`, `"X-MINE:  a\r\n b \r\n"`, `"\r\n"`,
		`"HTTP/1.0 404 Not Found\r\n"`, `"\r\n"`}
	httpPackets = []string{`{http_request, 'GET', {abs_path, "/path?q"}, {1, 1}}`,
		`{http_header, 14, 'Host', "host", "there"}`, `{http_header, 0, "X-Mine", "X-MINE", "a\r\n b "}`, `http_eoh`,
		`{http_response, {1, 0}, 404, "Not Found"}`, `http_eoh`}
)

// writer writes a script.
type writer struct{ strings.Builder }

func (w *writer) step(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }

// packetScenarios are the plain exchange of packets of every type, in every mode and in both directions.
func packetScenarios(t *testing.T) []scenario {
	var all []scenario
	for _, c := range typeCases {
		if c.packets == nil {
			c.packets = c.sends
		}
		for _, mode := range []string{"passive", "once", "count", "true", "dripping"} {
			w := new(writer)
			w.step("== %s", mode)
			w.step("a: L = listen([binary, {active, false}, {packet, %s}])", c.name)
			w.step("b: C = connect(@L, [binary, {active, false}, {packet, %s}])", c.name)
			w.step("a: S = accept(L)")
			if mode == "dripping" {
				c.dripping(w)
			} else {
				c.exchange(w, mode, "b", "C", "a", "S")
				c.exchange(w, mode, "a", "S", "b", "C")
			}
			c.ending(w, mode)
			scenarios, err := parseScript("type_"+c.name, w.String())
			require.NoError(t, err)
			all = append(all, scenarios...)
		}
	}
	return all
}

// exchange sends all from one role to the other, which receives in the mode.
func (c typeCase) exchange(w *writer, mode, from, out, to, in string) {
	if c.name == "raw" || c.name == "0" { // how sends are cut does not show on the wire
		for i := range c.sends {
			c.some(w, mode, from, out, to, in, i, i+1)
		}
		return
	}
	c.some(w, mode, from, out, to, in, 0, len(c.sends))
}

func (c typeCase) some(w *writer, mode, from, out, to, in string, first, end int) {
	begun := 0
	for _, data := range c.sends[first:end] {
		text, kind := fmt.Sprintf("send(%s, %s)", out, data), ":"
		if begun > 0 || sends(text) > smallBuffer {
			kind = ">"
			begun++
		}
		w.step("%s2%s %s", from, kind, text)
	}
	defer func() {
		for range begun {
			w.step("%s2<", from)
		}
	}()
	packets := c.packets[first:end]
	switch mode {
	case "passive":
		for _, p := range packets {
			w.step("%s: recv(%s, 0) -> {ok, %s}", to, in, p)
		}
	case "once":
		for _, p := range packets {
			w.step("%s: setopts(%s, [{active, once}])", to, in)
			w.step("%s: msgs(1) -> [%s]", to, c.message(in, p))
		}
	case "count":
		w.step("%s: setopts(%s, [{active, %d}])", to, in, len(packets))
		w.step("%s: msgs(%d) -> [%s, {tcp_passive, %s}]", to, len(packets)+1, c.all(in, packets), in)
	case "true":
		w.step("%s: setopts(%s, [{active, true}])", to, in)
		w.step("%s: msgs(%d) -> [%s]", to, len(packets), c.all(in, packets))
	}
}

// dripping has one byte of the packets come at a time.
func (c typeCase) dripping(w *writer) {
	w.step("a: setopts(S, [{active, true}])")
	w.step("b: setopts(C, [{packet, raw}, {nodelay, true}])")
	packets := c.packets[:2]
	sends := c.sends[:2]
	switch c.name {
	case "raw", "0":
		w.step("b: drip(C, [%s, %s])", sends[0], sends[1])
		w.step(`a: collect(S, 8) -> {ok, "abcdefgh"}`)
		return
	case "1", "2", "4":
		n := int(c.name[0] - '0')
		sends = []string{fmt.Sprintf("<<%s3,\"abc\",%s0>>", strings.Repeat("0,", n-1), strings.Repeat("0,", n-1))}
		packets = []string{`"abc"`, `""`}
	case "httph", "httph_bin":
		sends, packets = c.sends, c.packets
	case "http", "http_bin":
		sends, packets = c.sends[:4], c.packets[:4]
	}
	for _, data := range sends {
		w.step("b: drip(C, %s)", data)
	}
	w.step("a: msgs(%d) -> [%s]", len(packets), c.all("S", packets))
	if c.name == "fcgi" {
		w.step("not on otp25 as a: it delivers padding that comes later than the beginning of the packet")
	}
}

// ending closes the connection, and has the other role see it.
func (c typeCase) ending(w *writer, mode string) {
	w.step("b: close(C)")
	switch mode {
	case "passive":
		w.step("a: recv(S, 0) -> {error, closed}")
	case "true", "dripping":
		w.step("a: msgs(1) -> [{tcp_closed, S}]")
	default:
		w.step("a: setopts(S, [{active, once}])")
		w.step("a: msgs(1) -> [{tcp_closed, S}]")
	}
	w.step("a: flush() -> []")
}

func (c typeCase) message(socket, packet string) string {
	tag := "tcp"
	if strings.HasPrefix(c.name, "http") {
		tag = "http"
	}
	return fmt.Sprintf("{%s, %s, %s}", tag, socket, packet)
}

func (c typeCase) all(socket string, packets []string) string {
	texts := make([]string, len(packets))
	for i, p := range packets {
		texts[i] = c.message(socket, p)
	}
	return strings.Join(texts, ", ")
}
