package gentcp_test

import (
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/machine"
	"github.com/esock-go/esock/internal/watchdog"
)

// TestMain checks, after all tests of the package, that no goroutine and no descriptor is left behind. The
// poller's goroutine and descriptors live as long as the process.
func TestMain(m *testing.M) {
	if why := machine.Lacks(); why != "" {
		fmt.Println("skipped:", why)
		return
	}
	esock.SetLogger(slog.New(slog.DiscardHandler)) // of option debug
	startPollers()
	before := openFDs()
	code := watchdog.Limit(m).Run()
	if code == 0 {
		if err := goleak.Find(goleak.IgnoreAnyFunction("github.com/esock-go/esock.servePoller")); err != nil {
			fmt.Println("goroutines left:", err)
			code = 1
		}
		if after := openFDs(); len(after) > len(before) {
			fmt.Printf("descriptors left: before %v, now %v\n", before, after)
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

// openFDs lists what the process has open.
func openFDs() []string {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return nil
	}
	var fds []string
	for _, e := range entries {
		// The listing itself is gone by now.
		if target, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil {
			fds = append(fds, e.Name()+":"+target)
		}
	}
	return fds
}
