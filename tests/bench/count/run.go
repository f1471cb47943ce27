package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// A run is one operation: its cost, and how often each place was executed.
type run struct {
	cost   cost
	places map[uint64]*place // by address
	calls  []int             // numbers of the system calls, in their order
	symbol func(address uint64) string
}

// A place is an instruction.
type place struct {
	class class
	times int
}

// median is the operation whose number of instructions is in the middle.
func median(runs []run) run {
	runs = slices.Clone(runs)
	slices.SortStableFunc(runs, func(a, b run) int { return cmp.Compare(a.cost.Instructions, b.cost.Instructions) })
	return runs[len(runs)/2]
}

// writeFunctions prints the functions of a run, those with the most instructions first.
func (r *run) writeFunctions(out io.Writer) {
	byName := map[string]cost{}
	for at, p := range r.places {
		name := r.symbol(at)
		c := byName[name]
		c.Instructions += p.times
		if p.class.locked {
			c.Locked += p.times
		}
		byName[name] = c
	}
	var names []string
	for name := range byName {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(byName[b].Instructions, byName[a].Instructions), cmp.Compare(a, b))
	})
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "instructions\tlocked\t\tfunction")
	for _, name := range names {
		fmt.Fprintf(w, "%d\t%d\t\t%s\n", byName[name].Instructions, byName[name].Locked, name)
	}
	w.Flush()
	if len(r.calls) > 0 {
		var calls []string
		for _, c := range r.calls {
			calls = append(calls, callName(c))
		}
		fmt.Fprintln(out, "system calls:", strings.Join(calls, ", "))
	}
}
