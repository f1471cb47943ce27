package kernels

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseSuites(t *testing.T) {
	suites, err := ParseSuites("tests go /esock/tests /suite/tests.test\nc c /esock /suite/io_test\n")
	require.NoError(t, err)
	assert.Equal(t, []Suite{
		{"tests", Go, "/esock/tests", "/suite/tests.test"},
		{"c", C, "/esock", "/suite/io_test"},
	}, suites)
	for text, want := range map[string]string{
		"tests go /esock\n":  "four fields",
		"tests java /a /b\n": `no kind of suite "java"`,
	} {
		_, err := ParseSuites(text)
		assert.ErrorContains(t, err, want)
	}
}

// event is a line of test2json.
func event(action, test, output string) string {
	return `{"Action":"` + action + `","Test":"` + test + `","Output":"` + output + `"}` + "\n"
}

func TestReadGo(t *testing.T) {
	out := event("run", "TestA", "") + event("pass", "TestA", "") +
		event("run", "TestB", "") + event("run", "TestB/one", "") + event("output", "TestB/one", `=== RUN   TestB/one\n`) +
		event("output", "TestB/one", `    b_test.go:7: no IPv6\n`) + event("output", "TestB/one", `        here\n`) +
		event("output", "TestB/one", `    --- SKIP: TestB/one (0.00s)\n`) + event("skip", "TestB/one", "") +
		event("run", "TestB/two", "") + event("pass", "TestB/two", "") + event("pass", "TestB", "") +
		event("run", "TestC", "") + event("run", "TestC/x", "") + event("output", "TestC/x", `    c_test.go:9: lost\n`) +
		event("fail", "TestC/x", "") + event("fail", "TestC", "") +
		event("run", "TestD", "") + event("skip", "TestD", "")
	assert.Equal(t, Result{
		Passed:  2,
		Failed:  []Failure{{"TestC/x", "    c_test.go:9: lost\n"}},
		Skipped: []Skip{{"TestB/one", "no IPv6 here"}, {"TestD", unclear}},
	}, ReadGo([]byte(out), 1))
}

func TestReasonsAreTheSameInEachRun(t *testing.T) {
	assert.Equal(t, "open of the socket: refused", plain("open of #Socket<17>: refused"))
	assert.Equal(t, strings.Repeat("é", longest/2)+"…", plain(strings.Repeat("é", longest)))
	text := Text([]Run{{Results: []Result{{Suite: "c", Skipped: []Skip{{"a", "#Socket<1>"}, {"b", "#Socket<2>"}}}}}})
	assert.Contains(t, text, "c: a, c: b: the socket\n")
}

// A test that has not ended is the one in which the program did.
func TestReadGoOfAPanic(t *testing.T) {
	out := event("run", "TestA", "") + event("pass", "TestA", "") + event("run", "TestB", "") + event("output", "TestB", `panic: oh\n`)
	assert.Equal(t, Result{Passed: 1, Failed: []Failure{{"TestB", "panic: oh\n"}}}, ReadGo([]byte(out), 2))
	// A parent that fails by itself is a failure although its subtests are none.
	out = event("run", "TestA", "") + event("run", "TestA/x", "") + event("pass", "TestA/x", "") + event("fail", "TestA", "")
	assert.Equal(t, Result{Passed: 1, Failed: []Failure{{"TestA", ""}}}, ReadGo([]byte(out), 1))
}

// A program that says nothing of a test, or fails after all tests passed, is a failure.
func TestReadGoOfAProgram(t *testing.T) {
	r := ReadGo([]byte(event("output", "", `skipped: no loopback\n`)), 0)
	require.Len(t, r.Failed, 1)
	assert.Equal(t, "skipped: no loopback\nexit status 0\n", r.Failed[0].Output)
	r = ReadGo([]byte(event("run", "TestA", "")+event("pass", "TestA", "")+event("output", "", `goroutines left: 1\n`)), 1)
	assert.Equal(t, 1, r.Passed)
	require.Len(t, r.Failed, 1)
	assert.Contains(t, r.Failed[0].Output, "goroutines left")
}

func TestReadC(t *testing.T) {
	out := `[==========] Running 3 test(s).
[ RUN      ] one
[       OK ] one
[ RUN      ] two
skipped: it needs a veth
[  SKIPPED ] two
[ RUN      ] three
x_test.c:7: error: 1 != 2
[  FAILED  ] three
[==========] 3 test(s) run.
[  FAILED  ] 1 test(s), listed below:
[  FAILED  ] three
`
	assert.Equal(t, Result{
		Passed: 1, Failed: []Failure{{"three", "x_test.c:7: error: 1 != 2\n[  FAILED  ] three\n"}},
		Skipped: []Skip{{"two", "it needs a veth"}},
	}, ReadC([]byte(out), 1))

	r := ReadC([]byte("[ RUN      ] one\n"), -1)
	require.Len(t, r.Failed, 1, "it crashed")
	assert.Equal(t, "one", r.Failed[0].Test)
	assert.Len(t, ReadC(nil, 0).Failed, 1, "it ran no test")
	assert.Len(t, ReadC([]byte("[ RUN      ] one\n[       OK ] one\n"), 1).Failed, 1, "it failed afterwards")
}

