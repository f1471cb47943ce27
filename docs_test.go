package esock

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock/internal/sourcetree"
)

// TestEveryExportedNameIsDocumented reads the packages as their users do.
func TestEveryExportedNameIsDocumented(t *testing.T) {
	sourcetree.Need(t)
	for dir, name := range map[string]string{".": "esock", "sockopt": "sockopt", "netdevice": "netdevice", "supports": "supports",
		"netconn": "netconn", "sctp": "sctp"} {
		t.Run(name, func(t *testing.T) { everyExportedNameIsDocumented(t, dir, name) })
	}
}

func everyExportedNameIsDocumented(t *testing.T, dir, name string) {
	fset := token.NewFileSet()
	pkgs, err := parser.ParseDir(fset, dir, func(f fs.FileInfo) bool {
		return !strings.HasSuffix(f.Name(), "_test.go")
	}, parser.ParseComments)
	require.NoError(t, err)
	p := doc.New(pkgs[name], "github.com/esock-go/esock/"+dir, 0)
	require.NotEmpty(t, p.Doc)

	// Error, String, MarshalJSON and the like say what they are by their names.
	plain := map[string]bool{"Error": true, "String": true, "Unwrap": true, "Is": true, "Timeout": true,
		"Temporary": true, "LogValue": true, "MarshalText": true, "UnmarshalText": true, "MarshalJSON": true, "UnmarshalJSON": true}
	check := func(kind, name, text string) {
		if ast.IsExported(name) && strings.TrimSpace(text) == "" && !plain[name] {
			t.Errorf("%s %s has no comment", kind, name)
		}
	}
	values := func(vs []*doc.Value) {
		for _, v := range vs {
			for _, spec := range v.Decl.Specs {
				s := spec.(*ast.ValueSpec)
				for _, n := range s.Names {
					check("value", n.Name, v.Doc+s.Doc.Text()+s.Comment.Text())
				}
			}
		}
	}
	funcs := func(fs []*doc.Func) {
		for _, f := range fs {
			check("function", f.Name, f.Doc)
		}
	}
	values(p.Consts)
	values(p.Vars)
	funcs(p.Funcs)
	for _, typ := range p.Types {
		check("type", typ.Name, typ.Doc)
		values(typ.Consts)
		values(typ.Vars)
		funcs(typ.Funcs)
		funcs(typ.Methods)
		fields(typ, func(field, text string) { check("field", typ.Name+"."+field, text) })
	}
}

// fields calls f for each exported field of a structure, with its comment or, failing that, that of the group it
// stands in or of the type.
func fields(typ *doc.Type, f func(name, text string)) {
	for _, spec := range typ.Decl.Specs {
		s, ok := spec.(*ast.TypeSpec).Type.(*ast.StructType)
		if !ok {
			continue
		}
		group := typ.Doc
		for _, field := range s.Fields.List {
			if text := field.Doc.Text() + field.Comment.Text(); text != "" {
				group = text
			}
			for _, n := range field.Names {
				if n.IsExported() {
					f(n.Name, group)
				}
			}
		}
	}
}

// The lines of the documents are short enough for an editor beside another window. Tables and code have their own lines, and
// what is generated has those of its generator.
func TestDocumentsHaveNoLongLines(t *testing.T) {
	sourcetree.Need(t)
	pages, err := filepath.Glob("docs/*.md")
	require.NoError(t, err)
	for _, page := range append(pages, "README.md", "CONTRIBUTING.md", "SECURITY.md") {
		b, err := os.ReadFile(page)
		require.NoError(t, err)
		code, generated, n := false, false, 0
		for line := range strings.Lines(string(b)) {
			n++
			switch {
			case strings.HasPrefix(line, "```"):
				code = !code
			case strings.HasPrefix(line, "<!--"):
				generated = !strings.HasPrefix(line, "<!-- /")
			case !code && !generated && line[0] != '|':
				assert.LessOrEqual(t, utf8.RuneCountInString(line), 141, "%s:%d", page, n)
			}
		}
	}
}
