package main

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
)

// The tables of docs/performance.md that a run writes. Each stands between two comments of that page.
var pageTables = []pageTable{
	{"netconn", netconnRows, netconnTable},
	{"engine", engineRows, engineTable},
}

type pageTable struct {
	name string // in the comment; docs has the figures in the file of that name
	rows []benchmark
	text func(rep *report) string
}

const pageEnd = "<!-- end -->\n"

func (t pageTable) begin() string { return "<!-- build/bench " + t.name + " -->\n" }

// in reports whether the run has rows of the table.
func (t pageTable) in(rep *report) bool {
	return slices.ContainsFunc(rep.Results, func(r result) bool { return rowOf(t.rows, r.Benchmark) != nil })
}

func rowOf(rows []benchmark, name string) *benchmark {
	if i := slices.IndexFunc(rows, func(b benchmark) bool { return b.name == name }); i >= 0 {
		return &rows[i]
	}
	return nil
}

// writePage puts the tables of the run into a page.
func writePage(file string, rep *report) error {
	page, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	for _, t := range pageTables {
		if t.in(rep) {
			if page, err = t.into(page, rep); err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
		}
	}
	return os.WriteFile(file, page, 0o644)
}

// into is the page with the table of a run.
func (t pageTable) into(page []byte, rep *report) ([]byte, error) {
	begin := t.begin()
	before, rest, found := bytes.Cut(page, []byte(begin))
	_, after, ended := bytes.Cut(rest, []byte(pageEnd))
	if !found || !ended {
		return nil, fmt.Errorf("no place for the table: %s%s", begin, pageEnd)
	}
	return bytes.Join([][]byte{before, []byte(begin + t.text(rep) + pageEnd), after}, nil), nil
}

// engineTable has a line for each figure of a row, and the peers with their ratios.
func engineTable(rep *report) string {
	b := new(strings.Builder)
	fmt.Fprintf(b, "%s:\n\n", rep.Machine)
	fmt.Fprintln(b, "| row | unit | epoll | io_uring | peers (ratio of epoll) | target |")
	fmt.Fprintln(b, "| --- | --- | ---: | ---: | --- | --- |")
	last := ""
	for i := range rep.Results {
		r := &rep.Results[i]
		row := rowOf(engineRows, r.Benchmark)
		if row == nil {
			continue
		}
		name := r.Metric
		if r.Benchmark != last {
			name = fmt.Sprintf("`%s`: %s; %s", r.Benchmark, row.about, r.Metric)
		}
		last = r.Benchmark
		var peers, targets []string
		for _, c := range columns {
			if f, ok := r.Figures[c]; ok && c != nameEsock && c != nameRing {
				peers = append(peers, fmt.Sprintf("%s %s (%.2f)", c, thousands(f.Median), f.Ratio))
			}
		}
		for _, v := range r.Targets {
			verdict := "met"
			if !v.Met {
				verdict = fmt.Sprintf("**missed** (%s)", short(v.Got))
			}
			targets = append(targets, strings.NewReplacer(">=", "≥", "<=", "≤", " x ", " × ").Replace(v.wanted())+": "+verdict)
		}
		ring := ""
		if f, ok := r.Figures[nameRing]; ok {
			ring = thousands(f.Median)
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s |\n", name, r.Unit, thousands(r.Figures[nameEsock].Median), ring,
			strings.Join(peers, ", "), strings.Join(targets, ", "))
	}
	return b.String()
}

// thousands is short, with commas.
func thousands(x float64) string {
	s := short(x)
	if x >= 1000 {
		for i := len(s) - 3; i > 0; i -= 3 {
			s = s[:i] + "," + s[i:]
		}
	}
	return s
}

// netconnTable is a table of the rows, and a sentence about memory.
func netconnTable(rep *report) string {
	b := new(strings.Builder)
	fmt.Fprintf(b, "%s:\n\n", rep.Machine)
	fmt.Fprintln(b, "| row | what | unit | time: netconn | `net` (ratio) | processor: netconn | `net` (ratio) | allocations | target |")
	fmt.Fprintln(b, "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | --- |")
	about := map[string]string{}
	for _, r := range netconnRows {
		about[r.name] = r.about
	}
	var memory []result
	for at := 0; at < len(rep.Results); at++ {
		r := &rep.Results[at]
		name, ours := strings.CutPrefix(r.Benchmark, "netconn-")
		switch {
		case !ours:
		case name == "idle":
			memory = append(memory, *r)
		case at+2 < len(rep.Results):
			cpu, allocs := &rep.Results[at+1], &rep.Results[at+2]
			unit, scale := scaled(r.Figures[nameEsock].Median)
			fmt.Fprintf(b, "| %s | %s | %s/%s | %s | %s | %s | %s | %s, `net` %s | %s |\n", r.Benchmark, about[r.Benchmark], unit, r.Metric,
				short(r.Figures[nameEsock].Median/scale), ratioCell(r, scale),
				short(cpu.Figures[nameEsock].Median/scale), ratioCell(cpu, scale),
				short(allocs.Figures[nameEsock].Median), short(allocs.Figures[nameNet].Median), verdictCell(cpu))
			at += 2
		}
	}
	if len(memory) > 0 {
		var parts []string
		for i := range memory {
			m := &memory[i]
			parts = append(parts, fmt.Sprintf("%s %s (`net` %s)", m.Metric, short(m.Figures[nameEsock].Median), short(m.Figures[nameNet].Median)))
		}
		fmt.Fprintf(b, "\nBytes of memory of an idle keep-alive connection of net/http's server: %s.\nThe ratio of the total is %.2f; target: %s.\n",
			strings.Join(parts, ", "), memory[0].Figures[nameNet].Ratio, verdictCell(&memory[0]))
	}
	return b.String()
}

// ratioCell is net's median, and the ratio to it.
func ratioCell(r *result, scale float64) string {
	f := r.Figures[nameNet]
	return fmt.Sprintf("%s (%.2f)", short(f.Median/scale), f.Ratio)
}

func verdictCell(r *result) string {
	var parts []string
	for _, v := range r.Targets {
		if v.Met {
			parts = append(parts, fmt.Sprintf("≤ %s × net: met", short(v.Limit)))
		} else {
			parts = append(parts, fmt.Sprintf("≤ %s × net: **missed** (%.2f)", short(v.Limit), v.Got))
		}
	}
	return strings.Join(parts, ", ")
}

// scaled is the unit in which nanoseconds are easily read.
func scaled(ns float64) (unit string, scale float64) {
	switch {
	case ns >= 1e7:
		return "ms", 1e6
	case ns >= 1e4:
		return "µs", 1e3
	}
	return "ns", 1
}
