package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock/internal/sourcetree"
)

func TestGeneratedFilesAreUpToDate(t *testing.T) {
	sourcetree.Need(t)
	table, err := load("../..")
	require.NoError(t, err)
	text, err := os.ReadFile("../../" + source)
	require.NoError(t, err)
	assert.Equal(t, strings.Count(string(text), "\nESOCK_OPT("), len(table.rows))
	for _, o := range outputs {
		want, err := o.make(table)
		require.NoError(t, err)
		got, err := os.ReadFile(filepath.Join("../..", o.path))
		require.NoError(t, err)
		assert.True(t, string(want) == string(got), "%s is stale: run go generate", o.path)
	}
}

func TestEveryRowHasASampleOrAReason(t *testing.T) {
	sourcetree.Need(t)
	table, err := load("../..")
	require.NoError(t, err)
	for _, r := range table.rows {
		if (directions[r.direction]&2 != 0 || directions[r.direction]&4 != 0) && r.codec != "BOOL" {
			assert.NotEmpty(t, r.sample, "%s.%s", r.level, r.name)
		}
	}
}

func TestRowsThatAreNotUnderstoodAreErrors(t *testing.T) {
	const (
		structs = "ESOCK_STRUCT(linger, struct linger, FULL)\nESOCK_FIELD(linger, onoff, l_onoff, BOOL, \"text\")\nESOCK_END(linger, NATURAL, 0)\n"
		head    = "ESOCK_LEVEL(tcp, IPPROTO_TCP, 6)\nESOCK_KIND(TCP4, 0, \"tcp4\")\nESOCK_KINDS(TCP, TCP4)\n"
		good    = "ESOCK_OPT(tcp, nodelay, TCP_NODELAY, 1, BOOL, GETSET, TCP, NOTHING, \"2.2\", \"\",\n          \"Text.\")\n"
	)
	table, err := parse(head+good, structs)
	require.NoError(t, err)
	require.Len(t, table.rows, 1)
	assert.Equal(t, "TCPNoDelay", table.rows[0].goName())
	for _, bad := range []string{
		"",
		good + good,
		strings.Replace(good, "BOOL", "BOOLEAN", 1),
		strings.Replace(good, "BOOL", "BOOL(4)", 1),
		strings.Replace(good, "BOOL", "STRING", 1),
		strings.Replace(good, "BOOL", "STRUCT(none)", 1),
		strings.Replace(good, "GETSET", "BOTH", 1),
		strings.Replace(good, "NOTHING", "LUCK", 1),
		strings.Replace(good, ", TCP,", ", UDP,", 1),
		strings.Replace(good, "(tcp,", "(udp,", 1),
		strings.Replace(good, "Text.\"", "Text.", 1),
		strings.SplitAfter(good, "\n")[0],
		strings.Replace(good, ", 1,", ", 99999999999999999999,", 1),
	} {
		_, err := parse(head+bad, structs)
		assert.Error(t, err, bad)
	}
	for _, bad := range []string{
		structs + structs,
		strings.Replace(structs, "FULL", "MOST", 1),
		strings.Replace(structs, "BOOL", "BOOLEAN", 1),
		strings.Replace(structs, "NATURAL", "ODD", 1),
		strings.Replace(structs, "FIELD(linger", "FIELD(longer", 1),
	} {
		_, err := parse(head+good, bad)
		assert.Error(t, err, bad)
	}
	table.rows = append(table.rows, table.rows[0])
	_, err = varsFile(table)
	assert.Error(t, err, "two options of one name")
}
