package tests

import (
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock/internal/sourcetree"
)

// TestTheSignaturesOfThePageAreFresh compares the declarations below the table of functions of docs/socket.md with those of the
// code; with ESOCK_UPDATE, as go generate runs it, it writes them.
func TestTheSignaturesOfThePageAreFresh(t *testing.T) {
	sourcetree.Need(t)
	const page = "../docs/socket.md"
	b, err := os.ReadFile(page)
	require.NoError(t, err)
	_, table, ok := strings.Cut(string(b), "| function |")
	require.True(t, ok)
	table, _, _ = strings.Cut(table, "\n\n")
	signatures := functionSignatures(t)
	var lines []string
	for row := range strings.Lines(table) {
		cells := strings.Split(row, "|")
		for _, span := range codeSpan.FindAllStringSubmatch(cells[len(cells)-3], -1) {
			line, known := signatures[span[1]]
			assert.True(t, known, "%s is no function", span[1])
			if !slices.Contains(lines, line) {
				lines = append(lines, line)
			}
		}
	}
	freshPart(t, page, "signatures", "```go\n"+strings.Join(lines, "\n")+"\n```\n")
}

// functionSignatures are the declarations of the packages' functions and methods by their names: "esock.Open",
// "esock.Socket.Bind". The name of a package is in front of its functions.
func functionSignatures(t *testing.T) map[string]string {
	signatures := make(map[string]string)
	for name, dir := range directories {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		require.NoError(t, err)
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			set := token.NewFileSet()
			f, err := parser.ParseFile(set, file, nil, parser.SkipObjectResolution)
			require.NoError(t, err)
			for _, d := range f.Decls {
				fn, ok := d.(*ast.FuncDecl)
				if !ok || !fn.Name.IsExported() {
					continue
				}
				var b strings.Builder
				require.NoError(t, printer.Fprint(&b, set, &ast.FuncDecl{Recv: fn.Recv, Name: fn.Name, Type: fn.Type}))
				text := strings.Join(strings.Fields(b.String()), " ")
				if fn.Recv == nil {
					text = strings.Replace(text, "func ", "func "+name+".", 1)
				} else if name != "esock" {
					text += " // package " + name
				}
				signatures[name+"."+declared(fn)[0]] = text
			}
		}
	}
	return signatures
}
