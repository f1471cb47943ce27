package packet_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock/internal/packetjson"
	"github.com/esock-go/esock/packet"
)

// answer is the outcome of Decode in short: `"packet" rest "rest"`, more, more 4, invalid, badarg.
func answer(t packet.Type, in string, o packet.Options) string {
	b := slices.Clip([]byte(in))
	p, n, err := packet.Decode(t, b, o)
	return outcome(b, p, n, err)
}

func outcome(b []byte, p packet.Packet, n int, err error) string {
	var bad *packet.ArgumentError
	switch {
	case err == nil && n < len(b):
		return fmt.Sprintf("%s rest %q", shown(p), b[n:])
	case err == nil:
		return shown(p)
	case errors.Is(err, packet.ErrMore) && n > 0:
		return fmt.Sprintf("more %d", n)
	case errors.Is(err, packet.ErrMore):
		return "more"
	case errors.Is(err, packet.ErrInvalid):
		return "invalid"
	case errors.As(err, &bad):
		return "badarg"
	}
	return err.Error()
}

// shown is a packet in short.
func shown(p packet.Packet) string {
	switch p.Kind() {
	case packet.KindData:
		return fmt.Sprintf("%q", p.Data())
	case packet.KindHTTPError:
		return fmt.Sprintf("error %q", p.Data())
	case packet.KindHTTPRequest:
		r, _ := p.HTTPRequest()
		method := r.Method.String()
		if !r.Method.Known {
			method = fmt.Sprintf("%q", r.Method.Name)
		}
		return fmt.Sprintf("%s %s %d.%d", method, shownURI(r.URI), r.Version.Major, r.Version.Minor)
	case packet.KindHTTPResponse:
		r, _ := p.HTTPResponse()
		return fmt.Sprintf("%d.%d %d %q", r.Version.Major, r.Version.Minor, r.Status, r.Phrase)
	case packet.KindHTTPHeader:
		h, _ := p.HTTPHeader()
		return fmt.Sprintf("%d %s %q %q", h.Index, h.Field(), h.Name, h.Value)
	case packet.KindTLS:
		r, _ := p.TLS()
		return fmt.Sprintf("%d %d.%d %q", r.ContentType, r.Major, r.Minor, r.Data)
	}
	return p.Kind().String()
}

func shownURI(u packet.URI) string {
	switch u.Kind {
	case packet.URIAbsPath:
		return fmt.Sprintf("path %q", u.Path)
	case packet.URIAbsolute:
		return fmt.Sprintf("absolute %s %q %d %q", u.Scheme, u.Host, u.Port, u.Path)
	case packet.URIScheme:
		return fmt.Sprintf("scheme %q %q", u.Scheme, u.Path)
	case packet.URIString:
		return fmt.Sprintf("%q", u.Text)
	}
	return u.Kind.String()
}

type row struct {
	t       packet.Type
	options packet.Options
	in      string
	want    string
}

func checkRows(t *testing.T, rows []row) {
	t.Helper()
	for _, r := range rows {
		assert.Equal(t, r.want, answer(r.t, r.in, r.options), "%s %+v %q", r.t, r.options, r.in)
	}
}

// arrivalMatters reports whether the packets depend on how the bytes arrive, as in OTP: raw data have no bounds; LineLength
// cuts a line that PacketSize forbids, if its end has not come; CR alone is too long for a line of 1.
func arrivalMatters(t packet.Type, o packet.Options) bool {
	switch {
	case t == packet.Raw, t == packet.Len0:
		return true
	case t == packet.Line:
		return o.PacketSize != 0 && o.LineLength != 0 && o.LineLength <= o.PacketSize
	case t.IsHTTP():
		return o.PacketSize == 1 || o.PacketSize == 0 && o.LineLength == 1
	}
	return false
}

// pieces cuts b at random.
func pieces(r *rand.Rand, b []byte, most int) [][]byte {
	var cut [][]byte
	for len(b) > 0 {
		n := min(len(b), 1+r.IntN(most))
		cut = append(cut, b[:n])
		b = b[n:]
	}
	return cut
}

// parsed are the packets that a Parser finds when the bytes arrive in these pieces, and its last error.
func parsed(t require.TestingT, typ packet.Type, o packet.Options, arriving [][]byte) []string {
	p, err := packet.NewParser(typ, o)
	require.NoError(t, err)
	var all []string
	var buf []byte
	end := "more"
	for _, piece := range arriving {
		// Another buffer each time: nothing may be kept of the last.
		buf = slices.Clip(append(slices.Clone(buf), piece...))
		for {
			pkt, n, err := p.Next(buf)
			if err != nil {
				require.True(t, n == 0 || n > len(buf), "%d", n)
				end = outcome(buf, pkt, n, err)
				break
			}
			require.True(t, 0 < n && n <= len(buf), "%d", n)
			all = append(all, packetjson.Packet(pkt))
			buf = buf[n:]
		}
		if end == "invalid" {
			break
		}
	}
	if end != "invalid" {
		end += fmt.Sprintf(" after %q", buf)
	}
	return append(all, end)
}

// pieceReader gives a piece at each call, and the end together with the last if eager.
type pieceReader struct {
	pieces [][]byte
	eager  bool
}

func (r *pieceReader) Read(b []byte) (int, error) {
	if len(r.pieces) == 0 {
		return 0, io.EOF
	}
	n := copy(b, r.pieces[0])
	if r.pieces[0] = r.pieces[0][n:]; len(r.pieces[0]) == 0 {
		r.pieces = r.pieces[1:]
	}
	if r.eager && len(r.pieces) == 0 {
		return n, io.EOF
	}
	return n, nil
}

// decoded returns the packets that a Decoder finds, in the form of parsed.
func decoded(t require.TestingT, typ packet.Type, o packet.Options, r io.Reader) []string {
	d, err := packet.NewDecoder(r, typ, o)
	require.NoError(t, err)
	var all []string
	for {
		pkt, err := d.Next()
		if err == nil {
			all = append(all, packetjson.Packet(pkt))
			continue
		}
		left := bytes.Clone(d.Buffered())
		if errors.Is(err, packet.ErrInvalid) {
			return append(all, "invalid")
		}
		if len(left) > 0 {
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		} else {
			require.Equal(t, io.EOF, err)
		}
		p, n, err := packet.Decode(continuing(typ, all), left, o)
		return append(all, outcome(left, p, n, err)+fmt.Sprintf(" after %q", left))
	}
}

// continuing returns the type with which Decode gives the same result as a Parser after these packets.
func continuing(t packet.Type, all []string) packet.Type {
	if t != packet.HTTP && t != packet.HTTPBin {
		return t
	}
	for _, p := range slices.Backward(all) {
		switch {
		case bytes.Contains([]byte(p), []byte(`"kind": "http_eoh"`)):
			return t
		case bytes.Contains([]byte(p), []byte(`"kind": "http_re`)),
			bytes.Contains([]byte(p), []byte(`"kind": "http_header"`)):
			return packet.HTTPH
		}
	}
	return t
}

func optionsOf(t *testing.T, v packetjson.Vector) (packet.Type, packet.Options) {
	t.Helper()
	typ, err := packet.ParseType(v.Type)
	require.NoError(t, err)
	o, ok := v.Options.Packet()
	require.True(t, ok)
	return typ, o
}
