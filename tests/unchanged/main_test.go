package unchanged

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

var pid = os.Getpid()

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/esock-go/esock.servePoller"))
}
