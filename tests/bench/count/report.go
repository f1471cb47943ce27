package main

import (
	"cmp"
	"debug/buildinfo"
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
)

const nameEsock = "esock"

// A cost is what one operation needs, outside of the kernel.
type cost struct {
	Instructions int `json:"instructions"`
	Locked       int `json:"locked"`
	Syscalls     int `json:"syscalls"`
}

func (c cost) less(d cost) cost {
	return cost{c.Instructions - d.Instructions, c.Locked - d.Locked, c.Syscalls - d.Syscalls}
}

func (c cost) String() string { return fmt.Sprintf("%d/%d/%d", c.Instructions, c.Locked, c.Syscalls) }

// An entry is one number of docs/count.json.
type entry struct {
	Row       string `json:"row"`
	Contender string `json:"contender"`
	cost
}

// A report also names the compilers, because another one makes other instructions.
type report struct {
	Go     string  `json:"go"`
	C      string  `json:"c"`
	Counts []entry `json:"counts"`
}

func (r *report) of(row, contender string) (cost, bool) {
	i := slices.IndexFunc(r.Counts, func(e entry) bool { return e.Row == row && e.Contender == contender })
	if i < 0 {
		return cost{}, false
	}
	return r.Counts[i].cost, true
}

// toolsOf is a report without numbers: which compilers made the driver.
func toolsOf(driver string) (*report, error) {
	info, err := buildinfo.ReadFile(driver)
	if err != nil {
		return nil, err
	}
	rep := &report{Go: info.GoVersion}
	f, err := elf.Open(driver)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if s := f.Section(".comment"); s != nil {
		b, err := s.Data()
		if err != nil {
			return nil, err
		}
		rep.C, _, _ = strings.Cut(string(b), "\x00")
	}
	return rep, nil
}

func readReport(file string) (*report, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	rep := new(report)
	if err := json.Unmarshal(b, rep); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return rep, nil
}

// writeReport writes one entry a line. With merge, the entries that the file has and the report has not are kept.
func writeReport(file string, rep *report, merge bool) error {
	if merge {
		old, err := readReport(file)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err == nil {
			rep = merged(old, rep)
		}
	}
	var b strings.Builder
	tools, err := json.Marshal([]string{rep.Go, rep.C})
	if err != nil {
		return err
	}
	var compilers [2]json.RawMessage
	if err := json.Unmarshal(tools, &compilers); err != nil {
		return err
	}
	fmt.Fprintf(&b, "{\n  \"go\": %s,\n  \"c\": %s,\n  \"counts\": [", compilers[0], compilers[1])
	for i, e := range rep.Counts {
		line, err := json.Marshal(e)
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%s\n    %s", strings.Repeat(",", min(i, 1)), line)
	}
	b.WriteString("\n  ]\n}\n")
	return os.WriteFile(file, []byte(b.String()), 0o644)
}

// merged is old with the entries of now in their places, and new ones at the end.
func merged(old, now *report) *report {
	rep := &report{Go: now.Go, C: now.C, Counts: slices.Clone(old.Counts)}
	for _, e := range now.Counts {
		i := slices.IndexFunc(rep.Counts, func(o entry) bool { return o.Row == e.Row && o.Contender == e.Contender })
		if i < 0 {
			rep.Counts = append(rep.Counts, e)
		} else {
			rep.Counts[i] = e
		}
	}
	return rep
}

// writeTable prints a line for each row, and the instructions of esock over those of net.
func writeTable(out io.Writer, rep *report) {
	var rows, columns []string
	for _, e := range rep.Counts {
		if !slices.Contains(rows, e.Row) {
			rows = append(rows, e.Row)
		}
		if !slices.Contains(columns, e.Contender) {
			columns = append(columns, e.Contender)
		}
	}
	fmt.Fprintf(out, "%s, %s; instructions/locked/system calls\n\n", rep.Go, cmp.Or(rep.C, "an unknown C compiler"))
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "row\t%s\tesock/net\n", strings.Join(columns, "\t"))
	for _, row := range rows {
		fmt.Fprint(w, row)
		for _, c := range columns {
			got, ok := rep.of(row, c)
			fmt.Fprint(w, "\t")
			if ok {
				fmt.Fprint(w, got)
			}
		}
		fmt.Fprint(w, "\t")
		mine, ok := rep.of(row, nameEsock)
		if theirs, both := rep.of(row, "net"); ok && both && theirs.Instructions > 0 {
			fmt.Fprintf(w, "%.2f", float64(mine.Instructions)/float64(theirs.Instructions))
		}
		fmt.Fprintln(w)
	}
	w.Flush()
}
