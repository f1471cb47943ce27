// Package tests tests esock's API as programs use it, through the real kernel. A test is named after what it shows.
package tests

import (
	"os"
	"testing"

	"github.com/esock-go/esock/internal/machine"
	"github.com/esock-go/esock/internal/testmain"
	"github.com/esock-go/esock/internal/testwait"
)

// TestMain checks, after all tests of the package, that no goroutine and no descriptor is left behind.
func TestMain(m *testing.M) {
	code := testmain.Run(m)
	writeControl()
	os.Exit(code)
}

// descriptors lists what the process has open.
var descriptors = machine.Descriptors

// patience is how long a test waits for what must come.
const patience = testwait.Patience

// eventually waits until cond holds.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	testwait.Until(t, what, cond)
}

// sameDescriptors fails the test if, at its end, more descriptors are open than now. Call it first, so that it
// runs after the other cleanups.
func sameDescriptors(t testing.TB) {
	t.Helper()
	before := descriptors()
	t.Cleanup(func() {
		if !testwait.Comes(func() bool { return len(descriptors()) <= len(before) }) {
			t.Errorf("descriptors left: before %v, now %v", before, descriptors())
		}
	})
}
