// Command mutants makes small faults in esock, one at a time, and looks whether a test fails. build/mutants runs it.
package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// usual is what is mutated if nothing is named.
var usual = []string{"lane.go", "cancel.go", "park.go", "quick.go", "lowat.go", "call.go", "mailbox.go", "owner.go", "handle.go", "poll.go",
	"wait_channel.go", "deadline.go", "list.go", "pause.go", "forgotten.go", "close.go", "drain.go", "zerocopy_send.go",
	"zerocopy_book.go", "zerocopy_rest.go", "errqueue.go", "cmsg_err.go", "csrc/esock_count.c", "csrc/esock_cmsg.c"}

func main() {
	var (
		root    = flag.String("root", ".", "the checkout")
		list    = flag.Bool("list", false, "")
		shard   = flag.String("shard", "1/1", "")
		minutes = flag.Float64("minutes", 15, "")
		jobs    = flag.Int("j", 2, "")
		seed    = flag.Uint64("seed", 1, "")
		match   = flag.String("match", "", "")
		only    = flag.String("only", "", "")
		again   = flag.Bool("argued", false, "")
		cOnly   = flag.Bool("c-only", false, "")
		skip    = flag.String("skip", "", "")
		quick   = flag.Bool("quick", false, "")
		verbose = flag.Bool("v", false, "")
	)
	flag.Usage = func() { fmt.Fprintln(os.Stderr, "build/mutants --help says more") }
	flag.Parse()
	begin := time.Now()
	top, err := filepath.Abs(*root)
	if err != nil {
		fail("%v", err)
	}
	var part, parts int
	if n, err := fmt.Sscanf(*shard, "%d/%d", &part, &parts); n != 2 || err != nil || part < 1 || part > parts {
		fail("-shard %s: not like 1/3", *shard)
	}
	files := flag.Args()
	if len(files) == 0 {
		files = usual
	}
	arguments, err := readArguments(filepath.Join(top, "tests/mutants/equivalent.txt"))
	if err != nil {
		fail("%v", err)
	}

	var goFiles []*goFile
	var all []*mutant
	for _, path := range files {
		path = filepath.ToSlash(filepath.Clean(path))
		switch filepath.Ext(path) {
		case ".go":
			f, err := goMutants(top, path)
			if err != nil {
				fail("%v", err)
			}
			goFiles = append(goFiles, f)
			for _, w := range f.wraps {
				all = append(all, w.m)
			}
		case ".c":
			ms, err := cMutants(top, path)
			if err != nil {
				fail("%v", err)
			}
			all = append(all, ms...)
		default:
			fail("%s: neither Go nor C", path)
		}
	}
	nameAll(all)
	for i, m := range all {
		m.id = i + 1
	}
	// The whole order is mixed, and each part gets its share: what there is time for is a sample of everything.
	rand.New(rand.NewPCG(*seed, 0)).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	var lines []string
	if *only != "" {
		b, err := os.ReadFile(*only)
		if err != nil {
			fail("%v", err)
		}
		lines = strings.Split(string(b), "\n")
	}
	var chosen []*mutant
	reasons := map[*mutant]*argument{}
	skipped := 0
	for i, m := range all {
		a := argued(arguments, m)
		reasons[m] = a
		switch {
		case i%parts != part-1 || !strings.Contains(m.key, *match) || *only != "" && !slices.Contains(lines, m.key):
		case a != nil && !*again && !*list:
			skipped++
		default:
			chosen = append(chosen, m)
		}
	}
	stale := 0
	for _, a := range arguments {
		file, _, _ := strings.Cut(a.key, " ")
		if !a.used && slices.Contains(files, file) {
			fmt.Printf("argued, but there is no such mutant: %s\n", a.key)
			stale++
		}
	}
	if *list {
		slices.SortFunc(chosen, func(a, b *mutant) int { return a.id - b.id })
		for _, m := range chosen {
			fmt.Println(m.key)
			if a := reasons[m]; a != nil {
				fmt.Println("    argued:", a.reason)
			}
		}
		fmt.Printf("%d mutants\n", len(chosen))
		return
	}

	tmp, err := os.MkdirTemp("", "mutants")
	if err != nil {
		fail("%v", err)
	}
	defer os.RemoveAll(tmp)
	var suites []*suite
	var unbuildable []*mutant
	if slices.ContainsFunc(chosen, func(m *mutant) bool { return strings.HasSuffix(m.file, ".go") }) {
		suites, unbuildable = buildGo(top, tmp, goFiles)
		for _, s := range suites {
			s.skip = *skip
			s.baseline(variable + "=0")
		}
		start := time.Now()
		for _, s := range suites {
			s.reach(len(all), *jobs, tmp)
		}
		fmt.Printf("found out which tests come by which mutant, in %v\n", time.Since(start).Round(100*time.Millisecond))
	}
	var core *cBase
	if slices.ContainsFunc(chosen, func(m *mutant) bool { return strings.HasSuffix(m.file, ".c") }) {
		core = buildC(top, tmp)
		if !*cOnly {
			core.buildGo()
			for _, s := range core.suites {
				s.skip = *skip
				s.baseline("LD_LIBRARY_PATH=" + core.dir)
			}
		}
		core.baseline()
	}

	var mu sync.Mutex
	counts := map[verdict]int{}
	var survivors []*mutant
	work := make(chan *mutant)
	var wg sync.WaitGroup
	for j := range *jobs {
		wg.Go(func() {
			dir := mkdir(tmp, fmt.Sprint("job", j))
			for m := range work {
				start := time.Now()
				v, by := survived, ""
				switch {
				case *minutes > 0 && time.Since(begin).Minutes() > *minutes:
					v = untried
				case slices.Contains(unbuildable, m):
					v = unbuilt
				case strings.HasSuffix(m.file, ".c"):
					v, by = core.try(m, dir)
				default:
					v, by = try(order(suites, m.id, *quick), fmt.Sprintf("%s=%d", variable, m.id), variable+"=0")
				}
				mu.Lock()
				counts[v]++
				if v == survived {
					survivors = append(survivors, m)
				}
				switch {
				case v == survived && reasons[m] == nil, v == hung, *verbose && v != untried:
					fmt.Printf("%s:%d: %s %s (%v)\n    %s\n  - %s\n  + %s\n", m.file, m.line, v, by,
						time.Since(start).Round(100*time.Millisecond), m.key, m.before, m.after)
				}
				if (v == killed || v == hung) && reasons[m] != nil {
					fmt.Printf("%s:%d: argued, and killed by %s\n    %s\n", m.file, m.line, by, m.key)
				}
				mu.Unlock()
			}
		})
	}
	for _, m := range chosen {
		work <- m
	}
	close(work)
	wg.Wait()

	slices.SortFunc(survivors, func(a, b *mutant) int { return a.id - b.id })
	open := 0
	fmt.Println()
	for _, m := range survivors {
		if reasons[m] == nil {
			open++
			fmt.Println(m.key)
		}
	}
	fmt.Printf("\n%d mutants of %d: %d killed (%d of them by a hang), %d survived, %d of these not argued; %d argued and left out, "+
		"%d do not compile, %d not tried; %v, seed %d\n", len(chosen), len(all), counts[killed]+counts[hung], counts[hung], counts[survived], open,
		skipped, counts[unbuilt], counts[untried], time.Since(begin).Round(time.Second), *seed)
	if open > 0 || stale > 0 {
		os.RemoveAll(tmp)
		os.Exit(1)
	}
}

func mkdir(parts ...string) string {
	dir := filepath.Join(parts...)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		fail("%v", err)
	}
	return dir
}
