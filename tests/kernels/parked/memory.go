package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
)

// processMemory is what a process has in use, in bytes.
type processMemory struct {
	Live     uint64 // objects of Go's heap that are reachable
	Stacks   uint64 // of goroutines
	Go       uint64 // all that Go has from the system: heap, stacks, and what the runtime keeps about them
	Resident uint64
}

// memory is what the processes and the kernel have in use.
type memory struct {
	processMemory
	slab   uint64            // the kernel's allocator of objects
	caches map[string]uint64 // by its caches; those of objects of one size may have one name
	pages  uint64            // tables of pages
	bufs   uint64            // of TCP
	used   uint64            // all that is no longer available, whoever has it
}

// measure collects garbage first, so that only what is needed remains.
func measure() processMemory {
	for range 3 { // finalizers and sync.Pool take two rounds
		runtime.GC()
	}
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return processMemory{Live: m.HeapAlloc, Stacks: m.StackInuse, Go: m.Sys - m.HeapReleased,
		Resident: keyed("/proc/self/smaps_rollup")["Rss"]}
}

func (m *memory) add(p processMemory) {
	m.Live += p.Live
	m.Stacks += p.Stacks
	m.Go += p.Go
	m.Resident += p.Resident
}

// kernel asks the kernel about itself.
func (m *memory) kernel() {
	info := keyed("/proc/meminfo")
	m.slab, m.pages, m.used = info["Slab"], info["PageTables"], info["MemTotal"]-info["MemAvailable"]
	m.caches, m.bufs = slabs(), tcpPages()*uint64(os.Getpagesize())
}

// keyed reads lines of the form "Name:  12 kB", in bytes.
func keyed(file string) map[string]uint64 {
	m := map[string]uint64{}
	text, _ := os.ReadFile(file)
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		if words := strings.Fields(value); len(words) == 2 && words[1] == "kB" {
			n, _ := strconv.ParseUint(words[0], 10, 64)
			m[name] = n << 10
		}
	}
	return m
}

// slabs are the bytes of objects in use of each of the kernel's caches: slabinfo(5), for root only.
func slabs() map[string]uint64 {
	m := map[string]uint64{}
	f, err := os.Open("/proc/slabinfo")
	if err != nil {
		return m
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var active, total, size uint64
		if words := strings.Fields(lines.Text()); len(words) > 3 {
			if _, err := fmt.Sscan(strings.Join(words[1:4], " "), &active, &total, &size); err == nil {
				m[words[0]] = active * size
			}
		}
	}
	return m
}

// tcpPages are the pages that buffers of TCP have.
func tcpPages() uint64 {
	text, _ := os.ReadFile("/proc/net/sockstat")
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "TCP:"); ok {
			words := strings.Fields(rest)
			if i := slices.Index(words, "mem"); i >= 0 && i+1 < len(words) {
				n, _ := strconv.ParseUint(words[i+1], 10, 64)
				return n
			}
		}
	}
	return 0
}

func number(file string) uint64 {
	text, _ := os.ReadFile(file)
	n, _ := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	return n
}

// line prints what one of n connections has added from before to after.
func line(what string, before, after memory, n int) {
	each := func(get func(*memory) uint64) int64 { return (int64(get(&after)) - int64(get(&before))) / int64(n) }
	resident, goes := each(func(m *memory) uint64 { return m.Resident }), each(func(m *memory) uint64 { return m.Go })
	fmt.Printf("%-21s process %5d: Go %d (objects %d, stacks %d), other %d; kernel: slab %d, page tables %d, buffers %d; machine %d\n",
		what, resident, goes, each(func(m *memory) uint64 { return m.Live }), each(func(m *memory) uint64 { return m.Stacks }),
		resident-goes, each(func(m *memory) uint64 { return m.slab }), each(func(m *memory) uint64 { return m.pages }),
		each(func(m *memory) uint64 { return m.bufs }), each(func(m *memory) uint64 { return m.used }))
	type cache struct {
		name string
		by   int64
	}
	var grown []cache
	for name, bytes := range after.caches {
		if by := (int64(bytes) - int64(before.caches[name])) / int64(n); by >= 32 {
			grown = append(grown, cache{name, by})
		}
	}
	slices.SortFunc(grown, func(a, b cache) int { return int(b.by - a.by) })
	for i, g := range grown {
		fmt.Printf("%s%s %d", map[bool]string{true: "    slab: ", false: ", "}[i == 0], g.name, g.by)
	}
	if len(grown) > 0 {
		fmt.Println()
	}
}
