package main

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/sourcetree"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A word that is no command is said to be none, also below a command.
func TestUnknownCommand(t *testing.T) {
	for args, want := range map[string]string{
		"bogus":      `esock: there is no command "bogus"; esock --help shows the usage`,
		"serv":       `esock: there is no command "serv"; did you mean serve?; esock --help shows the usage`,
		"help bogus": `esock: there is no command "bogus"; esock --help shows the usage`,
		"opt gett":   `esock: there is no command "gett"; did you mean get?; esock opt --help shows the usage`,
	} {
		_, errs := said(t, exitUsage, strings.Fields(args)...)
		assert.Equal(t, want+"\n", errs)
	}
}

func TestUsage(t *testing.T) {
	code, out, _ := command(t, "--help")
	assert.Equal(t, 0, code)
	for _, s := range []string{"demo", "info", "opt get", "opt set", "options", "version"} {
		assert.Contains(t, out, s)
	}
	for _, args := range [][]string{{"nonsense"}, {"demo", "--nonsense"}, {"opt", "get", "tcp"}} {
		code, out, errs := command(t, args...)
		assert.Equal(t, 2, code, args)
		assert.Empty(t, out)
		assert.Regexp(t, `; esock( demo| opt get)? --help shows the usage\n$`, errs)
	}
	// Without a command the help is an error, for scripts, and not in the way of a pipe.
	for _, args := range [][]string{{}, {"opt"}, {"packet"}} {
		code, out, errs := command(t, args...)
		assert.Equal(t, 2, code, args)
		assert.Empty(t, out)
		_, help, _ := command(t, append(args, "--help")...)
		assert.Equal(t, help, errs)
	}
}

func TestHelp(t *testing.T) {
	_, want, _ := command(t, "opt", "set", "--help")
	for _, args := range [][]string{{"help", "opt", "set"}, {"opt", "set", "-h"}, {"opt", "set", "x", "--help"}} {
		code, out, errs := command(t, args...)
		assert.Equal(t, exitOK, code, args)
		assert.Equal(t, want, out)
		assert.Empty(t, errs)
	}
	code, out, errs := command(t, "help", "ops")
	assert.Equal(t, exitUsage, code)
	assert.Empty(t, out)
	assert.Equal(t, 1, strings.Count(errs, "\n"), errs)
	_, all, _ := command(t, "--help")
	_, out, _ = command(t, "help")
	assert.Equal(t, all, out)
}

// Every command has an example, whose lines fit a narrow page and can be parsed.
func TestExamples(t *testing.T) {
	known := map[string]bool{"": true}
	for _, words := range commandPaths(t) {
		path := strings.Join(words, " ")
		known[path] = true
		if _, out, _ := command(t, append(words, "--help")...); !strings.Contains(out, " <command>") {
			assert.NotEmpty(t, examples[path], "%s has no example", path)
		}
	}
	for path, list := range examples {
		assert.True(t, known[path], "there is no command %q", path)
		for _, e := range list {
			for line := range strings.SplitSeq(e.line, "\n") {
				assert.LessOrEqual(t, length(line), 60-4, line)
			}
			_, args, ok := strings.Cut(e.line, "esock ")
			require.True(t, ok, e.line)
			args, _, _ = strings.Cut(strings.TrimSuffix(args, ")"), " | ")
			args, _, _ = strings.Cut(args, " > ")
			parser, err := newParser(io.Discard, io.Discard, func(int) {})
			require.NoError(t, err)
			_, err = parser.Parse(strings.Fields(args))
			assert.NoError(t, err, e.line)
		}
	}
}

func TestVersion(t *testing.T) {
	sourcetree.Need(t)
	header, err := os.ReadFile("../../csrc/esock.h")
	require.NoError(t, err)
	assert.Contains(t, string(header), `#define ESOCK_VERSION "`+esock.Version()+`"`)

	code, out, _ := command(t, "--version")
	assert.Equal(t, 0, code)
	assert.Equal(t, "esock "+readVersions().Esock+"\n", out)
	code, out, _ = command(t, "version")
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
	assert.Equal(t, 4+4, strings.Count(out, "\n"), out)

	code, out, _ = command(t, "i", "recv", "state", "--filter", "tcp")
	assert.Equal(t, 0, code)
	assert.Contains(t, out, "Recv State\n")
	assert.NotContains(t, out, "Domain")
	assert.Equal(t, 3+4, strings.Count(out, "\n"), out)

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

func TestDidYouMean(t *testing.T) {
	known := []string{"nodelay", "maxseg", "cork", "keepidle", "keepintvl", "keepcnt"}
	assert.Equal(t, "; did you mean nodelay?", didYouMean("nodelya", known))
	assert.Equal(t, "; did you mean nodelay?", didYouMean("NoDelay", known))
	assert.Equal(t, "; did you mean keepidle, keepintvl or keepcnt?", didYouMean("keep", known))
	assert.Equal(t, "; choose from "+strings.Join(known, ", "), didYouMean("zzzzzz", known))
	assert.Equal(t, "; did you mean tcp?", didYouMean("tpc", []string{"tcp", "udp"}), "a swap is one mistake")
	assert.Equal(t, "; choose from tcp, udp", didYouMean("", []string{"tcp", "udp"}))
}

func TestWrapAndShorten(t *testing.T) {
	assert.Equal(t, []string{"one two", "three"}, wrap("one two  three", 9))
	assert.Equal(t, []string{""}, wrap("", 9))
	assert.Equal(t, []string{"a", "0123456789", "01234 b"}, wrap("a 012345678901234 b", 10), "a long word is cut")
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
