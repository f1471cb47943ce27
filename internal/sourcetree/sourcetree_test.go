package sourcetree

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// away is a test that notes whether it was skipped.
type away struct {
	testing.TB
	skipped bool
}

func (a *away) Helper()              {}
func (a *away) Skipf(string, ...any) { a.skipped = true }

func TestNeed(t *testing.T) {
	a := &away{TB: t}
	t.Chdir(t.TempDir())
	Need(a)
	assert.True(t, a.skipped, "no source tree")

	a.skipped = false
	require.NoError(t, os.WriteFile("go.mod", []byte("module example.com/other\n"), 0o600))
	Need(a)
	assert.True(t, a.skipped, "another's")

	a.skipped = false
	require.NoError(t, os.WriteFile("go.mod", []byte(module+"\ngo 1.26\n"), 0o600))
	Need(a)
	assert.False(t, a.skipped, "here, although nothing else is")
	inside := filepath.Join("tests", "c")
	require.NoError(t, os.MkdirAll(inside, 0o700))
	t.Chdir(inside)
	Need(a)
	assert.False(t, a.skipped)
}

// In the tree itself nothing is skipped.
func TestHere(t *testing.T) {
	if _, err := os.Stat("sourcetree_test.go"); err != nil {
		t.Skip("this binary was taken away from it")
	}
	a := &away{TB: t}
	Need(a)
	assert.False(t, a.skipped)
}
