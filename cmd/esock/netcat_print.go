package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/esock-go/esock/packet"
)

// printer prints packets.
type printer struct {
	typ  packet.Type
	out  io.Writer
	line []byte

	// What the HTTP head has said so far about the body.
	response bool  // the body ends with the stream unless a length is given
	bare     bool  // there is no body
	coded    bool  // the body has a transfer coding, which is not decoded
	length   int64 // -1: not given

	body int64 // after a head: how many bytes follow that are not packets; -1: all
}

// packet prints a packet.
func (p *printer) packet(k packet.Packet) error {
	p.line = p.line[:0]
	switch k.Kind() {
	case packet.KindData:
		if p.typ == packet.Raw {
			_, err := p.out.Write(k.Data())
			return err
		}
		p.line = appendEscaped(p.line, k.Data())
	case packet.KindHTTPRequest:
		r, _ := k.HTTPRequest()
		p.response, p.bare, p.coded, p.length = false, false, false, -1
		p.part(k, "method %s, %s, version %d.%d",
			escaped(r.Method.Name), uriText(r.URI), r.Version.Major, r.Version.Minor)
	case packet.KindHTTPResponse:
		r, _ := k.HTTPResponse()
		// RFC 9112, section 6.3.
		p.response, p.coded, p.length = true, false, -1
		p.bare = r.Status/100 == 1 || r.Status == 204 || r.Status == 304
		p.part(k, "version %d.%d, status %d, phrase %s", r.Version.Major, r.Version.Minor, r.Status, escaped(r.Phrase))
	case packet.KindHTTPHeader:
		h, _ := k.HTTPHeader()
		switch h.Field() {
		case "Content-Length":
			if n, err := strconv.ParseInt(strings.TrimSpace(string(h.Value)), 10, 64); err == nil && n >= 0 {
				p.length = n
			}
		case "Transfer-Encoding":
			p.coded = true
		}
		p.part(k, "%s: %s", escaped([]byte(h.Field())), escaped(h.Value))
	case packet.KindHTTPError:
		p.part(k, "%s", escaped(k.Data()))
	case packet.KindHTTPEOH:
		p.part(k, "")
		p.body = p.following()
	}
	p.line = append(p.line, '\n')
	_, err := p.out.Write(p.line)
	return err
}

// following returns the length of the body that follows a head. A head without a start line does not say whether it has a
// body. The end of a body with a transfer coding is not looked for: everything up to the end of the stream is the body.
func (p *printer) following() int64 {
	switch {
	case p.typ == packet.HTTPH || p.typ == packet.HTTPHBin || p.bare:
		return 0
	case p.coded: // it overrides the length
		return -1
	case p.length >= 0:
		return p.length
	case p.response:
		return -1
	}
	return 0
}

// part appends the line about a part of an HTTP head: its kind and its content.
func (p *printer) part(k packet.Packet, format string, args ...any) {
	p.line = append(p.line, strings.TrimRight(fmt.Sprintf("%-14s"+format, append([]any{k.Kind()}, args...)...), " ")...)
}

// uriText returns the target of a request, in the parts that OTP has.
func uriText(u packet.URI) string {
	switch u.Kind {
	case packet.URIAbsPath:
		return "abs_path " + escaped(u.Path)
	case packet.URIAbsolute:
		port := "undefined"
		if u.Port != 0 {
			port = strconv.Itoa(u.Port)
		}
		return fmt.Sprintf("absoluteURI %s host %s port %s path %s", u.Scheme, escaped(u.Host), port, escaped(u.Path))
	case packet.URIScheme:
		return fmt.Sprintf("scheme %s path %s", escaped(u.Scheme), escaped(u.Path))
	case packet.URIStar:
		return "star"
	}
	return "string " + escaped(u.Text)
}

func escaped(b []byte) string { return string(appendEscaped(nil, b)) }

// appendEscaped appends b as one line. Backslashes, and bytes that cannot be printed, are escaped as in a Go string.
func appendEscaped(dst, b []byte) []byte {
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		switch {
		case r == '\\':
			dst = append(dst, `\\`...)
		case r == '\n':
			dst = append(dst, `\n`...)
		case r == '\r':
			dst = append(dst, `\r`...)
		case r == '\t':
			dst = append(dst, `\t`...)
		case r == utf8.RuneError && n == 1, !unicode.IsPrint(r):
			for _, c := range b[:n] {
				dst = fmt.Appendf(dst, `\x%02x`, c)
			}
		default:
			dst = append(dst, b[:n]...)
		}
		b = b[n:]
	}
	return dst
}
