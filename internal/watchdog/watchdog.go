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

// usual is the limit without it. Tests take seconds at most, and a machine may be twenty times slower than others; what must
// come they wait for a minute, and then say what did not.
const usual = 2 * time.Minute * slowness

// exitCode is that of a binary that was ended here.
const exitCode = 3

// Limit makes m fail when one test or example takes too long, subtests and cleanups included. Call it from TestMain, before Run.
func Limit(m *testing.M) *testing.M {
	limit := usual
	if text, ok := os.LookupEnv(Variable); ok {
		var err error
		if limit, err = time.ParseDuration(text); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", Variable, err)
			os.Exit(exitCode)
		}
	}
	if limit == 0 {
		return m
	}
	if tests := field[[]testing.InternalTest](m, "tests"); tests != nil {
		for i := range *tests {
			t := &(*tests)[i]
			f := t.F
			t.F = func(t *testing.T) {
				timer := watch(t.Name(), limit)
				t.Cleanup(func() { timer.Stop() }) // the first to be registered is the last to run
				f(t)
			}
		}
	}
	// They run also when a test has failed.
	if examples := field[[]testing.InternalExample](m, "examples"); examples != nil {
		for i := range *examples {
			e := &(*examples)[i]
			f := e.F
			e.F = func() {
				defer watch(e.Name, limit).Stop()
				f()
			}
		}
	}
	return m
}

// field is a list in m that has no name outside of package testing; nil if it is not there.
func field[T any](m *testing.M, name string) *T {
	f := reflect.ValueOf(m).Elem().FieldByName(name)
	if !f.IsValid() || f.Type() != reflect.TypeFor[T]() {
		return nil
	}
	return (*T)(unsafe.Pointer(f.UnsafeAddr()))
}

func watch(name string, limit time.Duration) *time.Timer {
	return time.AfterFunc(limit, func() { bark(os.Stderr, name, limit) })
}

// bark ends the process.
func bark(w io.Writer, name string, limit time.Duration) {
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	fmt.Fprintf(w, "watchdog: %s runs for more than %v (%s)\n\n%s\n--- FAIL: %s (hangs)\n", name, limit, Variable, stacks, name)
	os.Exit(exitCode)
}
