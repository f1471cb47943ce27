package fileserver

import (
	"fmt"
	"net/url"
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
