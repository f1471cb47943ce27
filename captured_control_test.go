package esock

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock/internal/sourcetree"
)

// The control messages that kernels of several ages sent: tests/captured_control_test.go describes the files. A value is what
// the tests of that package saw on the kernel; it must be the same here.
func TestCapturedControlMessagesAreDecoded(t *testing.T) {
	sourcetree.Need(t)
	if unsafe.Sizeof(uintptr(0)) != 8 || binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		t.Skip("the bytes are those of 64-bit machines, little end first")
	}
	files, err := filepath.Glob("testdata/kernels/*/control.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		n := 0
		for line := range strings.Lines(string(text)) {
			c := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
			require.Len(t, c, 4, line)
			level, err := strconv.Atoi(c[0])
			require.NoError(t, err)
			typ, err := strconv.Atoi(c[1])
			require.NoError(t, err)
			data, err := hex.DecodeString(c[2])
			require.NoError(t, err)

			got := controlMessages(withHeader(level, typ, data))
			require.Len(t, got, 1, line)
			m := got[0].Map()
			assert.IsType(t, "", m["level"], "a level without a name: %s", line)
			assert.IsType(t, "", m["type"], "a type without a name: %s", line)
			assert.Equal(t, data, got[0].Data)
			value, err := json.Marshal(m["value"])
			require.NoError(t, err)
			assert.Equal(t, c[3], string(value), "%s: %s", file, line)
			n++
		}
		assert.Greater(t, n, 20, file)
	}
}
