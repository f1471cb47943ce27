// Package testmain runs the tests of a package and looks for what they leave behind.
package testmain

import (
	"fmt"
	"runtime"
	"testing"

	"go.uber.org/goleak"

	"github.com/esock-go/esock/internal/machine"
	"github.com/esock-go/esock/internal/watchdog"
)

// Run runs the tests, each with a limit of its time, and is the exit status for TestMain. It is that of a failure if all tests
// pass and a goroutine or a descriptor is left behind. On a machine where hardly any test can run it says so, and runs none.
func Run(m *testing.M) int { return Around(watchdog.Limit(m).Run) }

// Around is Run with a function that runs the tests.
func Around(run func() int) int {
	if why := machine.Lacks(); why != "" {
		fmt.Println("skipped:", why)
		return 0
	}
	before := machine.Descriptors()
	code := run()
	if code == 0 && left(before) {
		code = 1
	}
	return code
}

// left reports, and prints, what is there and was not before. The goroutine of the C poller lives as long as the process.
func left(before []string) bool {
	if err := goleak.Find(goleak.IgnoreAnyFunction("github.com/esock-go/esock.servePoller")); err != nil {
		fmt.Println("goroutines left:", err)
		return true
	}
	after := machine.Descriptors()
	// A cleanup closes what nobody can reach, such as the pipes that splice(2) keeps for later. It takes a collection or two,
	// and runs in a goroutine of its own.
	for rounds := 0; len(after) > len(before) && rounds < 100; rounds++ {
		runtime.GC()
		runtime.Gosched()
		after = machine.Descriptors()
	}
	if len(after) <= len(before) {
		return false
	}
	fmt.Printf("descriptors left: before %v, now %v\n", before, after)
	return true
}
