package main

import (
	"encoding/json"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSSListsAListener(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	text, _ := said(t, exitOK, "ss", "-t", "-l", "--json", "sport", port)
	var r ssReport
	require.NoError(t, json.Unmarshal([]byte(text), &r))
	if r.Unavailable["tcp"] != "" {
		t.Skip(r.Unavailable["tcp"])
	}
	require.Len(t, r.Sockets, 1)
	assert.Equal(t, "listening", r.Sockets[0].State)
	assert.Equal(t, l.Addr().String(), r.Sockets[0].Local)

	text, _ = said(t, exitOK, "ss", "-tlp", "sport", port)
	lines := strings.Split(strings.TrimSpace(text), "\n")
	require.Len(t, lines, 2)
	assert.Equal(t, []string{"tcp", "LISTEN", "0"}, strings.Fields(lines[1])[:3])
	assert.Contains(t, lines[1], " fd ")
	text, _ = said(t, exitOK, "ss", "-t", "sport", port)
	assert.NotContains(t, text, "LISTEN", "by default, connected sockets")
}

func TestSSRefusesFilters(t *testing.T) {
	for _, args := range []string{"prot 1", "port", "port x", "not", "state up", "addr x", "path [", "--every 0"} {
		said(t, exitUsage, append([]string{"ss"}, strings.Fields(args)...)...)
	}
}
