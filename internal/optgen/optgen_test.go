package main

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestGeneratedFileIsUpToDate(t *testing.T) {
	text, err := os.ReadFile("../../" + source)
	require.NoError(t, err)
	rows, err := parse(string(text))
	require.NoError(t, err)
	assert.Equal(t, strings.Count(string(text), "\nESOCK_OPT("), len(rows))
	want, err := generate(rows)
	require.NoError(t, err)
	got, err := os.ReadFile("../../" + target)
	require.NoError(t, err)
	assert.Equal(t, string(want), string(got), "run go generate")
}

func TestRowsThatAreNotUnderstoodAreErrors(t *testing.T) {
	const good = "ESOCK_OPT(tcp, nodelay, IPPROTO_TCP, 6, TCP_NODELAY, 1, BOOL, GETSET, 0, \"2.2\",\n          \"Text.\")\n"
	rows, err := parse(good)
	require.NoError(t, err)
	require.Len(t, rows, 1)
	assert.Equal(t, "TCPNoDelay", rows[0].goName())
	for _, bad := range []string{
		"",
		good + good,
		strings.Replace(good, "BOOL", "BOOLEAN", 1),
		strings.Replace(good, "GETSET", "BOTH", 1),
		strings.Replace(good, ", 0,", ",", 1),
		strings.Replace(good, "Text.\"", "Text.", 1),
		strings.SplitAfter(good, "\n")[0],
		strings.Replace(good, ", 1,", ", 99999999999999999999,", 1),
	} {
		_, err := parse(bad)
		assert.Error(t, err, bad)
	}
	_, err = generate([]row{rows[0], rows[0]})
	assert.Error(t, err, "two options of one name")
}
