// Command optgen generates, from the rows of csrc/esock_opt.def and the structures of csrc/esock_opt_struct.def, the Go half
// of the option table, the Go types of the structures, docs/options.md and the fuzz dictionary. go generate runs it in the
// root of the module.
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

const (
	source       = "csrc/esock_opt.def"
	structSource = "csrc/esock_opt_struct.def"
)

// outputs has the generated files and the functions that make them.
var outputs = []struct {
	path string
	make func(*table) ([]byte, error)
}{
	{"sockopt/table.go", tableFile},
	{"sockopt/vars.go", varsFile},
	{"sockopt/types.go", typesFile},
	{"docs/options.md", docsFile},
	{"tests/fuzz/opt.dict", dictFile},
}

func main() {
	if err := run("."); err != nil {
		fmt.Fprintln(os.Stderr, "optgen:", err)
		os.Exit(1)
	}
}

func load(root string) (*table, error) {
	rows, err := os.ReadFile(filepath.Join(root, source))
	if err != nil {
		return nil, err
	}
	structs, err := os.ReadFile(filepath.Join(root, structSource))
	if err != nil {
		return nil, err
	}
	return parse(string(rows), string(structs))
}

func run(root string) error {
	t, err := load(root)
	if err != nil {
		return err
	}
	for _, o := range outputs {
		text, err := o.make(t)
		if err != nil {
			return fmt.Errorf("%s: %w", o.path, err)
		}
		path := filepath.Join(root, o.path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			return err
		}
	}
	return nil
}
