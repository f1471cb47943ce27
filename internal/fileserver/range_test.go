package fileserver

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestServeRanges(t *testing.T) {
	at := "http://" + serving(t, site(t), nil) + "/a.txt"
	client := browser(t)
	whole, _ := ask(t, client, "GET", at)
	tag, modified := whole.Header.Get("Etag"), whole.Header.Get("Last-Modified")
	for _, c := range []struct {
		status          int
		body, rangeSent string
		headers         []string
	}{
		{206, "0", "bytes 0-0/10", []string{"Range: bytes=0-0"}},
		{206, "234", "bytes 2-4/10", []string{"Range: bytes=2-4"}},
		{206, "89", "bytes 8-9/10", []string{"Range: bytes=8-"}},
		{206, "89", "bytes 8-9/10", []string{"Range: bytes=8-99999999999999999999999999"}},
		{206, "789", "bytes 7-9/10", []string{"Range: bytes=-3"}},
		{206, "0123456789", "bytes 0-9/10", []string{"Range: bytes=-30"}},
		{206, "23", "bytes 2-3/10", []string{"Range: Bytes=2-3"}},
		{206, "23", "bytes 2-3/10", []string{"Range: bytes=2-3", "If-Range: " + tag}},
		{206, "23", "bytes 2-3/10", []string{"Range: bytes=2-3", "If-Range: " + modified}},
		{200, "0123456789", "", []string{"Range: bytes=2-3", `If-Range: "other"`}},
		{200, "0123456789", "", []string{"Range: bytes=2-3", "If-Range: W/" + tag}},
		{200, "0123456789", "", []string{"Range: bytes=2-3", "If-Range: Mon, 02 Jan 2006 15:04:05 GMT"}},
		{200, "0123456789", "", []string{"Range: bytes=0-1,3-4"}},
		{200, "0123456789", "", []string{"Range: bytes=0-1", "Range: bytes=3-4"}},
		{200, "0123456789", "", []string{"Range: bytes=4-2"}},
		{200, "0123456789", "", []string{"Range: bytes=-"}},
		{200, "0123456789", "", []string{"Range: bytes=--1"}},
		{200, "0123456789", "", []string{"Range: bytes=a-b"}},
		{200, "0123456789", "", []string{"Range: lines=1-2"}},
		{200, "0123456789", "", []string{"Range: bytes=+1-2"}},
		{200, "0123456789", "", []string{"Range: bytes=0-99999999999999999999x"}},
		{416, "416 Range Not Satisfiable\n", "bytes */10", []string{"Range: bytes=10-"}},
		{416, "416 Range Not Satisfiable\n", "bytes */10", []string{"Range: bytes=99999999999999999999-"}},
		{416, "416 Range Not Satisfiable\n", "bytes */10", []string{"Range: bytes=-0"}},
	} {
		res, body := ask(t, client, "GET", at, c.headers...)
		assert.Equal(t, c.status, res.StatusCode, c.headers)
		assert.Equal(t, c.body, body, c.headers)
		assert.Equal(t, c.rangeSent, res.Header.Get("Content-Range"), c.headers)
	}
}

func TestServeRangesOfAnEmptyFile(t *testing.T) {
	at := "http://" + serving(t, site(t), nil) + "/empty"
	for part, status := range map[string]int{"-5": 200, "-0": 416, "0-": 416, "0-0": 416} {
		res, _ := ask(t, browser(t), "GET", at, "Range: bytes="+part)
		assert.Equal(t, status, res.StatusCode, part)
	}
}

func TestDecimal(t *testing.T) {
	for text, want := range map[string]int64{"0": 0, "007": 7, "9223372036854775807": math.MaxInt64,
		"9223372036854775808": math.MaxInt64, "99999999999999999999999": math.MaxInt64} {
		n, ok := decimal([]byte(text))
		assert.True(t, ok, text)
		assert.Equal(t, want, n, text)
	}
	for _, text := range []string{"", "+1", "-1", " 1", "1 ", "1_0", "0x1", "a", "99999999999999999999999x"} {
		_, ok := decimal([]byte(text))
		assert.False(t, ok, text)
	}
}
