// Count tells exactly how many instructions, locked instructions and system calls an operation of esock and its peers costs.
//
// It steps through one thread of the program driver with ptrace, one instruction at a time, while all other threads are
// stopped. The driver has one processor, one seed and no garbage collector, so the number is the same every time, whatever
// else the machine does. The number is the median of some repetitions, less that of an empty operation: the scheduler and
// the allocators have work to do now and then, which the median leaves out.
//
//	build/bench count [--json FILE] [--check FILE] [--where] [NAME...]
package main

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// empty is the row that is subtracted from all others.
const empty = "nothing"

func main() {
	var o options
	flag.StringVar(&o.driver, "driver", os.Getenv("ESOCK_COUNT_DRIVER"), "count in this `PROGRAM`, tests/bench/count/driver built from another tree")
	flag.StringVar(&o.json, "json", "", "write the numbers to `FILE`, in place of those it has for the same rows")
	flag.StringVar(&o.check, "check", "", "compare with the numbers in `FILE`, and fail where esock's differ by more than 2 %")
	flag.BoolVar(&o.where, "where", false, "name the functions that the instructions are in")
	flag.IntVar(&o.repeat, "repeat", 15, "the median of `N` operations")
	flag.BoolVar(&o.esock, "esock", false, "leave the peers out")
	list := flag.Bool("list", false, "name the rows and stop")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: build/bench count [FLAGS] [NAME...]\n\nNAME chooses the rows that contain it.")
		flag.PrintDefaults()
	}
	flag.Parse()
	o.names = flag.Args()
	err := func() error {
		rows, err := listRows(o.driver)
		if err != nil || !*list {
			return cmp.Or(err, o.run(rows))
		}
		for _, r := range rows {
			fmt.Printf("%-16s %s (%s)\n", r.name, r.about, strings.Join(r.contenders, ", "))
		}
		return nil
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, "count:", err)
		os.Exit(1)
	}
}

type options struct {
	driver, json, check string
	where, esock        bool
	repeat              int
	names               []string
}

// A row is what the driver lists.
type row struct {
	name, about string
	contenders  []string
}

func listRows(driver string) ([]row, error) {
	out, err := exec.Command(driver, "--list").Output()
	if err != nil {
		return nil, fmt.Errorf("%s --list: %w", driver, err)
	}
	var rows []row
	for line := range strings.Lines(string(out)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(f) < 3 {
			return nil, fmt.Errorf("%s lists %q", driver, line)
		}
		rows = append(rows, row{f[0], f[1], f[2:]})
	}
	return rows, nil
}

// chosen are the rows whose name contains one of the names, or all, without the empty one.
func chosen(rows []row, names []string) []row {
	return slices.DeleteFunc(slices.Clone(rows), func(r row) bool {
		contains := func(n string) bool { return strings.Contains(r.name, n) }
		return r.name == empty || len(names) > 0 && !slices.ContainsFunc(names, contains)
	})
}

func (o *options) run(rows []row) error {
	rows = chosen(rows, o.names)
	if len(rows) == 0 {
		return fmt.Errorf("no row is called that; --list names them")
	}
	var before *report
	if o.check != "" {
		var err error
		if before, err = readReport(o.check); err != nil {
			return err
		}
	}
	now, err := o.count(rows)
	if err != nil {
		return err
	}
	writeTable(os.Stdout, now)
	if o.json != "" {
		if err := writeReport(o.json, now, len(o.names) > 0 || o.esock); err != nil {
			return err
		}
	}
	if before == nil {
		return nil
	}
	differences := compare(before, now)
	for _, d := range differences {
		fmt.Println(d)
	}
	if len(differences) > 0 {
		return fmt.Errorf("%d numbers are not those of %s", len(differences), o.check)
	}
	return nil
}

func (o *options) count(rows []row) (*report, error) {
	t, err := newTracer(o.driver)
	if err != nil {
		return nil, err
	}
	rep, err := toolsOf(o.driver)
	if err != nil {
		return nil, err
	}
	base, err := t.count(empty, nameEsock, o.repeat)
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		for _, c := range r.contenders {
			if o.esock && c != nameEsock {
				continue
			}
			got, err := t.count(r.name, c, o.repeat)
			if err != nil {
				return nil, fmt.Errorf("%s of %s: %w", r.name, c, err)
			}
			rep.Counts = append(rep.Counts, entry{r.name, c, got.cost.less(base.cost)})
			if o.where {
				fmt.Printf("%s, %s: %v with the loop, %v without\n", r.name, c, got.cost, got.cost.less(base.cost))
				got.writeFunctions(os.Stdout)
				fmt.Println()
			}
		}
	}
	return rep, nil
}
