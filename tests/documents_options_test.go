package tests

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock/internal/sourcetree"
	"github.com/esock-go/esock/sockopt"
)

// The rows of sockopt are made first: go generate visits that package, and the root that makes it, before this one.
//
//go:generate env ESOCK_UPDATE=1 go test -count=1 -run ^TestThe(Options|Signatures)OfThePageAreFresh$ .

// TestTheOptionsOfThePageAreFresh compares the options of docs/socket.md with the document's list and sockopt's; with
// ESOCK_UPDATE, as go generate runs it, it writes them.
func TestTheOptionsOfThePageAreFresh(t *testing.T) {
	sourcetree.Need(t)
	freshPart(t, "../docs/socket.md", "options", optionTables(t))
}

// freshPart compares what is between two marks of a page with what it should be; with ESOCK_UPDATE it writes that.
func freshPart(t *testing.T, page, name, is string) {
	t.Helper()
	begin, end := "<!-- "+name+": made by go generate -->\n", "<!-- /"+name+" -->\n"
	b, err := os.ReadFile(page)
	require.NoError(t, err)
	head, rest, ok := strings.Cut(string(b), begin)
	require.True(t, ok, "%s has no %s", page, begin)
	was, tail, ok := strings.Cut(rest, end)
	require.True(t, ok, "%s has no %s", page, end)
	if os.Getenv("ESOCK_UPDATE") == "" {
		assert.Equal(t, is, was, "%s is stale: run go generate ./...", page)
		return
	}
	require.NoError(t, os.WriteFile(page, []byte(head+begin+is+end+tail), 0o644))
}

// optionLevels are the levels of the kernel's options, in the document's order.
var optionLevels = []string{"socket", "ip", "ipv6", "tcp", "udp", "sctp"}

// optionNotes say where an option differs from the document.
var optionNotes = map[string]string{
	"socket.peek_off": "see [what differs](from-erlang.md#module-socket)",
	"socket.rcvtimeo": "a `time.Duration`; descriptors here do not block, so it has no effect on a call with a `Wait`",
	"socket.sndtimeo": "as rcvtimeo",
	"ip.tos":          "an integer with four names, read as the integer",
	"ipv6.hoplimit":   "Linux's IPV6_HOPLIMIT, which is sent; to receive it: recvhoplimit",
	"ipv6.tclass":     "an integer: the document's boolean() is that of recvtclass",
	"ipv6.pktoptions": "a list of control messages",
	"tcp.nopush":      "cork does the same on Linux",
}

func optionTables(t *testing.T) string {
	variables := optionVariables(t)
	options := slices.Collect(sockopt.All())
	docs := documents(t, "socket.md")
	var b strings.Builder
	for _, level := range optionLevels {
		kind := "option of level " + level
		fmt.Fprintf(&b, "\n### Level %s\n\n[Meaning, type and access](options.md#%s).\n\n| %s | in | value | Go | |\n"+
			"| --- | --- | --- | --- | --- |\n", level, level, kind)
		for _, n := range docs[0].kinds[kind] {
			var in []string
			for _, d := range docs {
				if slices.ContainsFunc(d.kinds[kind], func(o documentName) bool { return o.name == n.name }) {
					in = append(in, d.name)
				}
			}
			value := strings.Join(n.forms, " or ")
			if n.access != "" {
				value += ", " + n.access + " only"
			}
			name, note := "-", optionNotes[level+"."+n.name]
			row := slices.IndexFunc(options, func(o sockopt.Info) bool { return o.Level == level && o.Name == n.name })
			if row >= 0 {
				name = "`sockopt." + variables[row] + "`"
			} else {
				note = strings.TrimSuffix("only on "+strings.ReplaceAll(otherSystem(t, level, n.name), ", ", " and ")+"; "+note, "; ")
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", n.name, strings.Join(in, " "), value, name, note)
		}
	}
	return b.String() + "\n"
}

// otherSystem is where an option is that Linux does not have.
func otherSystem(t *testing.T, level, name string) string {
	for _, o := range sockopt.Others() {
		if o.Level == level && o.Name == name {
			return o.Where
		}
	}
	t.Errorf("%s.%s is neither in sockopt.All nor in sockopt.Others", level, name)
	return ""
}

// optionVariables are the names of the variables, by the position of their row in sockopt.All.
func optionVariables(t *testing.T) map[int]string {
	f, err := parser.ParseFile(token.NewFileSet(), "../sockopt/vars.go", nil, parser.SkipObjectResolution)
	require.NoError(t, err)
	names := make(map[int]string)
	ast.Inspect(f, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		literal, ok := spec.Values[0].(*ast.CompositeLit)
		if !ok || len(literal.Elts) == 0 {
			return true
		}
		if number, ok := literal.Elts[0].(*ast.BasicLit); ok {
			row, err := strconv.Atoi(number.Value)
			require.NoError(t, err)
			names[row] = spec.Names[0].Name
		}
		return true
	})
	require.Len(t, names, len(slices.Collect(sockopt.All())))
	return names
}
