package tests

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
)

// The control messages that kernels of several ages sent are in testdata/kernels/RELEASE/control.txt: level, type, bytes in
// hexadecimal digits and Map in JSON, with tabs between. They are those that the tests of this package receive, the first of
// each level, type and length. To capture: ESOCK_CAPTURE=DIRECTORY go test ./tests. captured_control_test.go of package esock
// decodes them.

var captured = struct {
	sync.Mutex
	lines map[string]string
}{lines: map[string]string{}}

// keepControl keeps the control messages of a message.
func keepControl(t testing.TB, m *esock.Msg) {
	t.Helper()
	if os.Getenv("ESOCK_CAPTURE") == "" {
		return
	}
	captured.Lock()
	defer captured.Unlock()
	for c := range m.Control() {
		key := fmt.Sprintf("%03d %03d %03d", c.Level, c.Type, len(c.Data))
		if captured.lines[key] != "" {
			continue
		}
		value, err := json.Marshal(c.Map()["value"])
		require.NoError(t, err)
		captured.lines[key] = fmt.Sprintf("%d\t%d\t%s\t%s\n", c.Level, c.Type, hex.EncodeToString(c.Data), value)
	}
}

// writeControl writes what was kept, for TestMain.
func writeControl() {
	dir := os.Getenv("ESOCK_CAPTURE")
	if dir == "" {
		return
	}
	var keys []string
	for k := range captured.lines {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	var b strings.Builder
	for _, k := range keys {
		b.WriteString(captured.lines[k])
	}
	if err := os.WriteFile(filepath.Join(dir, "control.txt"), []byte(b.String()), 0o644); err != nil {
		panic(err)
	}
}
