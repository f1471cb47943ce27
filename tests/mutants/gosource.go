package main

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// All mutants of a Go file are compiled into one binary, each behind a comparison of a variable with its number: building
// takes ten times as long as most mutants live. switchFile declares the variable.
const switchFile = `package esock

import (
	"os"
	"strconv"
	"syscall"
)

// zzMutant is the number of the mutant that is alive, 0: none.
var zzMutant, _ = strconv.Atoi(os.Getenv("` + variable + `"))

// zzReached is a file that says which mutants the program reaches, nil if it is not asked for.
var zzReached = zzMap(os.Getenv("` + reachedVariable + `"))

func zzMap(file string) []byte {
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		return nil
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil
	}
	b, _ := syscall.Mmap(int(f.Fd()), 0, int(info.Size()), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	return b
}

// zzIs says whether the mutant n is alive.
func zzIs(n int) bool {
	if zzReached != nil {
		zzReached[n] = 1
	}
	return zzMutant == n
}

func zzPick[T any](n int, mutated, original T) T {
	if zzIs(n) {
		return mutated
	}
	return original
}
`

// wrap puts text around a part of the source, so that one mutant is switched.
type wrap struct {
	m              *mutant
	start, end     int
	prefix, suffix string // # is the mutant's number
	fragile        bool   // it may not compile: the types of constants are not looked at
}

// goFile is a Go file and its mutants.
type goFile struct {
	path  string // from the root
	src   []byte
	wraps []wrap
}

// goMutants makes the mutants of a Go file.
func goMutants(root, path string) (*goFile, error) {
	src, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		return nil, err
	}
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, path, src, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	g := &goWalk{goFile: &goFile{path: path, src: src}, file: fset.File(f.Pos())}
	for _, d := range f.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Body != nil {
			g.fn = funcName(fn)
			g.walk(fn.Body)
		}
	}
	return g.goFile, nil
}

func funcName(fn *ast.FuncDecl) string {
	if fn.Recv == nil || len(fn.Recv.List) == 0 {
		return fn.Name.Name
	}
	t := fn.Recv.List[0].Type
	if star, ok := t.(*ast.StarExpr); ok {
		t = star.X
	}
	if id, ok := t.(*ast.Ident); ok {
		return id.Name + "." + fn.Name.Name
	}
	return fn.Name.Name
}

type goWalk struct {
	*goFile
	file *token.File
	fn   string
}

func (g *goWalk) span(n ast.Node) (start, end int) {
	return g.file.Offset(n.Pos()), g.file.Offset(n.End())
}

func (g *goWalk) text(n ast.Node) string {
	start, end := g.span(n)
	return string(g.src[start:end])
}

// hash stands for the number in a wrap. It is no token of Go.
const hash = "#"

// add makes a mutant: what is in n's place becomes mutated.
func (g *goWalk) add(n ast.Node, mutated, prefix, suffix string) *wrap {
	start, end := g.span(n)
	m := newMutant(g.path, g.src, g.fn, start, end, mutated)
	g.wraps = append(g.wraps, wrap{m: m, start: start, end: end, prefix: prefix, suffix: suffix})
	return &g.wraps[len(g.wraps)-1]
}

// condition makes mutants of a decision.
func (g *goWalk) condition(e ast.Expr, loop bool) {
	if e == nil {
		return
	}
	g.add(e, "false", "(!zzIs(#) && (", "))")
	if !loop { // a loop without end proves little
		g.add(e, "true", "(zzIs(#) || (", "))")
	}
}

func (g *goWalk) walk(root ast.Node) {
	ast.Inspect(root, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BlockStmt:
			g.statements(n.List)
		case *ast.CaseClause:
			g.statements(n.Body)
		case *ast.CommClause:
			g.statements(n.Body)
		case *ast.IfStmt:
			g.condition(n.Cond, false)
		case *ast.ForStmt:
			g.condition(n.Cond, true)
		case *ast.SwitchStmt:
			if n.Tag == nil {
				for _, c := range n.Body.List {
					for _, e := range c.(*ast.CaseClause).List {
						g.condition(e, false)
					}
				}
			}
		case *ast.BinaryExpr:
			g.binary(n)
		case *ast.BasicLit:
			g.literal(n)
		case *ast.Ident:
			if n.Name == "true" {
				g.add(n, "false", "(zzIs(#) != ", ")")
			} else if n.Name == "false" {
				g.add(n, "true", "(zzIs(#) != ", ")")
			}
		case *ast.GenDecl:
			return n.Tok == token.VAR // constants, types
		case *ast.ArrayType, *ast.TypeSwitchStmt:
			if t, ok := n.(*ast.TypeSwitchStmt); ok {
				g.walk(t.Body)
			}
			return false
		}
		return true
	})
}

