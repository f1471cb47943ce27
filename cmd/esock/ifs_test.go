package main

import (
	"encoding/json"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestIfsListsTheLoopback(t *testing.T) {
	lo, err := net.InterfaceByName("lo")
	if err != nil {
		t.Skip("no loopback interface here:", err)
	}
	text, _ := said(t, exitOK, "ifs", "--json")
	var all []netIf
	require.NoError(t, json.Unmarshal([]byte(text), &all))
	found := false
	for _, i := range all {
		if i.Name != "lo" {
			continue
		}
		found = true
		assert.Equal(t, lo.Index, i.Index)
		assert.Equal(t, lo.MTU, i.MTU)
		assert.Contains(t, i.Flags, "loopback")
		assert.Equal(t, "loopback", i.HWFamily)
		if lo.Flags&net.FlagUp != 0 {
			assert.Contains(t, i.Flags, "up")
			assert.Equal(t, "127.0.0.1", i.Addr)
			assert.Equal(t, "255.0.0.0", i.Netmask)
		}
	}
	assert.True(t, found)

	text, _ = said(t, exitOK, "ifs")
	assert.Contains(t, text, "lo ")
	for _, line := range strings.Split(text, "\n") {
		assert.LessOrEqual(t, len(line), 100, line)
	}
}

func TestIfsShowsNamesWithoutControlCharacters(t *testing.T) {
	assert.Equal(t, "eth0", shownName("eth0"))
	assert.Equal(t, `"a\x1bb"`, shownName("a\x1bb"))
	assert.LessOrEqual(t, len([]rune(shownName(strings.Repeat("\x1b", 15)))), 15)
}
