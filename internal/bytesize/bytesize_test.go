package bytesize

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestText(t *testing.T) {
	for n, want := range map[int64]string{0: "0 bytes", 1: "1 byte", 2: "2 bytes", 10<<10 - 1: "10239 bytes", 10 << 10: "10.0 KiB",
		1 << 20: "1.0 MiB", 10<<30 - 1: "10240.0 MiB", 10 << 30: "10.0 GiB", 1<<63 - 1: "8589934592.0 GiB"} {
		assert.Equal(t, want, Text(n), n)
	}
}
