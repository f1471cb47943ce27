package kernels

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Text is the table for a terminal: the failures, what was skipped and why, and a line for each kernel and suite.
func Text(runs []Run) string {
	var b strings.Builder
	for _, run := range runs {
		for _, r := range run.Results {
			for _, f := range r.Failed {
				fmt.Fprintf(&b, "--- FAIL: %s of %s on %s\n%s\n", f.Test, r.Suite, run.Machine.Kernel, strings.TrimRight(f.Output, "\n"))
			}
		}
	}
	for _, reason := range skips(runs) {
		fmt.Fprintf(&b, "skipped on %s: %s: %s\n", strings.Join(reason.kernels, ", "), some(reason.Tests, 3), reason.Reason.Reason)
	}
	fmt.Fprintf(&b, "\n%-28s %-10s %7s %7s %7s %8s\n", "kernel", "suite", "passed", "failed", "skipped", "seconds")
	for _, run := range runs {
		var all Result
		for _, r := range run.Results {
			fmt.Fprintf(&b, "%-28s %-10s %7d %7d %7d %8.1f\n", run.Machine.Kernel, r.Suite, r.Passed, len(r.Failed), len(r.Skipped), r.Seconds)
			all.Add(r)
		}
		fmt.Fprintf(&b, "%-28s %-10s %7d %7d %7d %8.1f\n", run.Machine.Kernel, "all", all.Passed, len(all.Failed), len(all.Skipped), all.Seconds)
	}
	return b.String()
}

// skipped is a reason, with the kernels on which it was given.
type skipped struct {
	Reason
	kernels []string
}

// skips are the reasons on all kernels; a reason on several kernels is one.
func skips(runs []Run) []skipped {
	var all []Skip
	given := map[string][]string{}
	for _, run := range runs {
		for _, r := range run.Results {
			for _, s := range r.Skipped {
				s.Reason = plain(s.Reason)
				test := Skip{r.Suite + ": " + s.Test, s.Reason}
				if !slices.Contains(all, test) {
					all = append(all, test)
				}
				if !slices.Contains(given[s.Reason], run.Machine.Kernel) {
					given[s.Reason] = append(given[s.Reason], run.Machine.Kernel)
				}
			}
		}
	}
	var list []skipped
	for _, r := range Reasons(all) {
		list = append(list, skipped{r, given[r.Reason]})
	}
	return list
}

// longest is what is shown of a reason.
const longest = 200

var (
	socketNumber = regexp.MustCompile(`#Socket<[0-9]+>`)
	errorOf      = regexp.MustCompile(`(: +(esock|exec): .*)`)
	blanks       = regexp.MustCompile(` +`)
)

// plain is a reason without what differs from run to run and the error that made it known, and not too long for a table.
func plain(reason string) string {
	reason = socketNumber.ReplaceAllString(errorOf.ReplaceAllString(blanks.ReplaceAllString(reason, " "), ""), "the socket")
	if len(reason) > longest {
		reason = strings.ToValidUTF8(reason[:longest], "") + "…"
	}
	return reason
}

// some names the first n of a list, and says how many more there are.
func some(list []string, n int) string {
	if len(list) <= n {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:n], ", "), len(list)-n)
}

// Page is docs/kernels.md.
func Page(runs []Run, at time.Time) string {
	var b strings.Builder
	fmt.Fprintf(&b, `<!-- Written by build/kernels --page. Do not edit. -->
# Kernels

The tests of esock, run on kernels of Debian on %s. `+"`build/kernels`"+` boots each under qemu, which emulates the
processor, with the network modules of that kernel and an initial file system that has nothing but the tests and what they
call. Stress tests are in their short form. A test with subtests counts as these, and an input of a fuzzer's corpus as a test.
Suites that were left out that day are "not run". `+"`build/check`"+` runs a few of the suites on one of the kernels each time.

`, at.Format("2 January 2006"))
	b.WriteString("| suite |")
	var suites []string
	for _, run := range runs {
		fmt.Fprintf(&b, " %s %s |", run.Machine.Kernel, run.Machine.Arch)
		for _, r := range run.Results {
			if !slices.Contains(suites, r.Suite) {
				suites = append(suites, r.Suite)
			}
		}
	}
	b.WriteString("\n| --- |" + strings.Repeat(" --- |", len(runs)) + "\n")
	for _, suite := range suites {
		fmt.Fprintf(&b, "| `%s` |", suite)
		for _, run := range runs {
			fmt.Fprintf(&b, " %s |", cell(run, suite))
		}
		b.WriteString("\n")
	}
	b.WriteString("| seconds, emulated |")
	for _, run := range runs {
		var all Result
		for _, r := range run.Results {
			all.Add(r)
		}
		fmt.Fprintf(&b, " %.0f |", all.Seconds)
	}
	b.WriteString("\n\nWhat was skipped, and the reasons that the tests gave. A number says how many subtests gave the reason, on the kernel\n" +
		"where most did. [atlas.md](atlas.md) has the options one by one.\n\n| test | kernels | reasons |\n| --- | --- | --- |\n")
	for _, s := range skippedTests(runs) {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", s.test, s.on(runs), cellText.Replace(s.because()))
	}
	return b.String()
}