// statements makes the mutants that leave one out.
func (g *goWalk) statements(list []ast.Stmt) {
	for _, s := range list {
		switch s := s.(type) {
		case *ast.ExprStmt:
			if call, ok := s.X.(*ast.CallExpr); ok {
				if id, ok := call.Fun.(*ast.Ident); ok && id.Name == "panic" {
					continue
				}
			}
		case *ast.AssignStmt:
			if s.Tok == token.DEFINE {
				continue
			}
			if id, ok := s.Lhs[0].(*ast.Ident); ok && id.Name == "_" && len(s.Lhs) == 1 {
				continue
			}
		case *ast.IncDecStmt, *ast.SendStmt, *ast.DeferStmt, *ast.GoStmt:
		case *ast.BranchStmt:
			if s.Tok == token.FALLTHROUGH || s.Tok == token.GOTO {
				continue
			}
		default:
			continue
		}
		g.add(s, "", "if !zzIs(#) { ", " }")
	}
}

var otherOperator = map[token.Token]string{
	token.LSS: "<=", token.LEQ: "<", token.GTR: ">=", token.GEQ: ">", token.EQL: "!=", token.NEQ: "==",
	token.ADD: "-", token.SUB: "+", token.AND: "|", token.OR: "&", token.AND_NOT: "&", token.MUL: "+", token.SHL: ">>", token.SHR: "<<",
}

func (g *goWalk) binary(e *ast.BinaryExpr) {
	x, y := g.text(e.X), g.text(e.Y)
	switch e.Op {
	case token.LAND: // without the one, or the other
		g.add(e.X, "true", "(zzIs(#) || ", ")")
		g.add(e.Y, "true", "(zzIs(#) || ", ")")
		return
	case token.LOR:
		g.add(e.X, "false", "(!zzIs(#) && ", ")")
		g.add(e.Y, "false", "(!zzIs(#) && ", ")")
		return
	}
	op, ok := otherOperator[e.Op]
	if !ok || strings.Contains(x+y, "\n") {
		return
	}
	mutated := fmt.Sprintf("%s %s %s", x, op, y)
	switch e.Op {
	case token.LSS, token.LEQ, token.GTR, token.GEQ, token.EQL, token.NEQ:
		g.add(e, mutated, "(zzIs(#) && ("+mutated+") || !zzIs(#) && (", "))")
		return
	}
	if !calls(e) { // both are computed
		g.add(e, mutated, "zzPick(#, "+mutated+", ", ")").fragile = true
	}
}

// literal makes the mutants of an integer.
func (g *goWalk) literal(l *ast.BasicLit) {
	n, err := strconv.ParseInt(l.Value, 0, 32)
	if l.Kind != token.INT || err != nil {
		return
	}
	mutated := strconv.FormatInt(n+1, 10)
	g.add(l, mutated, "zzPick(#, "+mutated+", ", ")").fragile = true
	if n == 1 {
		g.add(l, "0", "zzPick(#, 0, ", ")").fragile = true
	}
}

func calls(e ast.Expr) (found bool) {
	ast.Inspect(e, func(n ast.Node) bool {
		if c, ok := n.(*ast.CallExpr); ok {
			id, named := c.Fun.(*ast.Ident)
			found = found || !named || !slices.Contains([]string{"len", "cap", "min", "max", "int", "int64", "uint32", "uint64"}, id.Name)
		}
		return !found
	})
	return found
}

// render is the source with all its mutants in it, line by line where it was.
func (f *goFile) render() []byte {
	opens, closes := map[int][]*wrap{}, map[int][]*wrap{}
	for i := range f.wraps {
		w := &f.wraps[i]
		opens[w.start] = append(opens[w.start], w)
		closes[w.end] = append(closes[w.end], w)
	}
	at := func(w *wrap) int { return slices.IndexFunc(f.wraps, func(x wrap) bool { return x.m == w.m }) }
	for _, list := range opens { // the outermost first
		slices.SortStableFunc(list, func(a, b *wrap) int { return cmp.Or(cmp.Compare(b.end, a.end), cmp.Compare(at(a), at(b))) })
	}
	for _, list := range closes { // the innermost first
		slices.SortStableFunc(list, func(a, b *wrap) int { return cmp.Or(cmp.Compare(b.start, a.start), cmp.Compare(at(b), at(a))) })
	}
	var out []byte
	for i := 0; i <= len(f.src); i++ {
		for _, w := range closes[i] {
			out = append(out, w.suffix...)
		}
		for _, w := range opens[i] {
			out = append(out, number(w.prefix, w.m.id)...)
		}
		if i < len(f.src) {
			out = append(out, f.src[i])
		}
	}
	return out
}

// number puts n where # stands.
func number(format string, n int) string { return strings.ReplaceAll(format, hash, strconv.Itoa(n)) }

// drop forgets mutants on a line that does not compile: the fragile ones, or else all. It returns them.
func (f *goFile) drop(line int) (dropped []*mutant) {
	for _, fragile := range []bool{true, false} {
		f.wraps = slices.DeleteFunc(f.wraps, func(w wrap) bool {
			first, last := lineOf(f.src, w.start), lineOf(f.src, w.end)
			hit := first <= line && line <= last && first == w.m.line && (!fragile || w.fragile)
			if hit && (w.fragile || last-first < 3) {
				dropped = append(dropped, w.m)
				return true
			}
			return false
		})
		if len(dropped) > 0 {
			break
		}
	}
	return dropped
}
