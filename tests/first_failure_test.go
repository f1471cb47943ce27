package tests

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock/internal/sourcetree"
)

func TestFirstFailureIsNamed(t *testing.T) {
	sourcetree.Need(t)
	for want, log := range map[string]string{
		"TestTwo/deep/down of example.com/b": "ok  \texample.com/a\t0.1s\n" +
			"--- FAIL: TestTwo (0.00s)\n    two_test.go:7: says\n    --- FAIL: TestTwo/deep (0.00s)\n" +
			"        --- FAIL: TestTwo/deep/down (0.00s)\n            two_test.go:9: more\n    --- FAIL: TestTwo/later (0.00s)\n" +
			"--- FAIL: TestThree (0.00s)\n    --- FAIL: TestThree/inner (0.00s)\nFAIL\nFAIL\texample.com/b\t0.2s\n" +
			"--- FAIL: TestFour (0.00s)\n    --- FAIL: TestFour/inner (0.00s)\nFAIL\texample.com/c\t0.2s\nFAIL\n",
		"example.com/b": "# example.com/b\nb.go:3:1: syntax error\nFAIL\texample.com/b [build failed]\nok  \texample.com/c\t0.1s\nFAIL\n",
		"opt_test takes_a_linger": "      Start  1: addr_test\n 1/30 Test  #1: addr_test ........   Passed    0.01 sec\n" +
			"      Start 12: opt_test\n12/30 Test #12: opt_test .........***Failed    0.02 sec\n" +
			"[ RUN      ] takes_a_linger\n[  ERROR   ] --- 0x1 != 0x2\n[  FAILED  ] takes_a_linger\n" +
			"[  FAILED  ] tests: 1 test(s), listed below:\n[  FAILED  ] another\n" +
			"13/30 Test #13: send_test ........***Exception: SegFault  0.02 sec\n",
		"send_test": "13/30 Test #13: send_test ........***Exception: SegFault  0.02 sec\n14/30 Test #14: x ...   Passed  0.1 sec\n" +
			"The following tests FAILED:\n\t 13 - send_test (SEGFAULT)\n",
		"gofmt -w would change: a.go": "gofmt -w would change: a.go\n\n",
	} {
		first := exec.Command("../build/first-failure")
		first.Stdin = strings.NewReader(log)
		out, err := first.CombinedOutput()
		require.NoError(t, err, "%s", out)
		assert.Equal(t, want+"\n", string(out))
	}
}