func TestReadCorpus(t *testing.T) {
	assert.Equal(t, Result{Passed: 7}, ReadCorpus(nil, 0, 7))
	assert.Len(t, ReadCorpus([]byte("ERROR"), 77, 7).Failed, 1)
	assert.Len(t, ReadCorpus(nil, 0, 0).Failed, 1, "an empty corpus")
}

func TestParseConsole(t *testing.T) {
	console := "SeaBIOS\r\n\r\n" + strings.ReplaceAll(Line(Machine{Kernel: "6.1.0", Arch: "x86_64"})+
		Line(Result{Suite: "c", Passed: 1, Seconds: 1})+"something else\n"+
		Line(Result{Suite: "c", Passed: 2, Seconds: 2, Skipped: []Skip{{"a", "b"}}})+Line(File{"options.txt", "a\tb\n"})+Line(Result{Suite: "tests", Passed: 5}), "\n", "\r\n")
	run, err := ParseConsole(console)
	require.NoError(t, err)
	assert.False(t, run.Ended)
	assert.Equal(t, "6.1.0", run.Machine.Kernel)
	assert.Equal(t, []Result{
		{Suite: "c", Passed: 3, Seconds: 3, Skipped: []Skip{{"a", "b"}}}, {Suite: "tests", Passed: 5},
	}, run.Results)
	assert.Equal(t, []File{{"options.txt", "a\tb\n"}}, run.Files)
	run, err = ParseConsole(console + End)
	require.NoError(t, err)
	assert.True(t, run.Ended)
	_, err = ParseConsole(markResult + "{")
	assert.ErrorContains(t, err, "a result of the guest")
	_, err = ParseConsole(markFile + "{")
	assert.ErrorContains(t, err, "a file of the guest")
}

// runs are two kernels for the tests of what is shown.
var runs = []Run{
	{Machine: Machine{Kernel: "5.10.0", Arch: "x86_64"}, Ended: true, Results: []Result{
		{Suite: "tests", Passed: 7, Seconds: 1.25, Skipped: []Skip{{"TestA", "no | IPv6 <x>"}, {"TestB", "no | IPv6 <x>"}, {"TestC", "old"}}},
	}},
	{Machine: Machine{Kernel: "6.1.0", Arch: "x86_64"}, Ended: true, Results: []Result{
		{Suite: "tests", Passed: 8, Failed: []Failure{{"TestD", "lost\n"}}, Skipped: []Skip{{"TestA", "no | IPv6 <x>"}}},
		{Suite: "c", Passed: 1},
	}},
}

func TestText(t *testing.T) {
	text := Text(runs)
	assert.Contains(t, text, "--- FAIL: TestD of tests on 6.1.0\nlost\n")
	assert.Contains(t, text, "skipped on 5.10.0, 6.1.0: tests: TestA, tests: TestB: no | IPv6 <x>\nskipped on 5.10.0: tests: TestC: old\n")
	assert.Contains(t, text, "5.10.0                       tests            7       0       3      1.2\n")
	assert.Contains(t, text, "6.1.0                        all              9       1       1      0.0\n")
}

func TestPage(t *testing.T) {
	page := Page(runs, time.Date(2026, 11, 29, 0, 0, 0, 0, time.UTC))
	assert.Contains(t, page, "29 November 2026")
	assert.Contains(t, page, "| suite | 5.10.0 x86_64 | 6.1.0 x86_64 |\n")
	assert.Contains(t, page, "| `tests` | 7 passed, 3 skipped | 8 passed, **1 failed**, 1 skipped |\n")
	assert.Contains(t, page, "| `c` | not run | 1 passed |\n")
	assert.Contains(t, page, "| `tests: TestA` | all | no \\| IPv6 &lt;x> |\n")
	assert.Contains(t, page, "| `tests: TestB` | 5.10 | no \\| IPv6 &lt;x> |\n")
}

func TestPageCountsTheSubtestsOfAReason(t *testing.T) {
	on := func(kernel, arch string, skips ...Skip) Run {
		return Run{Machine: Machine{Kernel: kernel, Arch: arch}, Results: []Result{{Suite: "tests", Skipped: skips}}}
	}
	page := Page([]Run{
		on("5.10.0", "x86_64", Skip{"TestA/x", "old"}, Skip{"TestA/y", "it  needs a key: esock: option 5 of level 1"}),
		on("6.1.0", "aarch64", Skip{"TestA/x", "it needs a key"}, Skip{"TestA/y", "it needs a key"}),
		on("7.2.0", "x86_64"),
	}, time.Now())
	assert.Contains(t, page, "| `tests: TestA` | 5.10, 6.1 aarch64 | it needs a key (2); old |\n")
}
