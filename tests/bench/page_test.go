package main

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The table of netconn in docs/performance.md says what docs/netconn.json says, and has every row.
func TestPageHasTheTableOfNetconn(t *testing.T) {
	var rep report
	b, err := os.ReadFile("../../docs/netconn.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, &rep))
	page, err := os.ReadFile("../../docs/performance.md")
	require.NoError(t, err)
	want, err := withTable(page, netconnTable(&rep))
	if os.Getenv("ESOCK_UPDATE") == "1" && err == nil { // after an edit of a row's words
		err = os.WriteFile("../../docs/performance.md", want, 0o644)
		page = want
	}
	require.NoError(t, err)
	assert.Equal(t, string(want), string(page), "build/bench --json docs/netconn.json --page docs/performance.md netconn")
	for _, row := range netconnRows {
		assert.True(t, slices.ContainsFunc(rep.Results, func(r result) bool { return r.Benchmark == row.name }), row.name)
	}
}

func TestWithTable(t *testing.T) {
	got, err := withTable([]byte("a\n"+pageBegin+"old\n"+pageEnd+"b\n"), "new\n")
	require.NoError(t, err)
	assert.Equal(t, "a\n"+pageBegin+"new\n"+pageEnd+"b\n", string(got))
	for _, page := range []string{"", pageBegin, strings.Repeat(pageEnd, 2)} {
		_, err := withTable([]byte(page), "new\n")
		assert.ErrorContains(t, err, "no place")
	}
}
