package sockdiag

import (
	"os"
	"testing"

	"github.com/esock-go/esock/internal/testmain"
)

// TestMain checks, after all tests of the package, that no goroutine and no descriptor is left behind.
func TestMain(m *testing.M) { os.Exit(testmain.Run(m)) }
