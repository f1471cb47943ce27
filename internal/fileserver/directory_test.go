package fileserver

import (
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestServeDirectory(t *testing.T) {
	at := "http://" + serving(t, site(t), nil)
	client := browser(t)
	for path, to := range map[string]string{"/list": "/list/", "/list?q=1": "/list/?q=1", "//list/deep": "/list/deep/",
		"/list/%2e": "", "/%6cist": "/list/"} {
		res, body := ask(t, client, "GET", at+path)
		if to == "" {
			assert.Equal(t, 200, res.StatusCode, path)
			continue
		}
		assert.Equal(t, 301, res.StatusCode, path)
		assert.Equal(t, to, res.Header.Get("Location"), path)
		assert.NotEmpty(t, body)
	}
	_, body := ask(t, client, "GET", at+"/list/")
	assert.Contains(t, body, `<a href="./deep/"><bdi>deep/</bdi></a>`)
	assert.Contains(t, body, `<a href="./%3Cb%3E%26%22c%20d%25.txt"><bdi>&lt;b&gt;&amp;&#34;c d%.txt</bdi></a>`)
	assert.Contains(t, body, `<a href="./java%3Ascript"><bdi>java:script</bdi></a>`)
	assert.Contains(t, body, `<a href="../">`)
	assert.Less(t, strings.Index(body, "deep/"), strings.Index(body, "java:"), "directories come first")
	// Each link leads to the file that it names.
	base, err := url.Parse(at + "/list/")
	require.NoError(t, err)
	for _, part := range strings.Split(body, `href="`)[1:] {
		link, err := base.Parse(part[:strings.Index(part, `"`)])
		require.NoError(t, err)
		res, _ := ask(t, client, "GET", link.String())
		assert.Equal(t, 200, res.StatusCode, link)
	}
	res, top := ask(t, client, "GET", at)
	assert.Equal(t, "text/html; charset=utf-8", res.Header.Get("Content-Type"))
	assert.NotContains(t, top, `"../"`)
	head, none := ask(t, client, "HEAD", at)
	assert.Empty(t, none)
	assert.Equal(t, fmt.Sprint(len(top)), head.Header.Get("Content-Length"))
}

// The direction of a name stays its own, and no name looks like another.
func TestServeListingOfNamesInAllDirections(t *testing.T) {
	dir := site(t)
	const hebrew = "\u05e9\u05dc\u05d5\u05dd"
	for _, name := range []string{hebrew + "/" + hebrew + ".txt", hebrew + "/photo\u202egnp.exe", hebrew + "/a\u2069b",
		hebrew + "/new\nline", hebrew + "/\xff"} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), nil, 0o644))
	}
	at := "http://" + serving(t, dir, nil)
	_, body := ask(t, browser(t), "GET", at+"/"+url.PathEscape(hebrew)+"/")
	assert.Contains(t, body, "<title>/\u2068"+hebrew+"\u2069/</title>")
	assert.Contains(t, body, "<h1>/<bdi>"+hebrew+"</bdi>/</h1>")
	assert.Contains(t, body, "<bdi>"+hebrew+".txt</bdi>")
	assert.Contains(t, body, "\"./photo%E2%80%AEgnp.exe\"><bdi>photo\ufffdgnp.exe</bdi>", "a mark, where the direction would change")
	assert.Contains(t, body, "<bdi>a\ufffdb</bdi>")
	assert.Contains(t, body, "\"./new%0Aline\"><bdi>new\ufffdline</bdi>")
	assert.Contains(t, body, "\"./%FF\"><bdi>\ufffd</bdi>")
}

// Each link of a listing answers, and what does not is not listed.
func TestServeListingLeavesOutWhatIsNotServed(t *testing.T) {
	dir := site(t)
	listener, err := net.Listen("unix", filepath.Join(dir, "socket"))
	require.NoError(t, err)
	defer listener.Close()
	require.NoError(t, os.Symlink("none", filepath.Join(dir, "dangling")))
	require.NoError(t, os.Symlink("fifo", filepath.Join(dir, "to-fifo")))
	require.NoError(t, os.Symlink("list", filepath.Join(dir, "to-list")))
	require.NoError(t, os.Symlink("self", filepath.Join(dir, "self")))
	require.NoError(t, os.WriteFile(filepath.Join(dir, ".hidden"), nil, 0o644))
	at := "http://" + serving(t, dir, nil)
	client := browser(t)
	_, body := ask(t, client, "GET", at+"/")
	var names []string
	for _, part := range strings.Split(body, `href="./`)[1:] {
		name := part[:strings.Index(part, `"`)]
		res, _ := ask(t, client, "GET", at+"/"+name)
		assert.Equal(t, 200, res.StatusCode, name)
		names = append(names, name)
	}
	assert.Equal(t, []string{"list/", "sub/", "to-list/", "a.txt", "empty", "in", "page.html", "unknown.zzz", "%C3%BCn%C3%AF"}, names)
}

// A long listing is sent in parts, and is whole: neither a server nor a client needs memory for all of it.
func TestServeALongListingInParts(t *testing.T) {
	dir := t.TempDir()
	const names = 600
	for i := range names {
		require.NoError(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("%04d-%s", i, strings.Repeat("n", 200))), nil, 0o644))
	}
	at := "http://" + serving(t, dir, nil)
	client := browser(t)
	for range 2 { // on one connection
		res, body := ask(t, client, "GET", at+"/")
		assert.Equal(t, []string{"chunked"}, res.TransferEncoding)
		assert.Equal(t, names, strings.Count(body, "<tr>"))
		assert.Greater(t, len(body), 4*maxPart)
		last := -1
		for i := range names {
			found := strings.Index(body, fmt.Sprintf("\"./%04d-", i))
			require.Greater(t, found, last, "in order")
			last = found
		}
		assert.True(t, strings.HasSuffix(body, "</table>\n</body>\n</html>\n"))
	}
	head, none := ask(t, client, "HEAD", at+"/")
	assert.Equal(t, 200, head.StatusCode)
	assert.Empty(t, none)
	c, err := net.Dial("tcp", strings.TrimPrefix(at, "http://"))
	require.NoError(t, err)
	defer c.Close()
	_, err = io.WriteString(c, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
	require.NoError(t, err)
	old, err := io.ReadAll(c)
	require.NoError(t, err)
	assert.NotContains(t, string(old), "chunked")
	assert.Contains(t, string(old), "Connection: close")
	assert.Equal(t, names, strings.Count(string(old), "<tr>"))
}
