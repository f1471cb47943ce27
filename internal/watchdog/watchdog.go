// Package watchdog ends a test binary in which one test hangs: with the test's name and the stacks of all goroutines, long
// before the time-out of go test, which is for the whole package.
package watchdog

import (
	"fmt"
	"io"
	"os"
	"reflect"
	"runtime"
	"testing"
	"time"
	"unsafe"
)

// Variable is the environment's variable that sets the limit, as a duration; 0: none.
const Variable = "ESOCK_TEST_LIMIT"

// usual is the limit without it. Tests take seconds at most; a machine may be twenty times slower than ours.
const usual = time.Minute * slowness

// exitCode is that of a binary that was ended here.
const exitCode = 3

// Limit makes m fail when one test takes too long, its subtests and cleanups included. Call it from TestMain, before Run.
func Limit(m *testing.M) *testing.M {
	limit := usual
	if text, ok := os.LookupEnv(Variable); ok {
		var err error
		if limit, err = time.ParseDuration(text); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", Variable, err)
			os.Exit(exitCode)
		}
	}
	if tests := testsOf(m); limit > 0 && tests != nil {
		for i := range *tests {
			t := &(*tests)[i]
			t.F = limited(t.F, limit)
		}
	}
	return m
}

// testsOf is the list of tests in m, which has no name outside of package testing; nil if it is not there.
func testsOf(m *testing.M) *[]testing.InternalTest {
	f := reflect.ValueOf(m).Elem().FieldByName("tests")
	if !f.IsValid() || f.Type() != reflect.TypeFor[[]testing.InternalTest]() {
		return nil
	}
	return (*[]testing.InternalTest)(unsafe.Pointer(f.UnsafeAddr()))
}

func limited(f func(*testing.T), limit time.Duration) func(*testing.T) {
	return func(t *testing.T) {
		timer := time.AfterFunc(limit, func() { bark(os.Stderr, t.Name(), limit) })
		t.Cleanup(func() { timer.Stop() }) // the first to be registered is the last to run
		f(t)
	}
}

// bark ends the process.
func bark(w io.Writer, name string, limit time.Duration) {
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	fmt.Fprintf(w, "watchdog: %s runs for more than %v (%s)\n\n%s\n--- FAIL: %s (hangs)\n", name, limit, Variable, stacks, name)
	os.Exit(exitCode)
}
