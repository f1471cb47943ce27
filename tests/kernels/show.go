package kernels

import (
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

var socketNumber = regexp.MustCompile(`#Socket<[0-9]+>`)

// plain is a reason without what differs from run to run, and not too long for a table.
func plain(reason string) string {
	reason = socketNumber.ReplaceAllString(reason, "the socket")
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
call. A test with subtests counts as these, and an input of a fuzzer's corpus as a test. Suites that were left out that day
are "not run". `+"`build/check`"+` runs a few of the suites on one of the kernels each time.

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
	b.WriteString("\n\nThe reasons that the skipped tests gave:\n\n| reason | kernels | tests |\n| --- | --- | --- |\n")
	for _, s := range skips(runs) {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", cellText.Replace(s.Reason.Reason), strings.Join(s.kernels, ", "), some(s.Tests, 3))
	}
	return b.String()
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