// skippedTest is a test that was skipped on some kernels, or some of whose subtests were.
type skippedTest struct {
	test    string // with its suite
	kernels []string
	reasons []string
	most    map[string]int // of each reason, how often it was given on the kernel where it was given most
}

// skippedTests are all of them, in the order of the suites.
func skippedTests(runs []Run) []*skippedTest {
	var list []*skippedTest
	byTest := map[string]*skippedTest{}
	for _, run := range runs {
		for _, r := range run.Results {
			here := map[[2]string]int{}
			for _, s := range r.Skipped {
				top, _, _ := strings.Cut(s.Test, "/")
				name, reason := r.Suite+": "+top, plain(s.Reason)
				t := byTest[name]
				if t == nil {
					t = &skippedTest{test: name, most: map[string]int{}}
					byTest[name] = t
					list = append(list, t)
				}
				if kernel := run.Machine.short(); !slices.Contains(t.kernels, kernel) {
					t.kernels = append(t.kernels, kernel)
				}
				if t.most[reason] == 0 {
					t.reasons = append(t.reasons, reason)
				}
				here[[2]string{name, reason}]++
				t.most[reason] = max(t.most[reason], here[[2]string{name, reason}])
			}
		}
	}
	slices.SortStableFunc(list, func(a, b *skippedTest) int { return cmp.Compare(suiteOf(a.test, runs), suiteOf(b.test, runs)) })
	return list
}

// suiteOf is the place in the runs of the suite of a test.
func suiteOf(test string, runs []Run) int {
	suite, _, _ := strings.Cut(test, ":")
	place := 0
	for _, run := range runs {
		for i, r := range run.Results {
			if r.Suite == suite {
				place = max(place, i)
			}
		}
	}
	return place
}

// on names the kernels, or says that they are all.
func (s *skippedTest) on(runs []Run) string {
	if len(runs) > 1 && len(s.kernels) == len(runs) {
		return "all"
	}
	return strings.Join(s.kernels, ", ")
}

// because lists the reasons, those of most subtests first.
func (s *skippedTest) because() string {
	reasons := slices.Clone(s.reasons)
	slices.SortStableFunc(reasons, func(a, b string) int { return cmp.Compare(s.most[b], s.most[a]) })
	for i, r := range reasons {
		if n := s.most[r]; n > 1 {
			reasons[i] = fmt.Sprintf("%s (%d)", r, n)
		}
	}
	return strings.Join(reasons, "; ")
}

var version = regexp.MustCompile(`^[0-9]+\.[0-9]+`)

// Version is the first two numbers of the kernel's release.
func (m Machine) Version() string { return version.FindString(m.Kernel) }

// short is the kernel's version, with the processor unless it is the usual one.
func (m Machine) short() string {
	short := m.Version()
	if m.Arch != "x86_64" && m.Arch != "" {
		short += " " + m.Arch
	}
	return short
}

// cellText makes a text that of a cell.
var cellText = strings.NewReplacer("|", `\|`, "<", "&lt;")

// cell is the result of a suite on a kernel.
func cell(run Run, suite string) string {
	i := slices.IndexFunc(run.Results, func(r Result) bool { return r.Suite == suite })
	if i < 0 {
		return "not run"
	}
	r := run.Results[i]
	text := fmt.Sprintf("%d passed", r.Passed)
	if len(r.Failed) > 0 {
		text += fmt.Sprintf(", **%d failed**", len(r.Failed))
	}
	if len(r.Skipped) > 0 {
		text += fmt.Sprintf(", %d skipped", len(r.Skipped))
	}
	return text
}
