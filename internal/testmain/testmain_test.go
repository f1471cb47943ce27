package testmain

import (
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/esock-go/esock/internal/machine"
)

// child is the variable that makes a copy of this binary leave something behind.
const child = "ESOCK_TESTMAIN_CHILD"

func TestMain(m *testing.M) { os.Exit(Run(m)) }

var kept *os.File

func TestLeaves(t *testing.T) {
	switch os.Getenv(child) {
	case "":
		t.Skip("only a copy of the test binary leaves something behind")
	case "goroutine":
		go func() { select {} }()
	case "descriptor":
		kept, _ = os.Open(os.DevNull)
	case "failure":
		t.Fail()
	}
}

func TestWhatIsLeftBehindFails(t *testing.T) {
	if why := machine.Lacks(); why != "" {
		t.Skip(why)
	}
	for what, says := range map[string]string{
		"nothing":    "PASS",
		"goroutine":  "goroutines left: ",
		"descriptor": "descriptors left: ",
		"failure":    "--- FAIL: TestLeaves",
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			c := exec.Command(os.Args[0], "-test.run=^TestLeaves$")
			c.Env = append(os.Environ(), child+"="+what)
			out, err := c.CombinedOutput()
			assert.Equal(t, what == "nothing", err == nil, "%s", out)
			assert.Contains(t, string(out), says)
		})
	}
}
