package main

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/sourcetree"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestUsage(t *testing.T) {
	code, out, _ := command(t, "--help")
	assert.Equal(t, 0, code)
	for _, s := range []string{"demo", "info", "opt get", "opt set", "options", "version"} {
		assert.Contains(t, out, s)
	}
	for _, args := range [][]string{{}, {"nonsense"}, {"demo", "--nonsense"}, {"opt", "get", "tcp"}} {
		code, out, errs := command(t, args...)
		assert.Equal(t, 2, code, args)
		assert.Empty(t, out)
		assert.Contains(t, errs, "esock --help shows the usage")
	}
}

func TestVersion(t *testing.T) {
	sourcetree.Need(t)
	header, err := os.ReadFile("../../csrc/esock.h")
	require.NoError(t, err)
	assert.Contains(t, string(header), `#define ESOCK_VERSION "`+esock.Version()+`"`)

	code, out, _ := command(t, "version")
	assert.Equal(t, 0, code)
	for _, s := range []string{"esock ", "core ", "go ", "kernel ", esock.Version()} {
		assert.Contains(t, out, s)
	}
	code, out, _ = command(t, "version", "--json")
	assert.Equal(t, 0, code)
	var v versions
	require.NoError(t, json.Unmarshal([]byte(out), &v))
	assert.Equal(t, readVersions(), v)
}

func TestInfo(t *testing.T) {
	code, out, _ := command(t, "info")
	assert.Equal(t, 0, code)
	assert.Contains(t, out, "unix_essio")
	code, out, _ = command(t, "info", "--json")
	assert.Equal(t, 0, code)
	var m map[string]any
	require.NoError(t, json.Unmarshal([]byte(out), &m))
	assert.Contains(t, m, "iov_max")
}

func TestTable(t *testing.T) {
	code, out, _ := command(t, "i")
	assert.Equal(t, 0, code)
	assert.Contains(t, out, "sample")
	assert.Contains(t, out, "Local Address")
	assert.Equal(t, 4+3, strings.Count(out, "\n"), out)

	code, out, _ = command(t, "i", "recv", "state", "--filter", "tcp")
	assert.Equal(t, 0, code)
	assert.Contains(t, out, "Recv State\n")
	assert.NotContains(t, out, "Domain")
	assert.Equal(t, 3+3, strings.Count(out, "\n"), out)

	code, out, _ = command(t, "i", "-f", "local")
	assert.Equal(t, 0, code)
	assert.Contains(t, out, "None")

	code, out, _ = command(t, "i", "--json", "type", "recv", "local_address", "-f", "stream")
	assert.Equal(t, 0, code)
	var doc struct {
		Sample  bool
		Sockets []map[string]any
	}
	require.NoError(t, json.Unmarshal([]byte(out), &doc))
	assert.True(t, doc.Sample)
	require.Len(t, doc.Sockets, 3)
	assert.Equal(t, "STREAM", doc.Sockets[0]["type"])
	assert.EqualValues(t, 5, doc.Sockets[2]["recv"])
	assert.Contains(t, doc.Sockets[0]["local_address"], "localhost:")

	code, out, errs := command(t, "i", "sate")
	assert.Equal(t, exitUsage, code)
	assert.Empty(t, out)
	assert.Equal(t, "esock i: there is no column \"sate\"; did you mean state?\n", errs)
	code, _, errs = command(t, "i", "-f", "ucp")
	assert.Equal(t, exitUsage, code)
	assert.Contains(t, errs, "did you mean")
}

func TestLayOut(t *testing.T) {
	rows := [][]string{{"n", "name", "note"}, {"1", "ä", ""}, {"100", "abcde", "x"}, {"20", "", "y"}}
	assert.Equal(t, []string{
		"  n name  note",
		"  1 ä",
		"100 abcde x",
		" 20       y",
	}, layOut(rows, func(column int) bool { return column == 0 }))
}

func TestDidYouMean(t *testing.T) {
	known := []string{"nodelay", "maxseg", "cork", "keepidle", "keepintvl", "keepcnt"}
	assert.Equal(t, "; did you mean nodelay?", didYouMean("nodelya", known))
	assert.Equal(t, "; did you mean nodelay?", didYouMean("NoDelay", known))
	assert.Equal(t, "; did you mean keepidle, keepintvl or keepcnt?", didYouMean("keep", known))
	assert.Equal(t, "; there is "+strings.Join(known, ", "), didYouMean("zzzzzz", known))
	assert.Equal(t, "; did you mean tcp?", didYouMean("tpc", []string{"tcp", "udp"}), "a swap is one mistake")
	assert.Equal(t, "; there is tcp, udp", didYouMean("", []string{"tcp", "udp"}))
}

func TestWrapAndShorten(t *testing.T) {
	assert.Equal(t, []string{"one two", "three"}, wrap("one two  three", 9))
	assert.Equal(t, []string{""}, wrap("", 9))
	assert.Equal(t, "abc…vwxyz", shorten("abcdefghijklmnopqrstuvwxyz", 9))
	assert.Equal(t, "short", shorten("short", 9))
}

type noWriter struct{}

func (noWriter) Write([]byte) (int, error) { return 0, errors.New("no room") }

func TestOutputThatCannotBeWritten(t *testing.T) {
	for _, args := range [][]string{{"demo"}, {"demo", "--json"}, {"info"}, {"version", "--json"}, {"i"}, {"opt", "get", "tcp", "nodelay"}, {"options"},
		{"options", "--probe", "--level", "udp"}} {
		var errs strings.Builder
		assert.Equal(t, 1, run(args, noWriter{}, &errs), args)
		assert.Contains(t, errs.String(), "no room")
	}
}
