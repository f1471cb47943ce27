package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
)

// The rows of netconn as the table of docs/performance.md, which stands between two comments of that page.
const pageBegin, pageEnd = "<!-- build/bench netconn -->\n", "<!-- end -->\n"

// writePage puts the table into a page.
func writePage(file string, rep *report) error {
	page, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	page, err = withTable(page, netconnTable(rep))
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return os.WriteFile(file, page, 0o644)
}

// withTable is the page with another table.
func withTable(page []byte, table string) ([]byte, error) {
	before, rest, found := bytes.Cut(page, []byte(pageBegin))
	_, after, ended := bytes.Cut(rest, []byte(pageEnd))
	if !found || !ended {
		return nil, fmt.Errorf("no place for the table: %s%s", pageBegin, pageEnd)
	}
	return bytes.Join([][]byte{before, []byte(pageBegin + table + pageEnd), after}, nil), nil
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
