package packet_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock/packet"
)

func TestPacketsHaveAText(t *testing.T) {
	assert.Equal(t, "none", packet.Packet{}.String())
	for _, c := range []struct {
		t        packet.Type
		in, want string
	}{
		{packet.Raw, "a\x00b", `"a\x00b"`},
		{packet.Raw, strings.Repeat("x", 64), `"` + strings.Repeat("x", 64) + `"`},
		{packet.Raw, strings.Repeat("x", 65), `"` + strings.Repeat("x", 64) + `"... (65 bytes)`},
		{packet.HTTP, "GET /a HTTP/1.1\r\n", `{http_request, "GET", "/a", {1, 1}}`},
		{packet.HTTP, "HTTP/1.0 404 Not Found\r\n", `{http_response, {1, 0}, 404, "Not Found"}`},
		{packet.HTTPH, "host: x\r\n\r\n", `{http_header, "host", "x"}`},
		{packet.HTTPH, "\r\n", "http_eoh"},
		{packet.HTTP, "GET\r\n", `{http_error, "GET\r\n"}`},
		{packet.TLS, "\x16\x03\x03\x00\x02ab", `{ssl_tls, 22, {3, 3}, "ab"}`},
	} {
		p, _, err := packet.Decode(c.t, []byte(c.in), none)
		require.NoError(t, err)
		assert.Equal(t, c.want, p.String())
	}
}
