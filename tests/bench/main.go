// Bench measures esock beside its peers: Go's net, bare system calls, and a C program without esock; Erlang, bufio,
// net/http, fasthttp and nginx.
//
// All contenders of a benchmark take turns in one run, so that a machine that gets slower or faster meanwhile does so
// for all of them. Every figure is the median of its turns; the ratio is esock's median over the peer's.
//
//	build/bench [--quick] [--json FILE] [--svg FILE] [--page FILE] [NAME...]
//
// NAME chooses the benchmark of that name, or those whose name contains it. ESOCK_PEER is the C program, ESOCK_ERLANG the directory of the
// compiled bench_peer.erl, ESOCK_COMMAND the command esock, ESOCK_UNCHANGED the test program of tests/unchanged; build/bench makes
// them.
package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// benchmarks, in the order of the table.
var benchmarks = slices.Concat([]benchmark{ready, blocked, processes, processesSpin, stream, sendfile, accept, openClose,
	openBindClose, recvmsg, udp, udpEight, udpEcho, decode, idle, allocs, frames, lines, heads, echo1, echo200, echoActive1, echoActive200, serve},
	engineRows, netconnRows, datagramRows)

func main() {
	if len(os.Args) > 1 && os.Args[1] == childWord {
		child(os.Args[2:])
		return
	}
	quick := flag.Bool("quick", false, "shorter turns: for a look, not for figures to quote")
	jsonFile := flag.String("json", "", "write the figures to `FILE`")
	svgFile := flag.String("svg", "", "write a picture of them to `FILE`")
	pageFile := flag.String("page", "", "put the rows of netconn into the table of the page `FILE`")
	cpuProfile := flag.String("cpuprofile", "", "write a processor profile of the run to `FILE`")
	list := flag.Bool("list", false, "name the benchmarks and stop")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: build/bench [FLAGS] [NAME...]\n\nNAME chooses the benchmarks that contain it.")
		flag.PrintDefaults()
	}
	flag.Parse()
	if *list {
		for _, b := range benchmarks {
			fmt.Printf("%-16s %s\n", b.name, b.about)
		}
		return
	}
	if *cpuProfile != "" {
		stop, err := profileTo(*cpuProfile)
		if err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		defer stop()
	}
	if err := runAll(effort{quick: *quick}, flag.Args(), *jsonFile, *svgFile, *pageFile); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// wanted reports whether a benchmark is to run: one that is called by its whole name, or whose name contains another one.
func wanted(b *benchmark, names []string) bool {
	return len(names) == 0 && !b.asked || slices.ContainsFunc(names, func(n string) bool {
		whole := slices.ContainsFunc(benchmarks, func(b benchmark) bool { return b.name == n })
		return b.name == n || !whole && strings.Contains(b.name, n)
	})
}

func runAll(e effort, names []string, jsonFile, svgFile, pageFile string) error {
	start := time.Now()
	var results []result
	for _, b := range benchmarks {
		if !wanted(&b, names) {
			continue
		}
		fmt.Fprintf(os.Stderr, "%s: %s\n", b.name, b.about)
		rs, err := b.run(e)
		if err != nil {
			return fmt.Errorf("%s: %w", b.name, err)
		}
		results = append(results, rs...)
	}
	if len(results) == 0 {
		return fmt.Errorf("no benchmark is called that; --list names them")
	}
	rep := report{Machine: thisMachine(), Quick: e.quick, Results: results}
	rep.Seconds = time.Since(start).Seconds()
	writeTable(os.Stdout, &rep)
	if jsonFile != "" {
		if err := writeJSON(jsonFile, &rep); err != nil {
			return err
		}
	}
	if pageFile != "" {
		if err := writePage(pageFile, &rep); err != nil {
			return err
		}
	}
	if svgFile != "" {
		return os.WriteFile(svgFile, []byte(picture(&rep)), 0o644)
	}
	return nil
}
