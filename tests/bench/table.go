package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
)

var columns = []string{nameEsock, nameNet, nameSyscall, nameC}

// writeTable prints each figure as its median, with the least and most of its turns, and for peers the ratio of
// esock to them.
func writeTable(out io.Writer, rep *report) {
	fmt.Fprintf(out, "%s\n", rep.Machine)
	if rep.Quick {
		fmt.Fprintln(out, "quick: short turns, for a look only")
	}
	fmt.Fprintln(out)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "benchmark\tunit\tesock\tnet\tratio\tsyscall\tratio\tC\tratio\ttarget\t")
	targets, missed := 0, 0
	for i := range rep.Results {
		r := &rep.Results[i]
		cells := []string{r.Benchmark + " " + r.Metric, r.Unit}
		for _, c := range columns {
			f, ok := r.Figures[c]
			if ok {
				cells = append(cells, f.text())
			} else {
				cells = append(cells, "")
			}
			switch {
			case c == nameEsock:
			case ok && f.Ratio > 0:
				cells = append(cells, fmt.Sprintf("%.2f", f.Ratio))
			default:
				cells = append(cells, "")
			}
		}
		var wants, verdicts []string
		for _, v := range r.Targets {
			targets++
			wants = append(wants, v.wanted())
			if v.Met {
				verdicts = append(verdicts, "met")
			} else {
				missed++
				verdicts = append(verdicts, "MISSED "+short(v.Got))
			}
		}
		cells = append(cells, strings.Join(wants, ", "), strings.Join(verdicts, ", "))
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	w.Flush()
	fmt.Fprintf(out, "\n%d targets, %d missed; %.0f s\n", targets, missed, rep.Seconds)
}

func (f figure) text() string {
	if f.Min == f.Max {
		return short(f.Median)
	}
	return short(f.Median) + " (" + short(f.Min) + "-" + short(f.Max) + ")"
}

func (v verdict) wanted() string {
	s := "<= " + short(v.Limit)
	if v.Peer != "" {
		s += " x " + v.Peer
	}
	if v.Worst {
		s += " at worst"
	}
	return s
}

// short writes a number with about three digits.
func short(x float64) string {
	switch {
	case x >= 100:
		return strconv.FormatFloat(x, 'f', 0, 64)
	case x >= 10:
		return strconv.FormatFloat(x, 'f', 1, 64)
	}
	s := strconv.FormatFloat(x, 'f', 3, 64)
	s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	if s == "-0" {
		return "0"
	}
	return s
}
