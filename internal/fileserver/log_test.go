package fileserver

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestServeLogIsOneLine(t *testing.T) {
	log := make(lines, 10)
	at := serving(t, site(t), log)
	raw(t, at, request("GET /\"\x1b[31m HTTP/1.1"))
	assert.Contains(t, <-log, `"GET /\x22\x1b[31m HTTP/1.1" 400 16`)
	raw(t, at, "nonsense\x00\r\n")
	assert.Contains(t, <-log, `"nonsense\x00" 400 16`)
	raw(t, at, request("GET / HTTP/01.1 \tjunk"))
	assert.Contains(t, <-log, `"GET / HTTP/01.1 \tjunk" 400 16`)
	raw(t, at, request(`GET /\" HTTP/1.1`))
	assert.Contains(t, <-log, `"GET /\\\x22 HTTP/1.1" 404 `, "the backslash escapes nothing")
}
