// Package kernels is what the two ends of build/kernels share: the guest, which runs suites of tests on another kernel, and
// the table, which shows what came out.
package kernels

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Suite is one program of tests, and a line of the file that tells the guest what to run.
type Suite struct {
	Name    string // as the table shows it
	Kind    Kind
	Dir     string // where the program runs
	Program string
}

// Kind says how a program of tests is asked, and how its answers are read.
type Kind string

// The kinds: a test binary of Go, a program of cmocka, a target of libFuzzer that replays its corpus.
const (
	Go     Kind = "go"
	C      Kind = "c"
	Corpus Kind = "corpus"
)

// ParseSuites reads a file of suites: a line each of name, kind, directory and program, which are apart by blanks.
func ParseSuites(text string) ([]Suite, error) {
	var suites []Suite
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) != 4 {
			return nil, fmt.Errorf("a suite has four fields, not %d: %q", len(f), line)
		}
		s := Suite{Name: f[0], Kind: Kind(f[1]), Dir: f[2], Program: f[3]}
		if !slices.Contains([]Kind{Go, C, Corpus}, s.Kind) {
			return nil, fmt.Errorf("there is no kind of suite %q", f[1])
		}
		suites = append(suites, s)
	}
	return suites, nil
}

// Result is what became of a suite. A test with subtests counts as these; an input of a corpus counts as a test.
type Result struct {
	Suite   string
	Passed  int
	Failed  []Failure
	Skipped []Skip
	Seconds float64
}

// Failure is a test that failed, or a program that did not end as it should, with the end of what it printed.
type Failure struct{ Test, Output string }

// Skip is a test that was skipped, with the reason that it gave.
type Skip struct{ Test, Reason string }

// Add puts the result of another program of the same suite to this one.
func (r *Result) Add(o Result) {
	r.Passed += o.Passed
	r.Failed = append(r.Failed, o.Failed...)
	r.Skipped = append(r.Skipped, o.Skipped...)
	r.Seconds += o.Seconds
}

// Machine is what a guest says of itself before it runs anything.
type Machine struct {
	Kernel string // its release, as uname -r prints it
	Arch   string // as uname -m prints it
}

// File is one of what the kernel answered to options, and of the control messages that it sent: ESOCK_CAPTURE of the tests.
type File struct{ Name, Text string }

// What a guest says is on lines of its console. Each has a mark, because the kernel and the tests print there, too.
const (
	markMachine = "@esock-machine "
	markResult  = "@esock-result "
	markFile    = "@esock-file "
	markEnd     = "@esock-end"
)

// Line is a Machine, a Result or a File for the console.
func Line(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // plain structures of strings and numbers
	}
	mark := markResult
	switch v.(type) {
	case Machine:
		mark = markMachine
	case File:
		mark = markFile
	}
	return mark + string(b) + "\n"
}

// End is the last line of a guest that has run every suite.
const End = markEnd + "\n"

// Run is all that a guest said.
type Run struct {
	Machine Machine
	Results []Result // a suite each, in the order in which they were run
	Files   []File
	Ended   bool // the guest ran all; otherwise it stopped, or was stopped, on its way
}

// ParseConsole finds in a guest's console what it said. A console that breaks off is a Run that is not Ended.
func ParseConsole(text string) (Run, error) {
	var r Run
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if line == markEnd {
			r.Ended = true
		} else if said, ok := strings.CutPrefix(line, markMachine); ok {
			if err := json.Unmarshal([]byte(said), &r.Machine); err != nil {
				return r, fmt.Errorf("the guest's line about itself: %w", err)
			}
		} else if said, ok := strings.CutPrefix(line, markFile); ok {
			var f File
			if err := json.Unmarshal([]byte(said), &f); err != nil {
				return r, fmt.Errorf("a file of the guest: %w", err)
			}
			r.Files = append(r.Files, f)
		} else if said, ok := strings.CutPrefix(line, markResult); ok {
			var one Result
			if err := json.Unmarshal([]byte(said), &one); err != nil {
				return r, fmt.Errorf("a result of the guest: %w", err)
			}
			i := slices.IndexFunc(r.Results, func(have Result) bool { return have.Suite == one.Suite })
			if i < 0 {
				r.Results = append(r.Results, one)
			} else {
				r.Results[i].Add(one)
			}
		}
	}
	return r, nil
}

// Reasons are the reasons of the skips, those of most tests first, each with its tests.
func Reasons(skips []Skip) []Reason {
	var list []Reason
	for _, s := range skips {
		i := slices.IndexFunc(list, func(r Reason) bool { return r.Reason == s.Reason })
		if i < 0 {
			i = len(list)
			list = append(list, Reason{Reason: s.Reason})
		}
		list[i].Tests = append(list[i].Tests, s.Test)
	}
	slices.SortStableFunc(list, func(a, b Reason) int { return cmp.Compare(len(b.Tests), len(a.Tests)) })
	return list
}

// Reason is why tests were skipped.
type Reason struct {
	Reason string
	Tests  []string
}
