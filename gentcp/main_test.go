package gentcp_test

import (
	"log/slog"
	"os"
	"testing"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/testmain"
)

// TestMain checks, after all tests of the package, that no goroutine and no descriptor is left behind.
func TestMain(m *testing.M) {
	esock.SetLogger(slog.New(slog.DiscardHandler)) // of option debug
	os.Exit(testmain.Run(m))
}
