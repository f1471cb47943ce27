package esock

import (
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"
)

// memory is the live Go heap, and the rest of the process's own memory: C's heap, mostly.
func memory() (goHeap, other int64) {
	for range 3 {
		runtime.GC()
	}
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc), rssAnon() - int64(m.HeapSys-m.HeapReleased+m.StackSys)
}

// rssAnon is the process's anonymous memory in bytes.
func rssAnon() int64 {
	data, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "RssAnon:"); ok {
			kb, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kb << 10
		}
	}
	return 0
}

// A socket's life, ended at different stages, many times: what it took is given back, to a few bytes.
func TestStressNothingIsLeft(t *testing.T) {
	if instrumented {
		t.Skip("the race detector's own memory hides it")
	}
	lives := 20_000
	if testing.Short() {
		lives = 4000
	}
	life := func(i int) {
		a, b := pairNow(t)
		mb := NewMailbox()
		_, err := b.Recv(make([]byte, 1), 0, NoWait(mb))
		sel := err.(*Select)
		switch i % 4 {
		case 0:
			b.Cancel(sel)
		case 1:
			mb.Close()
		case 2:
			a.Send([]byte("x"), 0, Forever)
		}
		if i%3 == 0 {
			a.Recv(make([]byte, 1), 0, Within(time.Microsecond)) // parks
		}
		a.Close()
		b.Close()
	}
	for i := range 4000 {
		life(i)
	}
	leavesNothing(t, int64(lives*16), int64(lives*64), func() {
		for i := range lives {
			life(i)
		}
	})
}

// leavesNothing fails the test if each of several rounds leaves more of the Go heap or of other memory than that. One round
// may: a new thread has a stack, and malloc an arena for it, and how many threads there are is up to the scheduler.
func leavesNothing(t *testing.T, goHeap, other int64, round func()) {
	t.Helper()
	for range 5 {
		heap, rest := memory()
		round()
		heapAfter, restAfter := memory()
		t.Logf("a round left %+d bytes of the Go heap, %+d of other memory", heapAfter-heap, restAfter-rest)
		if heapAfter-heap < goHeap && (restAfter-rest < other || instrumented) { // the race detector's own memory hides it
			return
		}
	}
	t.Errorf("each round left %d bytes of the Go heap or %d of other memory", goHeap, other)
}
