package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"time"
)

// Most mutants are killed by tests that take no time, among many that take long or never reach the mutant. So it is found
// out once which tests come by which mutant, and these run first, the quickest in front.

// timed is a test and how long it takes.
type timed struct {
	name string
	took time.Duration
}

var passedTest = regexp.MustCompile(`(?m)^--- PASS: (\S+) \((\d+\.\d+s)\)$`)

// testsOf are the tests that passed, by what -test.v wrote, the quickest first.
func testsOf(out []byte) (tests []timed) {
	for _, m := range passedTest.FindAllSubmatch(out, -1) {
		if took, err := time.ParseDuration(string(m[2])); err == nil {
			tests = append(tests, timed{string(m[1]), took})
		}
	}
	slices.SortStableFunc(tests, func(a, b timed) int { return cmp.Compare(a.took, b.took) })
	return tests
}

const (
	// reachedVariable names a file with a byte for each mutant, for the binaries to note in which they come by.
	reachedVariable = "ESOCK_MUTANTS_REACHED"
	// longPart is which part of a suite's time makes a test a long one: of these it is not found out what they come by.
	longPart = 100
	// firstPart and firstTests are how much runs first, in parts of the suite's time, and tests.
	firstPart, firstTests = 400, 40
)

// reach finds out which tests come by which of n mutants.
func (s *suite) reach(n, jobs int, dir string) {
	s.reached = map[int][]string{}
	var quick []timed
	for _, t := range s.tests {
		if t.took <= s.took/longPart {
			quick = append(quick, t)
		}
	}
	marks := make([][]byte, len(quick))
	work := make(chan int)
	var wg sync.WaitGroup
	for j := range jobs {
		wg.Go(func() {
			file := filepath.Join(dir, fmt.Sprint("reached", j))
			for i := range work {
				write(file, make([]byte, n+1))
				if s.only(quick[i].name).passes(reachedVariable + "=" + file) {
					marks[i], _ = os.ReadFile(file)
				}
			}
		})
	}
	for i := range quick {
		work <- i
	}
	close(work)
	wg.Wait()
	for i, t := range quick {
		for id, mark := range marks[i] {
			if mark != 0 {
				s.reached[id] = append(s.reached[id], t.name)
			}
		}
	}
}

// order is what runs with a mutant: the quickest tests that come by it, the others that do, and, unless it must be quick, the
// rest.
func order(suites []*suite, id int, quick bool) (list []*suite) {
	var first, then, rest []*suite
	for _, s := range suites {
		names := s.reached[id]
		if len(names) == 0 {
			rest = append(rest, s)
			continue
		}
		n := s.first(names)
		first = append(first, s.only(names[:n]...))
		if n < len(names) {
			then = append(then, s.only(names[n:]...))
		}
		rest = append(rest, s.without(names...))
	}
	for _, s := range slices.Concat(first, then) {
		s.limit = quickly
	}
	if quick {
		rest = nil
	}
	return slices.Concat(first, then, rest)
}

// first is how many of the tests run first.
func (s *suite) first(names []string) (n int) {
	budget := s.took / firstPart
	for _, t := range s.tests {
		if n < len(names) && t.name == names[n] {
			if budget -= t.took; n > 0 && budget < 0 || n == firstTests {
				return n
			}
			n++
		}
	}
	return n
}
