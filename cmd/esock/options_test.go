package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/esock-go/esock/internal/machine"
	"github.com/esock-go/esock/sockopt"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func readable(t *testing.T, text string) {
	t.Helper()
	fits(t, text, proseWidth)
}

func fits(t *testing.T, text string, width int) {
	t.Helper()
	for l := range strings.SplitSeq(text, "\n") {
		assert.LessOrEqual(t, utf8.RuneCountInString(l), width, l)
		assert.Equal(t, strings.TrimRight(l, " "), l)
	}
}

func TestOptionsListsEveryRow(t *testing.T) {
	code, out, errs := command(t, "options", "--json")
	require.Equal(t, 0, code, errs)
	var rows []optionRow
	require.NoError(t, json.Unmarshal([]byte(out), &rows))
	assert.GreaterOrEqual(t, len(rows), 200)
	i := 0
	for o := range sockopt.All() {
		assert.Equal(t, newOptionRow(o), rows[i])
		assert.Regexp(t, `^(r|w|rw|a|aw)$`, rows[i].Access)
		i++
	}
	assert.Len(t, rows, i)

	code, out, _ = command(t, "options")
	assert.Equal(t, 0, code)
	readable(t, out)
	assert.Equal(t, len(rows)+5, strings.Count(out, "\n"))
	assert.Contains(t, out, "tcp     nodelay                bool                 rw 2.2    TCP_NODELAY\n")

	code, out, _ = command(t, "options", "--level", "udp")
	assert.Equal(t, 0, code)
	assert.NotContains(t, out, "SO_")
	assert.Contains(t, out, "UDP_SEGMENT")
	code, out, errs = command(t, "options", "--level", "upd")
	assert.Equal(t, exitUsage, code)
	assert.Empty(t, out)
	assert.Equal(t, "esock options: there is no level \"upd\" with options by name; did you mean udp?\n", errs)
}

func TestOptionsProbe(t *testing.T) {
	code, out, errs := command(t, "options", "--probe")
	require.Equal(t, 0, code, errs)
	fits(t, out, 22+5*len(sockopt.AllKinds())) // what no terminal shows is not broken: a name, and a column for each kind
	assert.Regexp(t, `(?m)^keepalive +ok `, out)
	lines := strings.Join(strings.Fields(out[strings.LastIndex(out, "\n\n"):]), " ")
	assert.Regexp(t, `^\d+ options: \d+ round-trip here, \d+ were only read, \d+ only set; \d+ need a privilege, \d+ a peer or `+
		`another state; this kernel lacks \d+: \d+ by themselves, \d+ with their kind of socket`, lines)

	code, out, errs = command(t, "options", "--probe", "--json", "--level", "tcp")
	require.Equal(t, 0, code, errs)
	var rows []optionRow
	require.NoError(t, json.Unmarshal([]byte(out), &rows))
	require.Equal(t, "nodelay", rows[0].Name)
	assert.Equal(t, "round-trips", rows[0].Result)
	assert.Equal(t, optionAnswer{Result: "round-trips"}, rows[0].Answers["tcp4"])
	for _, r := range rows {
		assert.Len(t, r.Answers, len(r.Kinds), r.Name)
	}

	assert.Contains(t, strings.Join(summary(&output{}, []sockopt.Probe{{Result: sockopt.ProbeDiffers}}), " "),
		"1 did something else.")
	assert.Empty(t, reasons(&output{}, []sockopt.Probe{{Result: sockopt.ProbeReads}}))
}

// sampleText is the sample of a row, as typed on a command line.
func sampleText(o sockopt.Info) string {
	text, _, _ := strings.Cut(o.Sample, ">")
	if text == "" {
		return "true"
	}
	return text
}

// Every option that works here works from the command line, and its value, as JSON shows it, can be given back.
func TestOptTakesAndPrintsTheValuesOfEveryRow(t *testing.T) {
	for o := range sockopt.All() {
		if p := o.Probe(); p.Result != sockopt.ProbeRoundTrips || p.Answers[0].Result != p.Result {
			continue
		}
		args := []string{"opt", "set", o.Level, o.Name, "--json"}
		if !o.CanSet {
			args = []string{"opt", "get", o.Level, o.Name, "--json", "--ask", sampleText(o)}
		} else {
			args = append(args, "--", sampleText(o))
		}
		code, out, errs := command(t, args...)
		if !assert.Equal(t, 0, code, "%v: %s", args, errs) || !o.CanSet {
			continue
		}
		var doc struct{ Set, Value json.RawMessage }
		require.NoError(t, json.Unmarshal([]byte(out), &doc))
		assert.NotEqual(t, "null", string(doc.Value), out)
		if doc.Set[0] != '{' && doc.Set[0] != '[' {
			continue
		}
		args[len(args)-1] = string(doc.Set)
		code, again, errs := command(t, args...)
		assert.Equal(t, 0, code, "%v: %s", args, errs)
		var second struct{ Value json.RawMessage }
		require.NoError(t, json.Unmarshal([]byte(again), &second), again)
		assert.JSONEq(t, string(doc.Value), string(second.Value), "%v", args)
	}
}

