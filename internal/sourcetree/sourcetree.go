// Package sourcetree is for tests that read the project's files: documents, sources, test data.
package sourcetree

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const module = "module github.com/esock-go/esock\n"

// Need skips a test that runs away from the source tree, as a test binary that was copied to another machine does. In the
// tree it does nothing, whatever is missing there: the test then fails.
func Need(t testing.TB) {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	if !holds(dir) {
		t.Skipf("it reads files of the source tree, and %s is not in one", dir)
	}
}

// holds reports whether a directory is in the source tree.
func holds(dir string) bool {
	for {
		b, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(b), module) {
			return true
		}
		above := filepath.Dir(dir)
		if above == dir {
			return false
		}
		dir = above
	}
}
