package tests

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock/internal/sourcetree"
)

// The page says what docs/count.json says, row by row.
func TestPerformancePageHasTheCounts(t *testing.T) {
	sourcetree.Need(t)
	var counted struct {
		Counts []struct {
			Row, Contender                 string
			Instructions, Locked, Syscalls int
		}
	}
	b, err := os.ReadFile("../docs/count.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, &counted))
	require.NotEmpty(t, counted.Counts)
	page, err := os.ReadFile("../docs/performance.md")
	require.NoError(t, err)
	cells := map[string][]string{}
	for line := range strings.Lines(string(page)) {
		if c := strings.Split(line, "|"); len(c) > 2 {
			cells[strings.TrimSpace(c[1])] = c
		}
	}
	column := map[string]int{"esock": 3, "netconn": 4, "net": 5, "x/sys": 6}
	for _, c := range counted.Counts {
		i, shown := column[c.Contender]
		if !shown {
			continue
		}
		row := cells[c.Row]
		if assert.Greater(t, len(row), i, c.Row) {
			assert.Equal(t, fmt.Sprintf("%s / %d / %d", thousands(c.Instructions), c.Locked, c.Syscalls), strings.TrimSpace(row[i]),
				"%s of %s", c.Row, c.Contender)
		}
	}
}

// thousands is a number below a million as the page has it.
func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%d,%03d", n/1000, n%1000)
}
