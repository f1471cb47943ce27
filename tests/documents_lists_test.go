package tests

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock/internal/sourcetree"
)

// document is what a document names; testdata/documents/README.md describes the files.
type document struct {
	name  string // in the column "in" of the tables
	page  string // of docs/, which has the tables
	kinds map[string][]documentName
}

// documentName is a name of a kind.
type documentName struct {
	name   string
	access string   // get or set if only that is allowed
	forms  []string // which values it takes, nil if the document does not say
}

var documentFiles = []struct{ name, file, page string }{
	{"hk", "hackney_socket.txt", "gen-tcp.md"},
	{"28", "gen_tcp-28.txt", "gen-tcp.md"},
	{"26", "gen_tcp-26.txt", "gen-tcp.md"},
	{"26", "socket-26.txt", "socket.md"},
	{"22", "socket-22.txt", "socket.md"},
}

// documentPages are the pages of docs/ that have the tables.
var documentPages = []string{"gen-tcp.md", "socket.md"}

// documents reads the lists for a page.
func documents(t *testing.T, page string) (list []document) {
	t.Helper()
	sourcetree.Need(t)
	for _, f := range documentFiles {
		if f.page == page {
			b, err := os.ReadFile("testdata/documents/" + f.file)
			require.NoError(t, err)
			list = append(list, document{f.name, f.page, parseDocument(t, f.file, string(b))})
		}
	}
	require.NotEmpty(t, list)
	return list
}

func parseDocument(t *testing.T, file, text string) map[string][]documentName {
	t.Helper()
	kinds := make(map[string][]documentName)
	kind := ""
	add := func(n documentName) {
		t.Helper()
		for _, name := range eachArity(n.name) {
			n.name = name
			taken := slices.ContainsFunc(kinds[kind], func(o documentName) bool { return o.name == name })
			assert.False(t, taken, "%s has %s %s twice", file, kind, name)
			kinds[kind] = append(kinds[kind], n)
		}
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		left, right, hasForm := strings.Cut(line, " = ")
		switch {
		case line == "" || line[0] == '#':
		case line[0] == '[':
			kind = strings.Trim(line, "[]")
			require.Nil(t, kinds[kind], "%s has two lists of kind %s", file, kind)
			kinds[kind] = []documentName{}
		case hasForm:
			n := documentName{name: left, forms: strings.Split(right, " | ")}
			for _, access := range []string{"get", "set"} {
				if name, ok := strings.CutSuffix(left, " "+access); ok {
					n.name, n.access = name, access
				}
			}
			add(n)
		case line[0] == '{' || strings.Contains(line, ">="):
			add(documentName{name: line})
		default:
			for _, name := range strings.Fields(line) {
				add(documentName{name: name})
			}
		}
	}
	return kinds
}

var arities = regexp.MustCompile(`^(.+/)(\d(?:,\d)+)$`)

// eachArity makes recv/1 and recv/2 of recv/1,2.
func eachArity(name string) (names []string) {
	m := arities.FindStringSubmatch(name)
	if m == nil {
		return []string{name}
	}
	for _, n := range strings.Split(m[2], ",") {
		names = append(names, m[1]+n)
	}
	return names
}

func TestListsOfTheDocumentsAreRead(t *testing.T) {
	kinds := parseDocument(t, "a list", `
# A comment.
[function]
f/1,3 g/2
[option]
plain other
value get = default | integer() > 0
{a, B} = null | {b, c}
integer() >= 0
`)
	assert.Equal(t, map[string][]documentName{
		"function": {{name: "f/1"}, {name: "f/3"}, {name: "g/2"}},
		"option": {{name: "plain"}, {name: "other"}, {"value", "get", []string{"default", "integer() > 0"}},
			{"{a, B}", "", []string{"null", "{b, c}"}}, {name: "integer() >= 0"}},
	}, kinds)
	for _, page := range documentPages {
		for _, d := range documents(t, page) {
			for kind, names := range d.kinds {
				assert.NotEmpty(t, names, "%s of %s", kind, d.name)
			}
		}
	}
}
