// Package testwait has the waits of tests: for what must come, with a limit that measures nothing.
package testwait

import "time"

// Patience is how long a test waits for what must come, and Long how long for a whole workload. They measure nothing: only
// a test that fails waits that long, and a machine twenty times slower than others must get there.
const (
	Patience = time.Minute
	Long     = 5 * time.Minute
)

// A Failer is what the waits need of a testing.TB, or of a property.
type Failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// Until waits until cond holds, or fails the test.
func Until(t Failer, what string, cond func() bool) {
	t.Helper()
	if !Comes(cond) {
		t.Fatalf("never came: %s", what)
	}
}

// Retry calls act until cond holds, for what the kernel may drop. After each call it gives cond some time before the next.
func Retry(t Failer, what string, act func(), cond func() bool) {
	t.Helper()
	Until(t, what, func() bool {
		act()
		return comes(cond, 100*time.Millisecond)
	})
}

// Comes waits until cond holds, and reports whether it ever did.
func Comes(cond func() bool) bool { return comes(cond, Patience) }

// comes is Comes with a limit. It looks often at first, and then leaves the processor to those it waits for.
func comes(cond func() bool, limit time.Duration) bool {
	pause := 50 * time.Microsecond
	for deadline := time.Now().Add(limit); !cond(); pause = min(2*pause, 2*time.Millisecond) {
		if time.Now().After(deadline) {
			return cond() // this process may not have run since the look before
		}
		time.Sleep(pause)
	}
	return true
}

// Result is what comes from a channel, or fails the test. A closed channel gives the zero value.
func Result[R any](t Failer, what string, ch <-chan R) R {
	t.Helper()
	select {
	case r := <-ch:
		return r
	case <-time.After(Patience):
	}
	select { // both may be ready when this process runs again
	case r := <-ch:
		return r
	default:
		t.Fatalf("never came: %s", what)
		panic("unreachable")
	}
}

// Repeat calls f over and over in a goroutine until stop is called, which returns when the last call has.
func Repeat(f func()) (stop func()) {
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-end:
				return
			default:
				f()
			}
		}
	}()
	return func() {
		close(end)
		<-ended
	}
}
