// Package zerocall calls all that a package exports with zero values and nil pointers, in tests: nothing may panic, or
// wait for ever.
package zerocall

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"reflect"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"
)

// Package is a package under test.
type Package struct {
	// Source is where its .go files are: what they export must be among Types, Values and Funcs, so that a new name
	// cannot escape. Embedded, it is there wherever the test runs.
	Source fs.FS
	// Types has a value of each exported type, and (*I)(nil) of an interface.
	Types []any
	// Values has the exported variables and constants whose methods are called beside those of zero values.
	Values map[string]any
	// Funcs has the exported functions by name.
	Funcs map[string]any
	// Args gives an argument other than the zero value: for the one of the function or "Type.Method", by its place from
	// 0. nil: none does.
	Args map[string]map[int]any
	// After looks at the results of each call. It may be nil.
	After func(name string, results []reflect.Value)
}

// Run makes the calls.
func (p Package) Run(t *testing.T) {
	p.complete(t)
	for name, f := range p.Funcs {
		p.call(t, name, name, reflect.ValueOf(f))
	}
	for _, v := range p.Types {
		typ := reflect.TypeOf(v)
		if typ.Kind() == reflect.Pointer && typ.Elem().Kind() == reflect.Interface {
			continue
		}
		p.methods(t, typ.Name(), "zero", reflect.Zero(typ))
		p.methods(t, typ.Name(), "pointer to zero", reflect.New(typ))
		p.methods(t, typ.Name(), "nil", reflect.Zero(reflect.PointerTo(typ)))
	}
	for name, v := range p.Values {
		p.methods(t, reflect.TypeOf(v).Name(), name, reflect.ValueOf(v))
	}
}

// methods calls those of a value.
func (p Package) methods(t *testing.T, typ, which string, v reflect.Value) {
	for i := range v.NumMethod() {
		name := v.Type().Method(i).Name
		if v.Kind() == reflect.Pointer && v.IsNil() {
			// A method of the value cannot be called through a nil pointer: Go does not get as far as the method.
			if _, ofValue := v.Type().Elem().MethodByName(name); ofValue {
				continue
			}
		}
		p.call(t, typ+"."+name, name+" of "+which+" "+v.Type().String(), v.Method(i))
	}
}

// patience is how long a call may take that does nothing.
const patience = 30 * time.Second

// call calls f with zero arguments; one that takes any number gets none, and one. A parameter that is an interface also gets
// nil pointers to the package's types that have its methods.
func (p Package) call(t *testing.T, name, shown string, f reflect.Value) {
	if f.Kind() != reflect.Func {
		t.Errorf("%s is no function", name)
		return
	}
	lists := [][]reflect.Value{nil}
	for i := range f.Type().NumIn() {
		in := f.Type().In(i)
		one := reflect.Zero(in)
		if f.Type().IsVariadic() && i == f.Type().NumIn()-1 {
			one = reflect.Zero(in.Elem())
			lists = append(lists, append(slices.Clone(lists[0]), one))
			for _, null := range p.nilPointers(in.Elem()) {
				lists = append(lists, append(slices.Clone(lists[0]), null))
			}
			break
		}
		if given, ok := p.Args[name][i]; ok {
			one = reflect.ValueOf(given)
		}
		for i := range lists {
			lists[i] = append(lists[i], one)
		}
		for _, null := range p.nilPointers(in) {
			lists = append(lists, append(slices.Clone(lists[0][:i]), null))
		}
	}
	for _, args := range lists {
		done := make(chan string, 1)
		go func() {
			said := fmt.Sprintf("%s: it ended its goroutine", shown)
			defer func() { done <- said }()
			defer func() {
				if r := recover(); r != nil {
					said = fmt.Sprintf("%s panicked: %v\n%s", shown, r, debug.Stack())
				}
			}()
			results := f.Call(args)
			if p.After != nil {
				p.After(name, results)
			}
			for _, r := range results {
				look(r)
			}
			said = ""
		}()
		select {
		case said := <-done:
			if said != "" {
				t.Error(said)
			}
		case <-time.After(patience):
			t.Fatalf("%s has not returned", shown)
		}
	}
}

// nilPointers returns a nil pointer to each of the package's types whose pointers are of the interface. Their methods of the
// value cannot be called.
func (p Package) nilPointers(in reflect.Type) (list []reflect.Value) {
	if in.Kind() != reflect.Interface || in.NumMethod() == 0 {
		return nil
	}
	for _, v := range p.Types {
		if t := reflect.PointerTo(reflect.TypeOf(v)); t.Implements(in) {
			list = append(list, reflect.Zero(t))
		}
	}
	return list
}

// look does with a result what its receiver does: an error is printed, a sequence is run.
func look(r reflect.Value) {
	if err, ok := r.Interface().(error); ok && err != nil {
		_ = err.Error()
	}
	switch {
	case r.Kind() == reflect.Func && r.IsNil():
	case r.Kind() == reflect.Func && r.Type().CanSeq2():
		for range r.Seq2() {
			break
		}
	case r.Kind() == reflect.Func && r.Type().CanSeq():
		for range r.Seq() {
			break
		}
	}
}

// complete checks that Types, Values and Funcs are all that the source exports.
func (p Package) complete(t *testing.T) {
	exported := p.exported(t)
	has := map[string]bool{}
	for _, v := range p.Types {
		typ := reflect.TypeOf(v)
		if typ.Kind() == reflect.Pointer && typ.Name() == "" {
			typ = typ.Elem()
		}
		has[typ.Name()] = true
	}
	for name := range p.Funcs {
		has[name] = true
	}
	for name, what := range exported {
		if !has[name] {
			t.Errorf("%s %s is exported, and not in the test's list", what, name)
		}
	}
	for name := range has {
		if exported[name] == "" {
			t.Errorf("%s is in the test's list, and the package does not export it", name)
		}
	}
}

// exported is the exported types and functions of the source, and which of the two they are. Types with parameters
// are not among them: there is none until it is instantiated.
func (p Package) exported(t *testing.T) map[string]string {
	found := map[string]string{}
	names, err := fs.Glob(p.Source, "*.go")
	if err != nil || len(names) == 0 {
		t.Fatalf("there is no source: %v", err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := fs.ReadFile(p.Source, name)
		if err != nil {
			t.Fatal(err)
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil && d.Name.IsExported() && d.Type.TypeParams == nil {
					found[d.Name.Name] = "function"
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					if s, ok := spec.(*ast.TypeSpec); ok && s.Name.IsExported() && s.TypeParams == nil && !s.Assign.IsValid() {
						found[s.Name.Name] = "type"
					}
				}
			}
		}
	}
	return found
}
