package fileserver

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestServeNothingOutside(t *testing.T) {
	at := serving(t, site(t), nil)
	for _, path := range []string{"/../secret", "/%2e%2e/secret", "/..%2fsecret", "/list/../../secret", "/.%2E/secret",
		"/out", "/up/",
		"/up/secret", "/up/site/a.txt", "//etc/passwd", "/%2fetc/passwd", "/%2Fetc%2Fpasswd",
		"/list/%2e%2e/%2e%2e/secret", "/..", "/../",
		"/..\\secret", "/..%5csecret", "/%5c..%5csecret", "/%2e%2e%5csecret", "/%c0%ae%c0%ae/secret", "/%c0%ae%c0%ae%c0%afsecret",
		"/%252e%252e/secret", "/%2e%2e%252fsecret", "/..;/secret", "/..%3b/secret", "/.../secret", "/..%20/secret", "/..%0a/secret",
		"///../secret", "/list//..//../../secret", "/%2f..%2fsecret", "/up/%2e%2e/secret", "/a.txt/../../secret", "/?/../../secret",
		"/%EF%BC%8E%EF%BC%8E/secret", "http://x/../secret", "http://x//secret", "/a.txt%00.html", "/\xff\xfe", "/fifo/../../secret"} {
		for _, method := range []string{"GET", "HEAD"} {
			all := answers(t, raw(t, at, request(method+" "+path+" HTTP/1.1")), method)
			require.Len(t, all, 1)
			if path != "/?/../../secret" {
				assert.Contains(t, []string{"400", "404"}, all[0][:3], path)
			}
			assert.NotContains(t, all[0], "secret", path)
			assert.NotContains(t, all[0], "root:", path)
		}
	}
}

func TestLocate(t *testing.T) {
	for text, want := range map[string]string{
		"/":            "./",
		"//":           "./",
		"/.":           "./",
		"/a":           "a",
		"/a/":          "a/",
		"/a/b":         "a/b",
		"/a//b/":       "a/b/",
		"//a":          "a",
		"/a/b/..?c":    "a/",
		"/a%2f":        "a/",
		"/a/%2E":       "a/",
		"/%2f%2f/..":   "refused",
		"/../a/..":     "refused",
		"/a/../../a":   "refused",
		"/a%252fb":     "a%2fb",
		"/a+b":         "a+b",
		"/a\xff":       "a\xff",
		"/a b":         "refused",
		"/a#b":         "refused",
		"/a\x7f":       "refused",
		"/a/./b":       "a/b",
		"/a/.":         "a/",
		"/a/..":        "./",
		"/a/b/..":      "a/",
		"/a/b/../c":    "a/c",
		"/a/../b":      "b",
		"/a/b/../../c": "c",
		"/a%2fb":       "a/b",
		"/%41%2e":      "A.",
		"/a?b/../../c": "a",
		"/...":         "...",
		"/..a":         "..a",
		"/a/../..":     "refused",
		"/..":          "refused",
		"/%2e.":        "refused",
		"/a/%2e%2e/..": "refused",
		"/%":           "refused",
		"/%4":          "refused",
		"/%0":          "refused",
		"/%00":         "refused",
		"":             "refused",
		"a":            "refused",
	} {
		p, ok := locate(text)
		got := "refused"
		if ok {
			if got = p.name; p.slash {
				got += "/"
			}
		}
		assert.Equal(t, want, got, text)
	}
}

func FuzzLocate(f *testing.F) {
	for _, s := range []string{"/", "/a/../b", "/%2e%2e/", "/a//b?c", "/..", "/%00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, ok := locate(text)
		if !ok {
			return
		}
		assert.True(t, filepath.IsLocal(p.name), p.name)
		assert.Equal(t, filepath.Clean(p.name), p.name)
		// A redirect leads to the same place.
		again, ok := locate(directoryPath(p.name))
		assert.True(t, ok)
		assert.Equal(t, p.name, again.name)
	})
}

// Neither a name nor a query adds a header, or a host, to where a redirect leads.
func TestServeRedirectsStayHere(t *testing.T) {
	dir := site(t)
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "a\r\nX: y"), 0o755))
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "host:80"), 0o755))
	at := serving(t, dir, nil)
	for target, want := range map[string]string{
		"/a%0d%0aX:%20y":       "/a%0D%0AX%3A%20y/",
		"//list":               "/list/",
		"/%2flist":             "/list/",
		"/%5c%5clist/../list":  "/list/",
		"//host:80":            "/host%3A80/",
		"/host:80?//evil/?x=y": "/host%3A80/?//evil/?x=y",
		"http://evil//list":    "/list/",
	} {
		got := raw(t, at, request("GET "+target+" HTTP/1.1"))
		head, _, _ := strings.Cut(got, "\r\n\r\n")
		assert.Contains(t, head, "\r\nLocation: "+want+"\r\n", target)
		assert.NotContains(t, head, "\nX:")
	}
}

// Everything but unreserved characters and slashes is escaped: the result is safe in HTML and in a header.
func TestEscapePath(t *testing.T) {
	assert.Equal(t, "a/%20%2B%25%26%22%3C%3A%3F%23%0A%FF%C3%BC-._~", escapePath("a/ +%&\"<:?#\n\xffü-._~"))
	assert.Equal(t, "/", directoryPath("."))
	assert.Equal(t, "/a/b/", directoryPath("a/b"))
}

func TestServeHidesDotfiles(t *testing.T) {
	dir := site(t)
	for _, name := range []string{".secret", ".git/config", "sub/.htpasswd", "...", "list/.deep/x"} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("hidden"), 0o644))
	}
	for _, shown := range []bool{false, true} {
		url := "http://" + serving(t, dir, nil, func(c *Config) { c.Hidden = shown })
		client := browser(t)
		for _, name := range []string{".secret", "%2esecret", ".git/config", "list/../.git/config", "sub/.htpasswd", "...",
			"sub%2f.htpasswd", "list/.deep/x"} {
			res, body := ask(t, client, "GET", url+"/"+name)
			assert.Equal(t, map[bool]int{false: 404, true: 200}[shown], res.StatusCode, name)
			assert.Equal(t, map[bool]string{false: "404 Not Found\n", true: "hidden"}[shown], body, name)
		}
		res, _ := ask(t, client, "GET", url+"/.git")
		assert.Equal(t, map[bool]int{false: 404, true: 301}[shown], res.StatusCode)
		for path, name := range map[string]string{"/": ".secret", "/list/": ".deep"} {
			_, body := ask(t, client, "GET", url+path)
			assert.Equal(t, shown, strings.Contains(body, name), path)
		}
	}
}
