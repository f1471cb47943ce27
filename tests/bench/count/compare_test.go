package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func reportOf(entries ...entry) *report { return &report{Go: "go1.26", C: "GCC", Counts: entries} }

func TestADifferenceWithinTheToleranceIsNoNews(t *testing.T) {
	before := reportOf(entry{"ready", nameEsock, cost{1000, 50, 2}})
	for _, now := range []cost{{1000, 50, 2}, {1020, 51, 2}, {980, 49, 2}} {
		assert.Empty(t, compare(before, reportOf(entry{"ready", nameEsock, now})), now)
	}
}

func TestASlowerRowIsNamed(t *testing.T) {
	before := reportOf(entry{"ready", nameEsock, cost{1000, 10, 2}}, entry{"udp", nameEsock, cost{1000, 10, 2}})
	got := compare(before, reportOf(entry{"ready", nameEsock, cost{1000, 10, 2}}, entry{"udp", nameEsock, cost{1021, 10, 2}}))
	require.Len(t, got, 1)
	assert.Equal(t, "udp: slower: 1021 instructions instead of 1000; build/bench count --where udp names the functions", got[0])
}

// A locked instruction or a system call more is more than 2 % of a few.
func TestLockedInstructionsAndSystemCallsAreCompared(t *testing.T) {
	before := reportOf(entry{"ready", nameEsock, cost{1000, 10, 2}})
	got := compare(before, reportOf(entry{"ready", nameEsock, cost{1000, 11, 3}}))
	require.Len(t, got, 2)
	assert.Contains(t, got[0], "ready: slower: 11 locked instructions instead of 10")
	assert.Contains(t, got[1], "ready: slower: 3 system calls instead of 2")

	none := reportOf(entry{"ready", nameEsock, cost{1000, 0, 0}})
	assert.Len(t, compare(none, before), 2, "from none to some")
}

func TestAFasterRowAsksForTheNewNumber(t *testing.T) {
	before := reportOf(entry{"ready", nameEsock, cost{1000, 10, 2}})
	got := compare(before, reportOf(entry{"ready", nameEsock, cost{979, 10, 2}}))
	require.Len(t, got, 1)
	assert.Equal(t, "ready: faster: 979 instructions instead of 1000; record it: build/bench count --json docs/count.json ready", got[0])
}

func TestARowWithoutANumberAsksForIt(t *testing.T) {
	got := compare(reportOf(), reportOf(entry{"ready", nameEsock, cost{979, 10, 2}}))
	require.Len(t, got, 1)
	assert.Contains(t, got[0], "ready: there is no number yet; record it")
}

func TestPeersAreNotCompared(t *testing.T) {
	before := reportOf(entry{"ready", "net", cost{1000, 10, 2}})
	assert.Empty(t, compare(before, reportOf(entry{"ready", "net", cost{2000, 20, 4}})))
}

func TestARowThatWasNotCountedIsNotMissed(t *testing.T) {
	ready := entry{"ready", nameEsock, cost{1000, 10, 2}}
	assert.Empty(t, compare(reportOf(ready, entry{"udp", nameEsock, cost{1, 1, 1}}), reportOf(ready)))
}

// Another compiler is named beside a difference, and is none by itself.
func TestOtherCompilersAreNamed(t *testing.T) {
	before := reportOf(entry{"ready", nameEsock, cost{1000, 10, 2}})
	now := reportOf(entry{"ready", nameEsock, cost{1000, 10, 2}})
	now.Go = "go1.27"
	assert.Empty(t, compare(before, now))
	now.Counts[0].Instructions = 2000
	got := compare(before, now)
	require.Len(t, got, 2)
	assert.Contains(t, got[1], "go1.26")
	assert.Contains(t, got[1], "go1.27")
}

func TestAReportComesBackFromItsFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "count.json")
	first := reportOf(entry{"ready", nameEsock, cost{1000, 10, 2}}, entry{"udp", nameEsock, cost{2000, 20, 2}})
	first.C = `a "quoted" compiler`
	require.NoError(t, writeReport(file, first, true), "there is no file yet")
	got, err := readReport(file)
	require.NoError(t, err)
	assert.Equal(t, first, got)

	// A part replaces its own entries, and goes to the end if it is new.
	part := reportOf(entry{"udp", nameEsock, cost{1900, 19, 2}}, entry{"udp", "net", cost{1500, 9, 2}})
	require.NoError(t, writeReport(file, part, true))
	got, err = readReport(file)
	require.NoError(t, err)
	assert.Equal(t, reportOf(first.Counts[0], part.Counts[0], part.Counts[1]), got)

	require.NoError(t, writeReport(file, part, false))
	got, err = readReport(file)
	require.NoError(t, err)
	assert.Equal(t, part, got)

	text, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Len(t, strings.Split(strings.TrimSpace(string(text)), "\n"), 8, "one line for each entry")
}

func TestTheTableHasTheRatio(t *testing.T) {
	var b strings.Builder
	writeTable(&b, reportOf(entry{"ready", nameEsock, cost{1500, 10, 2}}, entry{"ready", "net", cost{1000, 10, 2}},
		entry{"select", nameEsock, cost{700, 7, 5}}))
	assert.Equal(t, `go1.26, GCC; instructions/locked/system calls

row     esock      net        esock/net
ready   1500/10/2  1000/10/2  1.50
select  700/7/5               
`, b.String())
}

func TestRowsAreChosenByAPartOfTheirName(t *testing.T) {
	rows := []row{{name: empty}, {name: "ready"}, {name: "open-close"}, {name: "open-bind-close"}}
	assert.Equal(t, rows[1:], chosen(rows, nil))
	assert.Equal(t, rows[2:], chosen(rows, []string{"open"}))
	assert.Empty(t, chosen(rows, []string{empty}))
}

func TestTheMedianLeavesOutWhatComesNowAndThen(t *testing.T) {
	ops := []run{{cost: cost{100, 1, 1}}, {cost: cost{900, 9, 9}}, {cost: cost{101, 1, 1}}}
	assert.Equal(t, cost{101, 1, 1}, median(ops).cost)
}
