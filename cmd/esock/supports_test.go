package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// said runs the command and gives what it wrote.
func said(t *testing.T, code int, args ...string) (stdout, stderr string) {
	t.Helper()
	var o, e bytes.Buffer
	require.Equal(t, code, run(args, &o, &e), "%s%s", o.String(), e.String())
	return o.String(), e.String()
}

func TestSupportsFitsTheScreenAndHasEveryTable(t *testing.T) {
	text, _ := said(t, exitOK, "supports")
	for _, line := range strings.Split(text, "\n") {
		assert.LessOrEqual(t, len(line), 100, line)
	}
	for _, word := range []string{"ioctl_requests\n", "ioctl_flags\n", "msg_flags\n", "protocols\n", "options tcp\n", "nodelay",
		"not on Linux: ", "features\n"} {
		assert.Contains(t, text, word)
	}
	assert.Contains(t, strings.Join(strings.Fields(text), " "), "sendfile yes") // where lines end depends on the kernel
}

func TestSupportsOfOneKey(t *testing.T) {
	text, _ := said(t, exitOK, "supports", "msg_flags")
	assert.Contains(t, text, "peek")
	assert.NotContains(t, text, "nodelay")
	text, _ = said(t, exitOK, "supports", "options", "tcp", "--json")
	var doc struct{ Options map[string]map[string]string }
	require.NoError(t, json.Unmarshal([]byte(text), &doc))
	assert.Equal(t, "works", doc.Options["tcp"]["nodelay"])
	assert.Len(t, doc.Options, 1)
	text, _ = said(t, exitOK, "supports", "sendfile", "--json")
	assert.JSONEq(t, `{"sendfile": true}`, text)
}

func TestSupportsRefuses(t *testing.T) {
	_, message := said(t, exitUsage, "supports", "option")
	assert.Contains(t, message, `no table or feature "option"`)
	_, message = said(t, exitUsage, "supports", "options", "tpc")
	assert.Contains(t, message, `no level "tpc"`)
	_, message = said(t, exitUsage, "supports", "protocols", "tcp")
	assert.Contains(t, message, "only options have levels")
}
