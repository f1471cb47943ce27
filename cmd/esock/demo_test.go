package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/esock-go/esock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// command runs the command.
func command(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(args, &out, &errs)
	return code, out.String(), errs.String()
}

// textFile makes a file to send.
func textFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "README.md")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func sha(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	return lines[len(lines)-1]
}

// document is the JSON of the demonstration, as a reader would declare it.
type document struct {
	OK       bool
	Failed   string
	File     string
	Versions map[string]string
	Steps    []struct {
		Name, Title, Text, Skipped, Failed string
		Calls                              []struct{ Who, Call, Result string }
		Facts                              map[string]any
		Tables                             map[string][]map[string]any
	}
}

const readme = "# A title\n\nWhat a file to send may have in it.\n"

func TestDemoText(t *testing.T) {
	code, out, errs := command(t, "demo", textFile(t, strings.Repeat(readme, 50000)))
	require.Equal(t, 0, code, out)
	assert.Empty(t, errs)
	assert.Equal(t, "demo: ok", lastLine(out))
	for _, s := range []string{
		"Echo over TCP, IPv4", "Echo over TCP, IPv6", "Echo over a unix socket", "Datagrams over UDP, IPv4",
		"selected", "cancelled", "passed", "TTL()", "PktInfo4()", "SelectMsg", "no message", "Rights(",
		"100%", sha(strings.Repeat(readme, 50000)), "Local Address", "sendfile", "yes",
	} {
		assert.Contains(t, out, s)
	}
	assert.NotContains(t, out, "\x1b", "no colours without a terminal")
	assert.NotContains(t, out, "\r")
	for line := range strings.Lines(out) {
		assert.LessOrEqual(t, utf8.RuneCountInString(strings.TrimSuffix(line, "\n")), proseWidth, line)
	}
	assert.Zero(t, esock.NumberOf(), "all sockets are closed")
}

func TestDemoJSON(t *testing.T) {
	path := textFile(t, readme)
	code, out, errs := command(t, "demo", "--json", path)
	require.Equal(t, 0, code, out+errs)
	var doc document
	require.NoError(t, json.Unmarshal([]byte(out), &doc))
	assert.True(t, doc.OK)
	assert.Equal(t, path, doc.File)
	assert.Equal(t, esock.Version(), doc.Versions["core"])

	step := map[string]int{}
	for i, s := range doc.Steps {
		assert.Empty(t, s.Failed)
		step[s.Name] = i
	}
	require.Len(t, step, 11)
	facts := func(name string) map[string]any { return doc.Steps[step[name]].Facts }
	for _, name := range []string{"echo_tcp4", "echo_tcp6", "echo_unix"} {
		if doc.Steps[step[name]].Skipped != "" {
			continue
		}
		assert.Equal(t, "hello", facts(name)["answer"], name)
		var client []string
		for _, c := range doc.Steps[step[name]].Calls {
			if c.Who == "client" {
				verb, _, _ := strings.Cut(strings.ReplaceAll(c.Call, "(", " "), " ")
				client = append(client, verb)
			}
		}
		assert.Equal(t, []string{"open", "connect", "send", "shutdown", "recv", "close"}, client)
	}
	assert.EqualValues(t, sentHops, facts("datagrams_udp4")["ttl"])
	assert.Equal(t, "127.0.0.1", facts("datagrams_udp4")["pktinfo4"].(map[string]any)["addr"])
	if doc.Steps[step["datagrams_udp6"]].Skipped == "" {
		assert.EqualValues(t, sentHops, facts("datagrams_udp6")["hoplimit"])
	}
	assert.Equal(t, "now there is data", facts("selected")["data"])
	assert.EqualValues(t, 0, facts("cancelled")["messages"])
	assert.EqualValues(t, os.Getpid(), facts("descriptor")["credentials"].(map[string]any)["pid"])
	assert.Equal(t, sha(readme), facts("sendfile")["sha256_of_file"])
	assert.Equal(t, sha(readme), facts("sendfile")["sha256_received"])
	assert.Equal(t, true, facts("sendfile")["equal"])
	assert.EqualValues(t, len(readme), facts("sendfile")["size"])

	table := doc.Steps[step["sockets"]].Tables["i"]
	require.NotEmpty(t, table)
	states := ""
	for _, row := range table {
		assert.Len(t, row, len(esock.TableColumns()))
		states += row["state"].(string) + " "
	}
	assert.Contains(t, states, "BD:LG")
	assert.Contains(t, states, "CD")

	counters := doc.Steps[step["counters"]].Tables
	all := counters["read_write"]
	assert.EqualValues(t, len(all), facts("counters")["took_part"])
	sent := map[string]any{}
	for _, row := range all {
		sent[row["role"].(string)] = row["write_byte"]
	}
	assert.EqualValues(t, 5, sent["tcp4 client"])
	assert.EqualValues(t, 5, sent["unix server"])
	assert.EqualValues(t, len(readme), counters["sendfile"][0]["sendfile_byte"])
	assert.EqualValues(t, 1, counters["accept"][0]["acc_success"])
}

