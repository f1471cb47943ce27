package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// columns are the contenders, esock first. A table has those that its rows have.
var columns = []string{nameEsock, nameNet, nameSyscall, nameC, nameDecoder, nameHand, nameReader, nameScanner, nameNetHTTP,
	nameFasthttp, nameErlang, nameErlangInet, nameErlangSocket, nameNginx, nameRing, nameCRing, nameGnet, nameNetpoll, nameXNet, nameGentcp, nameSelect}

// writeTable prints each figure as its median, with the least and most of its turns, and for peers the ratio of
// esock to them. Each group has a table.
func writeTable(out io.Writer, rep *report) {
	fmt.Fprintf(out, "%s\n", rep.Machine)
	if rep.Quick {
		fmt.Fprintln(out, "quick: short turns, for a look only")
	}
	targets, missed := 0, 0
	for rest := rep.Results; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].group == rest[0].group {
			n++
		}
		fmt.Fprintln(out)
		t, m := writeGroup(out, rest[:n])
		targets, missed = targets+t, missed+m
		rest = rest[n:]
	}
	fmt.Fprintf(out, "\n%d targets, %d missed; %.0f s\n", targets, missed, rep.Seconds)
}

func writeGroup(out io.Writer, results []result) (targets, missed int) {
	var present []string
	for _, c := range columns {
		if slices.ContainsFunc(results, func(r result) bool { _, ok := r.Figures[c]; return ok }) {
			present = append(present, c)
		}
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	head := []string{"benchmark", "unit"}
	for _, c := range present {
		head = append(head, c)
		if c != nameEsock {
			head = append(head, "ratio")
		}
	}
	fmt.Fprintln(w, strings.Join(append(head, "target"), "\t")+"\t")
	for i := range results {
		r := &results[i]
		cells := []string{r.Benchmark + " " + r.Metric, r.Unit}
		for _, c := range present {
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
	return targets, missed
}

func (f figure) text() string {
	if f.Min == f.Max {
		return short(f.Median)
	}
	return short(f.Median) + " (" + short(f.Min) + "-" + short(f.Max) + ")"
}

func (v verdict) wanted() string {
	s := "<= " + short(v.Limit)
	if v.Least {
		s = ">= " + short(v.Limit)
	}
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
