package watchdog

import (
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// child is the variable that makes a copy of this binary hang.
const child = "ESOCK_WATCHDOG_CHILD"

func TestMain(m *testing.M) { os.Exit(Limit(m).Run()) }

func TestHangs(t *testing.T) {
	switch os.Getenv(child) {
	case "":
		t.Skip("only a copy of the test binary hangs")
	case "body":
		select {}
	case "cleanup":
		t.Cleanup(func() { select {} })
	case "subtest":
		t.Run("inner", func(*testing.T) { select {} })
	}
}

func Example() {
	if os.Getenv(child) == "example" {
		select {}
	}
	// Output:
}

func TestHangingTestEndsTheBinary(t *testing.T) {
	for _, where := range []string{"body", "cleanup", "subtest", "example"} {
		t.Run(where, func(t *testing.T) {
			c := exec.Command(os.Args[0], "-test.run=^(TestHangs|Example)$", "-test.timeout=5m")
			c.Env = append(os.Environ(), child+"="+where, Variable+"=100ms")
			out, err := c.CombinedOutput()
			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit)
			assert.Equal(t, exitCode, exit.ExitCode())
			name := "TestHangs"
			if where == "example" {
				name = "Example"
			}
			assert.Contains(t, string(out), "watchdog: "+name+" runs for more than 100ms")
			assert.Contains(t, string(out), "watchdog."+name, "the stack of the one that hangs")
			assert.Contains(t, string(out), "--- FAIL: "+name)
		})
	}
}

func TestQuickTestsAreLeftAlone(t *testing.T) {
	c := exec.Command(os.Args[0], "-test.run=^TestHangs$")
	c.Env = append(os.Environ(), child+"=", Variable+"=1h")
	out, err := c.CombinedOutput()
	assert.NoError(t, err, "%s", out)

	c = exec.Command(os.Args[0], "-test.run=^TestHangs$")
	c.Env = append(os.Environ(), child+"=", Variable+"=soon")
	out, err = c.CombinedOutput()
	assert.Error(t, err)
	assert.Contains(t, string(out), Variable)
}
