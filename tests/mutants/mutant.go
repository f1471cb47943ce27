package main

import (
	"bytes"
	"fmt"
	"strings"
)

// mutant is one small change of one file.
type mutant struct {
	id       int // from 1; what the variable is set to
	file     string
	line     int
	fn       string
	start    int    // what is changed,
	end      int    // in the file's bytes
	original string // as it is there
	mutated  string // what stands there instead; empty: nothing
	key      string // says which it is, also when lines have moved
	before   string // the line
	after    string
}

func newMutant(file string, src []byte, fn string, start, end int, mutated string) *mutant {
	m := &mutant{file: file, line: lineOf(src, start), fn: fn, start: start, end: end, original: string(src[start:end]), mutated: mutated}
	from := bytes.LastIndexByte(src[:start], '\n') + 1
	to := end
	if i := bytes.IndexByte(src[end:], '\n'); i >= 0 {
		to += i
	}
	m.before = squeeze(string(src[from:to]))
	m.after = squeeze(string(src[from:start]) + mutated + string(src[end:to]))
	return m
}

func lineOf(src []byte, offset int) int { return 1 + bytes.Count(src[:offset], []byte("\n")) }

// squeeze makes one line of s, without comments at the end of lines.
func squeeze(s string) string {
	var lines []string
	for l := range strings.Lines(s) {
		if code, _, ok := strings.Cut(l, " // "); ok {
			l = code
		}
		lines = append(lines, strings.Join(strings.Fields(l), " "))
	}
	return strings.TrimSpace(strings.Join(lines, " "))
}

// nameAll gives each mutant its key: file, function, the line as it is, and as it would be; if there are several such in the
// function, which one.
func nameAll(list []*mutant) {
	seen := map[string]int{}
	for _, m := range list {
		key := strings.TrimSpace(fmt.Sprintf("%s %s: %s => %s", m.file, m.fn, m.before, m.after))
		seen[key]++
		if n := seen[key]; n > 1 {
			key = fmt.Sprintf("%s #%d", key, n)
		}
		m.key = key
	}
}
