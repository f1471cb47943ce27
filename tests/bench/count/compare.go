package main

import "fmt"

// tolerance is the difference that is no news, in per cent.
const tolerance = 2

// compare names each row of esock's in which a number of now is further from that of before than the tolerance. What the
// peers cost is for reading: esock's authors cannot change it. Rows that only before has were not counted this time.
func compare(before, now *report) (differences []string) {
	for _, e := range now.Counts {
		if e.Contender != nameEsock {
			continue
		}
		was, ok := before.of(e.Row, nameEsock)
		if !ok {
			differences = append(differences, fmt.Sprintf("%s: there is no number yet; %s", e.Row, record(e.Row)))
			continue
		}
		for _, m := range []struct {
			unit     string
			was, now int
		}{
			{"instructions", was.Instructions, e.Instructions},
			{"locked instructions", was.Locked, e.Locked},
			{"system calls", was.Syscalls, e.Syscalls},
		} {
			if d := difference(m.was, m.now); d != "" {
				differences = append(differences, fmt.Sprintf("%s: %s: %d %s instead of %d%s", e.Row, d, m.now, m.unit, m.was, hint(d, e.Row)))
			}
		}
	}
	if len(differences) > 0 && (before.Go != now.Go || before.C != now.C) {
		differences = append(differences, fmt.Sprintf("the compilers are not the same: %s and %q then, %s and %q now", before.Go, before.C, now.Go, now.C))
	}
	return differences
}

const slower, faster = "slower", "faster"

func difference(was, now int) string {
	switch {
	case (now-was)*100 > was*tolerance:
		return slower
	case (was-now)*100 > was*tolerance:
		return faster
	}
	return ""
}

func hint(d, row string) string {
	if d == faster {
		return "; " + record(row)
	}
	return "; build/bench count --where " + row + " names the functions"
}

func record(row string) string { return "record it: build/bench count --json docs/count.json " + row }
