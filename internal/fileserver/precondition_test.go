package fileserver

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestServeConditions(t *testing.T) {
	at := "http://" + serving(t, site(t), nil) + "/a.txt"
	client := browser(t)
	whole, _ := ask(t, client, "GET", at)
	tag, modified := whole.Header.Get("Etag"), whole.Header.Get("Last-Modified")
	const old, later = "Mon, 02 Jan 2006 15:04:05 GMT", "Mon, 02 Jan 2090 15:04:05 GMT"
	for _, c := range []struct {
		status  int
		headers []string
	}{
		{304, []string{"If-None-Match: " + tag}},
		{304, []string{"If-None-Match: W/" + tag}},
		{304, []string{`If-None-Match: "a,b", ` + tag}},
		{304, []string{"If-None-Match: *"}},
		{304, []string{`If-None-Match: "a"`, `If-None-Match: "b"`, "If-None-Match: " + tag}},
		{200, []string{`If-None-Match: "a"`, `If-None-Match: "b"`, "If-Match: " + tag}},
		{200, []string{`If-Match: "a"`, "If-Match: " + tag}},
		{412, []string{`If-Match: "a"`, `If-Match: "b"`}},
		{200, []string{`If-None-Match: "a"`}},
		{200, []string{"If-None-Match: nonsense"}},
		{200, []string{`If-None-Match: "a"`, "If-Modified-Since: " + later}},
		{304, []string{"If-Modified-Since: " + modified}},
		{304, []string{"If-Modified-Since: " + later}},
		{200, []string{"If-Modified-Since: " + old}},
		{200, []string{"If-Modified-Since: yesterday"}},
		{200, []string{"If-Match: " + tag}},
		{200, []string{"If-Match: *"}},
		{412, []string{"If-Match: W/" + tag}},
		{412, []string{`If-Match: "a"`}},
		{412, []string{"If-Unmodified-Since: " + old}},
		{200, []string{"If-Unmodified-Since: " + modified}},
	} {
		res, body := ask(t, client, "GET", at, c.headers...)
		assert.Equal(t, c.status, res.StatusCode, c.headers)
		assert.Equal(t, map[int]string{200: "0123456789", 304: "", 412: "412 Precondition Failed\n"}[c.status], body,
			c.headers)
		if c.status == 304 {
			assert.Equal(t, tag, res.Header.Get("Etag"))
		}
	}
}

func TestServeChangedFileHasAnotherTag(t *testing.T) {
	dir := site(t)
	at := "http://" + serving(t, dir, nil) + "/a.txt"
	client := browser(t)
	res, _ := ask(t, client, "GET", at)
	tag := res.Header.Get("Etag")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.txt"), []byte("other and longer"), 0o644))
	res, body := ask(t, client, "GET", at, "If-None-Match: "+tag)
	assert.Equal(t, 200, res.StatusCode)
	assert.Equal(t, "other and longer", body)
}

// A modification time in the future is sent as now.
func TestServeNothingIsChangedInTheFuture(t *testing.T) {
	dir := site(t)
	future := time.Now().Add(1000 * time.Hour)
	require.NoError(t, os.Chtimes(dir+"/a.txt", future, future))
	res, _ := ask(t, browser(t), "GET", "http://"+serving(t, dir, nil)+"/a.txt")
	assert.Equal(t, res.Header.Get("Date"), res.Header.Get("Last-Modified"))
}
