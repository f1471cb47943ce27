// Package packetjson writes results of package packet as the file of test vectors has them, and reads such files.
package packetjson

import (
	"encoding/hex"
	"errors"
	"strconv"
	"strings"

	"github.com/esock-go/esock/packet"
)

// Result is the outcome of packet.Decode on b, as a JSON object: {"tag": "ok", "packet": {...}, "rest": "..."}.
// Text of HTTP is Latin-1, a character for each byte.
func Result(b []byte, p packet.Packet, n int, err error) string {
	var bad *packet.ArgumentError
	switch {
	case err == nil:
		return object{}.str("tag", "ok").raw("packet", Packet(p)).hex("rest", b[n:]).String()
	case errors.Is(err, packet.ErrMore) && n == 0:
		return object{}.str("tag", "more").raw("length", "null").String()
	case errors.Is(err, packet.ErrMore):
		return object{}.str("tag", "more").num("length", n).String()
	case errors.As(err, &bad):
		return badArg
	}
	return object{}.str("tag", "error").str("reason", "invalid").String()
}

const badArg = `{"tag": "badarg"}`

// Packet is a packet as a JSON object.
func Packet(p packet.Packet) string {
	o := object{}.str("kind", p.Kind().String())
	switch p.Kind() {
	case packet.KindData:
		o = o.hex("hex", p.Data())
	case packet.KindHTTPRequest:
		r, _ := p.HTTPRequest()
		o = o.raw("method", name(r.Method.Known, r.Method.Name)).raw("uri", uri(r.URI)).
			raw("version", version(r.Version))
	case packet.KindHTTPResponse:
		r, _ := p.HTTPResponse()
		o = o.raw("version", version(r.Version)).num("status", r.Status).text("phrase", r.Phrase)
	case packet.KindHTTPHeader:
		h, _ := p.HTTPHeader()
		o = o.num("index", h.Index).raw("field", name(h.Index > 0, []byte(h.Field()))).text("unmodified", h.Name).
			text("value", h.Value)
	case packet.KindHTTPError:
		o = o.text("line", p.Data())
	case packet.KindTLS:
		r, _ := p.TLS()
		o = o.num("content_type", int(r.ContentType)).
			raw("version", version(packet.HTTPVersion{Major: int(r.Major), Minor: int(r.Minor)})).hex("hex", r.Data)
	}
	return o.String()
}

// name is a method or a field: an atom if OTP knows it.
func name(known bool, b []byte) string {
	if known {
		return object{}.text("atom", b).String()
	}
	return object{}.text("string", b).String()
}

func version(v packet.HTTPVersion) string {
	return "[" + strconv.Itoa(v.Major) + ", " + strconv.Itoa(v.Minor) + "]"
}

func uri(u packet.URI) string {
	o := object{}.str("kind", u.Kind.String())
	switch u.Kind {
	case packet.URIString:
		o = o.text("value", u.Text)
	case packet.URIAbsPath:
		o = o.text("path", u.Path)
	case packet.URIAbsolute:
		port := "null"
		if u.Port != 0 {
			port = strconv.Itoa(u.Port)
		}
		o = o.text("scheme", u.Scheme).text("host", u.Host).raw("port", port).text("path", u.Path)
	case packet.URIScheme:
		o = o.text("scheme", u.Scheme).text("string", u.Path)
	}
	return o.String()
}

// object is a JSON object with its members in the order they were added. encoding/json puts no blanks after colons.
type object struct{ members []string }

func (o object) raw(key, value string) object {
	return object{append(o.members, `"`+key+`": `+value)}
}

func (o object) str(key, value string) object     { return o.text(key, []byte(value)) }
func (o object) num(key string, value int) object { return o.raw(key, strconv.Itoa(value)) }
func (o object) hex(key string, value []byte) object {
	return o.raw(key, `"`+hex.EncodeToString(value)+`"`)
}
func (o object) text(key string, value []byte) object {
	return o.raw(key, latin1(value))
}

func (o object) String() string { return "{" + strings.Join(o.members, ", ") + "}" }

// latin1 is a JSON string in ASCII with a character for each byte.
func latin1(b []byte) string {
	var s strings.Builder
	s.WriteByte('"')
	for _, c := range b {
		switch {
		case c == '"' || c == '\\':
			s.WriteByte('\\')
			s.WriteByte(c)
		case ' ' <= c && c < 127:
			s.WriteByte(c)
		default:
			s.WriteString(escape(c))
		}
	}
	s.WriteByte('"')
	return s.String()
}

func escape(c byte) string {
	switch c {
	case '\n':
		return `\n`
	case '\r':
		return `\r`
	case '\t':
		return `\t`
	case '\b':
		return `\b`
	case '\f':
		return `\f`
	}
	return `\u00` + hex.EncodeToString([]byte{c})
}
