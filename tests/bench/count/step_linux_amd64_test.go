package main

import (
	"errors"
	"io/fs"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestANumberIsTheSameEveryTime(t *testing.T) {
	driver := filepath.Join(t.TempDir(), "driver")
	out, err := exec.Command("go", "build", "-buildmode=exe", "-o", driver, "./driver").CombinedOutput()
	require.NoError(t, err, string(out))
	tr, err := newTracer(driver)
	require.NoError(t, err)

	base, err := tr.count(empty, nameEsock, 3)
	if errors.Is(err, fs.ErrPermission) {
		t.Skip("ptrace is not permitted: ", err)
	}
	require.NoError(t, err)
	assert.Zero(t, base.cost.Locked)
	assert.Zero(t, base.cost.Syscalls)

	first, err := tr.count("ready", nameEsock, 3)
	require.NoError(t, err)
	again, err := tr.count("ready", nameEsock, 3)
	require.NoError(t, err)
	assert.Equal(t, first.cost, again.cost)
	assert.Equal(t, 2, first.cost.Syscalls, "a send and a receive")
	assert.Positive(t, first.cost.Locked)

	// Each instruction is in a function, of which two are those that cross.
	names := map[string]int{}
	sum := 0
	for at, p := range first.places {
		names[first.symbol(at)] += p.times
		sum += p.times
	}
	assert.Equal(t, first.cost.Instructions, sum)
	assert.Contains(t, names, "esock_send")
	assert.Contains(t, names, "esock_recv")
	assert.NotContains(t, names, "unknown")

	_, err = tr.count("no such row", nameEsock, 3)
	assert.Error(t, err)
}
