package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// refusedCode is the exit code that goes with a refusal: exitFailed where the system was asked, and exitUsage where
// the arguments alone are wrong.
func refusedCode(text string) int {
	for _, asked := range []string{"(E", "cannot connect", "cannot listen", "no such file", "not a directory", "is a directory",
		"not a regular file", "already in use"} {
		if strings.Contains(text, asked) {
			return exitFailed
		}
	}
	return exitUsage
}

// What the parser says of a value that is missing, or begins with a minus, is in words of the command.
func TestParseErrors(t *testing.T) {
	for args, want := range map[string]string{
		"listen --packet":             "esock listen: --packet: needs a value; write one that begins with a minus as --packet=-…",
		"packet decode --hex":         "esock packet decode: --hex: needs a value; write one that begins with a minus as --hex=-…",
		"opt set socket rcvbuf -5":    "esock opt set: there is no flag -5; put -- before an argument that begins with a minus",
		"opt set socket rcvbuf -.5":   "esock opt set: there is no flag -.; put -- before an argument that begins with a minus",
		"opt set socket rcvbuf -q":    "esock opt set: unknown flag -q",
		`listen --packet "raw","0"`:   `esock listen: --packet must be one of "raw", "0", "1", `,
		"completion fihs":             `esock completion: <shell> must be one of "bash", "zsh", "fish" but got "fihs"`,
		"help serve extra":            `esock help: esock serve has no commands, and so no "extra"`,
		"help opt get tcp":            `esock help: esock opt get has no commands, and so no "tcp"`,
		"help opt got":                `esock: there is no command "got"; did you mean get?`,
		"opt set socket rcvbuf -- -q": `esock opt set: socket.rcvbuf cannot be set to -q: not an integer`,
	} {
		_, errs := said(t, exitUsage, strings.Fields(args)...)
		assert.True(t, strings.HasPrefix(errs, want), "%s: %s", args, errs)
		assert.NotContains(t, errs, "EOL")
	}
	text, _ := said(t, exitOK, "opt", "set", "ip", "ttl", "--", "-1")
	assert.Contains(t, text, "-1")
}

// A protocol alone says which type of socket it is of.
func TestOptProtocolSaysTheType(t *testing.T) {
	for protocol, want := range map[string]string{"udp": "inet, dgram, udp", "tcp": "inet, stream, tcp"} {
		text, _ := said(t, exitOK, "opt", "get", "socket", "mark", "--protocol", protocol)
		assert.Contains(t, text, want)
	}
	for protocol, want := range map[string]string{"raw": "inet, raw, raw", "icmp": "inet, raw, icmp", "ipv6-icmp": "inet6, raw, ipv6-icmp"} {
		code, text, errs := command(t, "opt", "get", "socket", "type", "--protocol", protocol)
		if code == exitOK {
			assert.Contains(t, text, want)
			continue
		}
		assert.Contains(t, errs, "cannot open a socket of "+want, "the privilege for it is missing")
	}
}

func TestLevelOTP(t *testing.T) {
	text, _ := said(t, exitOK, "options", "--level", "otp")
	assert.Contains(t, text, "rcvbuf")
	assert.Contains(t, text, "12 options")
	text, _ = said(t, exitOK, "options", "--level", "otp", "--json")
	var rows []optionRow
	require.NoError(t, json.Unmarshal([]byte(text), &rows))
	require.Len(t, rows, len(otpOptions))
	for _, r := range rows {
		assert.NotEmpty(t, r.Doc, r.Name)
		assert.NotEmpty(t, r.Type, r.Name)
	}
	said(t, exitUsage, "options", "--level", "otp", "--probe")
	for args, want := range map[string]string{
		"rcvbuf 4,100":    `takes SIZE, COUNT:SIZE, or default, not "4,100"`,
		"rcvctrlbuf 4:10": `takes SIZE, or default, not "4:10"`,
		"rcvbuf 0":        "it takes a size from 1",
	} {
		_, errs := said(t, exitUsage, append([]string{"opt", "set", "otp"}, strings.Fields(args)...)...)
		assert.Contains(t, errs, want)
	}
	text, _ = said(t, exitOK, "opt", "set", "otp", "rcvbuf", "4:100")
	assert.Contains(t, text, "n 4, size 100")
	assert.Contains(t, text, "COUNT:SIZE")
	for _, v := range []string{"default", "77"} {
		said(t, exitOK, "opt", "set", "otp", "sndctrlbuf", v)
	}
}
