package main

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock/engine"
)

// Each table of docs/performance.md says what its file of figures says, and has every row.
func TestPageHasItsTables(t *testing.T) {
	const file = "../../docs/performance.md"
	for _, table := range pageTables {
		t.Run(table.name, func(t *testing.T) {
			var rep report
			b, err := os.ReadFile("../../docs/" + table.name + ".json")
			if errors.Is(err, fs.ErrNotExist) {
				t.Skip("there are no figures yet")
			}
			require.NoError(t, err)
			require.NoError(t, json.Unmarshal(b, &rep))
			page, err := os.ReadFile(file)
			require.NoError(t, err)
			want, err := table.into(page, &rep)
			if os.Getenv("ESOCK_UPDATE") == "1" && err == nil { // after an edit of a row's words
				err = os.WriteFile(file, want, 0o644)
				page = want
			}
			require.NoError(t, err)
			assert.Equal(t, string(want), string(page), "build/bench --json docs/%[1]s.json --page docs/performance.md %[1]s", table.name)
			for _, row := range table.rows {
				assert.True(t, slices.ContainsFunc(rep.Results, func(r result) bool { return r.Benchmark == row.name }), row.name)
			}
		})
	}
}

func TestTheTableOfTheEngine(t *testing.T) {
	rep := report{Results: []result{
		{Benchmark: "engine-50", Metric: "messages", Unit: "1/s", More: true, Figures: map[string]figure{
			nameEsock: {Median: 190000}, nameRing: {Median: 180000}, nameC: {Median: 200000, Ratio: 0.95}, nameNet: {Median: 100, Ratio: 1900}},
			Targets: []verdict{{Peer: nameC, Limit: 0.95, Least: true, Got: 0.95, Met: true}, {Peer: nameNet, Limit: 2000, Least: true, Got: 1900}}},
		{Benchmark: "ready", Metric: "no row of this table"},
		{Benchmark: "engine-50", Metric: "server's processor", Unit: "µs/message", Figures: map[string]figure{nameEsock: {Median: 5.123}}},
	}}
	lines := strings.Split(engineTable(&rep), "\n")
	assert.Equal(t, []string{
		"| `engine-50`: echo of 68 bytes, 50 connections; messages | 1/s | 190,000 | 180,000 | net 100 (1900.00), C 200,000 (0.95) | " +
			"≥ 0.95 × C: met, ≥ 2000 × net: **missed** (1900) |",
		"| server's processor | µs/message | 5.123 |  |  |  |", ""}, lines[4:])
}

func TestAPageWithoutAPlace(t *testing.T) {
	table := pageTable{"x", nil, func(*report) string { return "new\n" }}
	got, err := table.into([]byte("a\n"+table.begin()+"old\n"+pageEnd+"b\n"), nil)
	require.NoError(t, err)
	assert.Equal(t, "a\n"+table.begin()+"new\n"+pageEnd+"b\n", string(got))
	for _, page := range []string{"", table.begin(), strings.Repeat(pageEnd, 2)} {
		_, err := table.into([]byte(page), nil)
		assert.ErrorContains(t, err, "no place")
	}
}

// A whole name chooses that row, and nothing else.
func TestNamesOfRows(t *testing.T) {
	chosen := func(names ...string) (all []string) {
		for i := range benchmarks {
			if wanted(&benchmarks[i], names) {
				all = append(all, benchmarks[i].name)
			}
		}
		return all
	}
	assert.Equal(t, []string{"engine-50"}, chosen("engine-50"))
	assert.Equal(t, []string{"engine-50", "engine-500", "engine-5000"}, chosen("engine-5"))
	assert.Len(t, chosen("engine"), len(engineRows))
	assert.NotContains(t, chosen(), "netconn-dial", "runs only when it is asked for")
}

// Each row has servers that this program knows.
func TestServersOfRows(t *testing.T) {
	assert.Error(t, childServer("nothing"))
	for _, kind := range []string{"loop-", "packets-loop-", "everybody-loop-"} {
		for _, b := range []engine.Backend{engine.Epoll, engine.IOUring} {
			assert.Contains(t, servers, kind+b.String())
		}
	}
}