func TestDemoSendsItsOwnBinary(t *testing.T) {
	code, out, _ := command(t, "demo")
	require.Equal(t, 0, code, out)
	self, err := os.Executable()
	require.NoError(t, err)
	assert.Contains(t, out, filepath.Base(self))
}

func TestDemoOfAnEmptyFile(t *testing.T) {
	code, out, _ := command(t, "demo", textFile(t, ""))
	require.Equal(t, 0, code, out)
	assert.Contains(t, out, "the file is empty")
	assert.Contains(t, out, sha(""))
}

func TestDemoFails(t *testing.T) {
	for _, c := range []struct{ name, file, want string }{
		{"missing", filepath.Join(t.TempDir(), "none"), "no such file"},
		{"directory", t.TempDir(), "is a directory"},
		{"device", os.DevNull, "not a regular file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, out, errs := command(t, "demo", c.file)
			assert.Equal(t, 1, code)
			assert.Empty(t, errs)
			assert.Regexp(t, "^demo: failed: .*"+c.want, lastLine(out))

			code, out, _ = command(t, "demo", "--json", c.file)
			assert.Equal(t, 1, code)
			var doc document
			require.NoError(t, json.Unmarshal([]byte(out), &doc))
			assert.False(t, doc.OK)
			assert.Contains(t, doc.Failed, c.want)
		})
	}
}

// aDemo is a demonstration whose steps a test takes one by one.
func aDemo(t *testing.T, text string) (*demo, *bytes.Buffer) {
	t.Helper()
	var b bytes.Buffer
	d := &demo{report: newReport(&output{Writer: &b}, false), path: textFile(t, text)}
	require.NoError(t, d.openFile())
	t.Cleanup(func() { d.close() })
	return d, &b
}

func TestDemoWithoutIPv6(t *testing.T) {
	d, out := aDemo(t, readme)
	d.ipv6 = &esock.Error{Op: "open", Reason: errors.New("address family not supported by protocol")}
	require.NoError(t, d.echoTCP6())
	require.NoError(t, d.datagrams6())
	assert.Equal(t, 2, strings.Count(out.String(), "skipped: this machine has no IPv6 (open: address family"))
	for _, st := range d.Steps {
		assert.NotEmpty(t, st.Skipped)
	}
	assert.Empty(t, d.took)
}

func TestDemoOfAFileThatShrinks(t *testing.T) {
	d, _ := aDemo(t, readme)
	d.size++
	assert.ErrorContains(t, d.sendFile(), "the file became shorter")
}

// A step that fails is named in the last line and in its JSON, and the ones after it are left out.
func TestDemoStepFails(t *testing.T) {
	d, _ := aDemo(t, readme)
	d.steps = []func() error{
		func() error { d.step("one", "The first", "It works."); return nil },
		func() error { d.step("two", "The second", "It does not."); return errors.New("esock: out of luck") },
		func() error { d.step("three", "The third", "Nobody sees it."); return nil },
	}
	assert.EqualError(t, d.run(), "The second: out of luck")
	require.Len(t, d.Steps, 2)
	assert.Equal(t, "out of luck", d.Steps[1].Failed)
}

func TestFirstError(t *testing.T) {
	cause := errors.New("cause")
	assert.NoError(t, firstError(nil, nil))
	assert.Equal(t, cause, firstError(esock.ErrTimeout, cause))
	assert.Equal(t, esock.ErrTimeout, firstError(nil, esock.ErrTimeout))
}

func TestProgressOnATerminal(t *testing.T) {
	var b bytes.Buffer
	st := newReport(&output{Writer: &b, terminal: true}, false).step("s", "T", "T.")
	b.Reset()
	p := newProgress(st, 100)
	p.at(1)
	p.at(2) // too soon to be drawn
	p.at(100)
	p.done()
	assert.Equal(t, 2, strings.Count(b.String(), "\r"))
	assert.Contains(t, b.String(), "100%")
	assert.True(t, strings.HasSuffix(b.String(), "\n"))
}

func TestBoldOnATerminalOnly(t *testing.T) {
	t.Setenv("NO_COLOR", "")
	t.Setenv("TERM", "xterm")
	assert.Equal(t, "\x1b[1mx\x1b[0m", (&output{terminal: true}).bold("x"))
	assert.Equal(t, "x", (&output{}).bold("x"))
	t.Setenv("NO_COLOR", "1")
	assert.Equal(t, "x", (&output{terminal: true}).bold("x"))
}
