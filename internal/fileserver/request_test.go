package fileserver

import (
	"bufio"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestServeRefusesWhatIsMalformed(t *testing.T) {
	at := serving(t, site(t), nil)
	for text, status := range map[string]int{
		request("GET a.txt HTTP/1.1"):                                                                400,
		request("GET x HTTP/1.1"):                                                                    400,
		request("GET /a.txt HTTP/1.1 junk"):                                                          400,
		request("GET /a.txt HTTP/1.1 "):                                                              400,
		request("GET /a.txt HTTP/1.1abc"):                                                            400,
		request("GET /a.txt HTTP/1.1\rX"):                                                            400,
		request("GET /a.txt HTTP/0001.1"):                                                            400,
		request("GET /a.txt HTTP/1.10"):                                                              400,
		request("GET /a.txt HTTP/1.01"):                                                              400,
		request("GET /a.txt HTTP/20.0"):                                                              400,
		request("GET http:///a.txt HTTP/1.1"):                                                        400,
		request("GET http://:80/a.txt HTTP/1.1"):                                                     400,
		request("GET http://a:1:2/a.txt HTTP/1.1"):                                                   400,
		request("GET http://a b/a.txt HTTP/1.1"):                                                     400,
		"GET /a.txt HTTP/1.1\r\nHost: a b\r\n\r\n":                                                   400,
		"GET /a.txt HTTP/1.1\r\nHost: a/b\r\n\r\n":                                                   400,
		"GET /a.txt HTTP/1.0\r\nHost: a@b\r\n\r\n":                                                   400,
		request("GET * HTTP/1.1"):                                                                    400,
		request("GET ftp://x/a.txt HTTP/1.1"):                                                        400,
		request("GET /a%2 HTTP/1.1"):                                                                 400,
		request("GET /a%zz HTTP/1.1"):                                                                400,
		request("GET /a.txt%00 HTTP/1.1"):                                                            400,
		request("GET /a.txt#x HTTP/1.1"):                                                             400,
		request("GET /list?\rX: y HTTP/1.1"):                                                         400,
		request("GET /a\x01 HTTP/1.1"):                                                               400,
		request("GET /a b HTTP/1.1"):                                                                 400,
		request("GET /"):                                                                             400,
		request("GET"):                                                                               400,
		request("GET / HTTP/2.0"):                                                                    505,
		request("HTTP/1.1 200 OK"):                                                                   400,
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n":                                                           505,
		"\x16\x03\x01\x02\x00\x01\n":                                                                 400,
		"\r\n\r\n\r\n\r\n\r\n\r\n":                                                                   400,
		"GET / HTTP/1.1\r\n\r\n":                                                                     400,
		request("GET / HTTP/1.1", "Host: y"):                                                         400,
		request("GET / HTTP/1.1", "Name : value"):                                                    400,
		request("GET / HTTP/1.1", "Name"):                                                            400,
		request("GET / HTTP/1.1", ": value"):                                                         400,
		request("GET / HTTP/1.1", "Folded: a", " b"):                                                 400,
		request("GET / HTTP/1.1", "Nul: a\x00"):                                                      400,
		request("GET / HTTP/1.1", "Cr: a\rb"):                                                        400,
		request("GET / HTTP/1.1", "Content-Length: -1"):                                              400,
		request("GET / HTTP/1.1", "Content-Length: 1, 1"):                                            400,
		request("GET / HTTP/1.1", "Content-Length: 1", "Content-Length: 2"):                          400,
		request("GET / HTTP/1.1", "Content-Length: 1", "Transfer-Encoding: chunked"):                 400,
		request("DELETE /a.txt HTTP/1.1"):                                                            405,
		request("OPTIONS * HTTP/1.1"):                                                                405,
		request("CONNECT x:1 HTTP/1.1"):                                                              405,
		request("PATCH /a.txt HTTP/1.1"):                                                             405,
		request("TRACE /a.txt HTTP/1.1"):                                                             405,
		request("get /a.txt HTTP/1.1"):                                                               501,
		request("GETS /a.txt HTTP/1.1"):                                                              501,
		request("PROPFIND /a.txt HTTP/1.1"):                                                          501,
		request("GET / HTTP/1.1", "Transfer-Encoding: gzip"):                                         501,
		request("GET / HTTP/1.1", "Transfer-Encoding: identity"):                                     501,
		request("GET / HTTP/1.1", "Transfer-Encoding: gzip, chunked"):                                501,
		request("GET / HTTP/1.1", "Transfer-Encoding: gzip", "Transfer-Encoding: chunked"):           501,
		request("GET / HTTP/1.1", "Transfer-Encoding: chunked;x=y"):                                  501,
		request("GET / HTTP/1.1", "Transfer-Encoding: chunked, gzip"):                                400,
		request("GET / HTTP/1.1", "Transfer-Encoding: chunked, chunked"):                             400,
		request("GET / HTTP/1.1", "Transfer-Encoding: chunked", "Transfer-Encoding: x"):              400,
		request("GET / HTTP/1.1", "Transfer-Encoding:"):                                              400,
		request("GET / HTTP/1.1", "Transfer-Encoding: x", "Content-Length: 1"):                       400,
		"GET / HTTP/1.0\r\nTransfer-Encoding: x\r\n\r\n":                                             400,
		request("GET /" + strings.Repeat("a", maxLine) + " HTTP/1.1"):                                414,
		strings.Repeat("a", maxLine):                                                                 414,
		request("GET / HTTP/1.1", "Long: "+strings.Repeat("a", maxLine)):                             431,
		request("GET / HTTP/1.1", strings.Repeat("A: b\r\n", maxLines)+"A: b"):                       431,
		request("GET / HTTP/1.1", strings.Repeat("A: "+strings.Repeat("b", 7000)+"\r\n", 10)+"A: b"): 431,
	} {
		got := raw(t, at, text)
		name := text[:min(len(text), 60)]
		require.NotEmpty(t, got, name)
		res, err := http.ReadResponse(bufio.NewReader(strings.NewReader(got)), nil)
		require.NoError(t, err, name)
		assert.Equal(t, status, res.StatusCode, "%q", name)
		if status == 405 {
			assert.Equal(t, "GET, HEAD", res.Header.Get("Allow"))
		} else if !res.Close && status == 501 {
			assert.NotContains(t, text, "Transfer-Encoding", "the end of the body is not known")
		} else {
			assert.True(t, res.Close || status == 400 && strings.HasPrefix(text, "GET"), "%q", name)
		}
	}
	// Unusual, but valid.
	for _, text := range []string{
		request("GET http://x/a.txt HTTP/1.1"),
		request("GET http://[::1]:80/a.txt?http://:/ HTTP/1.1"),
		"GET /a.txt HTTP/1.1\r\nHost:\r\n\r\n",
		"GET /a.txt HTTP/1.1\r\nHost: a_b.%41:\r\n\r\n",
		"\r\n\r\n" + request("GET /a.txt HTTP/1.1"),
		strings.ReplaceAll(request("GET /a.txt HTTP/1.1"), "\r\n", "\n"),
		request("GET /a.txt HTTP/1.9"),
		"GET /a.txt HTTP/1.0\r\n\r\n",
		request("GET /a.txt HTTP/1.1", "Content-Length: 3", "Content-Length: 3") + "abc",
		request("GET /a.txt HTTP/1.1", "Empty:", "X-Long: "+strings.Repeat("a", 5000)),
	} {
		assert.Equal(t, []string{"200 0123456789"}, answers(t, raw(t, at, text), "GET"), "%q", text)
	}
	for _, target := range []string{"http://x", "http://x?/a.txt"} {
		all := answers(t, raw(t, at, request("GET "+target+" HTTP/1.1")), "GET")
		require.Len(t, all, 1)
		assert.Contains(t, all[0], "<h1>/</h1>", target)
	}
}
