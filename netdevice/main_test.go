package netdevice

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/esock-go/esock/internal/watchdog"
)

// TestMain checks, after all tests of the package, that no goroutine is left behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(watchdog.Limit(m)) }
