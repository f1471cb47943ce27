package testwait

import (
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

// failer is a test that fails.
type failer struct{ said string }

func (f *failer) Helper() {}

func (f *failer) Fatalf(format string, args ...any) {
	f.said = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// failing runs a wait that must fail the test, and says what it said and how long it took.
func failing(wait func(t Failer)) (said string, took time.Duration) {
	var f failer
	begin, done := time.Now(), make(chan struct{})
	go func() {
		defer close(done)
		wait(&f)
	}()
	<-done
	return f.said, time.Since(begin)
}

func TestUntil(t *testing.T) {
	looks := 0
	Until(t, "the third look", func() bool { looks++; return looks == 3 })
	assert.Equal(t, 3, looks)
	assert.True(t, Comes(func() bool { return true }))
}

func TestUntilGivesUpInTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		said, took := failing(func(t Failer) { Until(t, "spring", func() bool { return false }) })
		assert.Equal(t, "never came: spring", said)
		assert.GreaterOrEqual(t, took, Patience)
	})
}

// A process that did not run for so long looks once more.
func TestUntilLooksOnceMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		looks := 0
		Until(t, "the second look", func() bool {
			looks++
			if looks == 1 {
				time.Sleep(2 * Patience)
			}
			return looks == 2
		})
	})
}

func TestRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		acts := 0
		Retry(t, "the third act", func() { acts++ }, func() bool { return acts == 3 })
		assert.Equal(t, 3, acts)
		Retry(t, "what the first act began", func() { acts++ }, func() bool { return acts == 4 })
		assert.Equal(t, 4, acts)
		said, took := failing(func(t Failer) { Retry(t, "spring", func() {}, func() bool { return false }) })
		assert.Equal(t, "never came: spring", said)
		assert.GreaterOrEqual(t, took, Patience)
	})
}

func TestResult(t *testing.T) {
	ch := make(chan int, 1)
	ch <- 7
	assert.Equal(t, 7, Result(t, "a number", ch))
	synctest.Test(t, func(t *testing.T) {
		said, took := failing(func(t Failer) { Result(t, "a number", make(chan int)) })
		assert.Equal(t, "never came: a number", said)
		assert.Equal(t, Patience, took)
	})
}

func TestRepeat(t *testing.T) {
	calls := make(chan int)
	n := 0
	stop := Repeat(func() {
		n++
		select {
		case calls <- n:
		default:
			runtime.Gosched()
		}
	})
	assert.Positive(t, <-calls)
	assert.Greater(t, <-calls, 1)
	stop()
	after := n
	runtime.Gosched()
	assert.Equal(t, after, n)
}
