// Package tests tests esock's API as programs use it, through the real kernel. A test is named after what it shows.
package tests

import (
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/machine"
	"github.com/esock-go/esock/internal/testwait"
	"github.com/esock-go/esock/internal/watchdog"
)

// TestMain checks, after all tests of the package, that no goroutine and no descriptor is left behind. The
// poller's goroutine and descriptors live as long as the process.
func TestMain(m *testing.M) {
	if why := machine.Lacks(); why != "" {
		fmt.Println("skipped:", why)
		return
	}
	startPollers()
	before := len(descriptors())
	code := watchdog.Limit(m).Run()
	if code == 0 {
		if err := goleak.Find(goleak.IgnoreAnyFunction("github.com/esock-go/esock.servePoller")); err != nil {
			fmt.Println("goroutines left:", err)
			code = 1
		}
		if after := descriptors(); len(after) > before {
			fmt.Printf("descriptors left: %d before, now %v\n", before, after)
			code = 1
		}
	}
	os.Exit(code)
}

// startPollers makes both pollers open what they keep for ever.
func startPollers() {
	s, err := esock.Open(esock.Inet, esock.Dgram, esock.UDP)
	if err != nil {
		panic(err)
	}
	defer s.Close()
	s.Recv(make([]byte, 1), 0, esock.Within(time.Nanosecond))
	s.Recv(make([]byte, 1), 0, esock.NoWait(esock.NewMailbox()))
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
