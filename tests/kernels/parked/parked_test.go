package main

import (
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestMain is the program itself where a test starts it as one of the processes.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "-child" {
		main()
		return
	}
	os.Exit(m.Run())
}

// A few connections are parked in each form: the program checks that the waits are real.
func TestEachFormParks(t *testing.T) {
	for _, chosen := range [][]string{{"engine", "select", "blocked"}, {"blocked"}, {"net"}} {
		require.NoError(t, lead(40, chosen), "%v", chosen)
	}
}

func TestWrongArgumentsAreRefused(t *testing.T) {
	old := os.Args
	defer func() { os.Args = old }()
	for _, args := range [][]string{{"-n", "0"}, {"nonsense"}, {"net", "blocked"}, {"-nonsense"}} {
		os.Args = slices.Concat([]string{"parked"}, args)
		assert.Error(t, run(false), "%v", args)
	}
}

func TestMemoryIsRead(t *testing.T) {
	m := memory{}
	m.add(measure())
	m.kernel()
	assert.NotZero(t, m.Live)
	assert.NotZero(t, m.Resident)
	assert.GreaterOrEqual(t, m.Go, m.Live)
	assert.NotZero(t, m.slab)
	assert.NotZero(t, m.used)
}
