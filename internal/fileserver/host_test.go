package fileserver

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestHosts(t *testing.T) {
	for text, want := range map[string]bool{
		"": true, "a": true, "a.b:80": true, "a:": true, "a!$&'()*+,;=~_-": true, "%41%4a": true, "[::1]": true,
		"[::1]:8":  true,
		"[v1.a:b]": true, ":8": true,
		"a b": false, "a\tb": false, "a:b": false, "a:1:2": false, "::1": false, "a/": false, "a?": false, "a#": false,
		"u@a": false,
		"%4":  false, "%zz": false, "[]": false, "[::1": false, "::1]": false, "[::1]a": false, "a[::1]": false,
		"[[::1]": false,
		"[::1]]": false, "[::1]:a": false, "]": false, "]:": false, "\xff": false, `"`: false, "<a>": false,
	} {
		assert.Equal(t, want, isHost([]byte(text)), text)
	}
}