func TestOptStructures(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"set", "ip", "multicast_if", "127.0.0.1"}, `"127.0.0.1"`},
		{[]string{"set", "ip", "add_membership", `{"multiaddr": "239.1.2.3", "interface": "127.0.0.1"}`}, `null`},
		{[]string{"set", "socket", "attach_filter", `[{"code": 6, "k": 9}]`}, `[{"code": 6, "jt": 0, "jf": 0, "k": 9}]`},
		{[]string{"set", "socket", "linger", `{"onoff": true, "linger": 3}`}, `{"onoff": true, "linger": 3}`},
		{[]string{"set", "socket", "linger", "onoff=true,linger=4"}, `{"onoff": true, "linger": 4}`},
		{[]string{"set", "tcp", "fastopen_key", "000102030405060708090a0b0c0d0e0f"}, `"000102030405060708090a0b0c0d0e0f"`},
		{[]string{"set", "tcp", "keepidle", "2m"}, `120`},
		{[]string{"set", "tcp", "user_timeout", "1500us"}, `2`},
		{[]string{"set", "socket", "max_pacing_rate", "12345678901"}, `12345678901`},
		{[]string{"get", "tcp", "info", "--domain", "inet6"}, ``},
		{[]string{"get", "packet", "hdrlen", "--ask", "2"}, `48`},
		{[]string{"get", "packet", "hdrlen"}, `32`},
	} {
		if slices.Contains(c.args, "inet6") && !machine.IPv6 {
			continue
		}
		code, out, errs := command(t, append(append([]string{"opt"}, c.args...), "--json")...)
		if strings.Contains(errs, "EPERM") {
			continue // packet sockets
		}
		if !assert.Equal(t, 0, code, "%v: %s", c.args, errs) || c.want == "" {
			continue
		}
		var doc struct{ Value json.RawMessage }
		require.NoError(t, json.Unmarshal([]byte(out), &doc))
		assert.JSONEq(t, c.want, string(doc.Value), "%v", c.args)
	}

	code, out, _ := command(t, "opt", "get", "tcp", "info")
	assert.Equal(t, 0, code)
	// Where a line is wrapped depends on times that the kernel counts from its start.
	assert.Contains(t, strings.Join(strings.Fields(out), " "), " snd_mss 536,")
	readable(t, out)
	assert.Equal(t, "a 1, b {c 0x01}", valueText(shown(map[string]any{"a": 1, "b": map[string]any{"c": []byte{1}}})))
	assert.Equal(t, "an empty list", valueText([]any{}))
	assert.Equal(t, "1, {2, 3}", valueText([]any{1, []any{2, 3}}))
	assert.Equal(t, uint64(1<<63), fromJSON(json.Number(fmt.Sprint(uint64(1<<63)))))
	assert.Equal(t, "0xzz", fromJSON("0xzz"))

	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"set", "ip", "add_membership", "239.1.2.3"},
			`ip.add_membership takes a structure, as JSON or field=value,field=value, not "239.1.2.3"`},
		{[]string{"set", "ip", "add_membership", `{"multiaddr"`}, `the value of ip.add_membership is not JSON: unexpected EOF`},
		{[]string{"set", "ip", "add_membership", `{} {}`}, `the value of ip.add_membership is more than one JSON value`},
		{[]string{"set", "socket", "attach_filter", `[{"code": 1.5}]`},
			`socket.attach_filter cannot be set to [{"code": 1.5}]: code: not an integer`},
		{[]string{"set", "tcp", "fastopen_key", "0x0"}, `tcp.fastopen_key takes bytes, in hexadecimal digits, not "0x0"`},
		{[]string{"get", "tcp", "nodelay", "--ask", "1"}, `tcp.nodelay does not take a value when it is read`},
		{[]string{"get", "tcp", "nodelay", "--domain", "local"},
			`tcp.nodelay cannot be read: operation not supported (ENOTSUP): tcp.nodelay is for sockets of kind tcp4,`},
	} {
		code, out, errs := command(t, append([]string{"opt"}, c.args...)...)
		assert.Equal(t, refusedCode(c.want), code, c.args)
		assert.Empty(t, out)
		assert.Contains(t, errs, "esock opt "+c.args[0]+": "+c.want)
	}
}
