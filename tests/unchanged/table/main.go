// Command table runs the tests of the directory above it, plain and with the race detector, and writes what was run as a
// table in Markdown. It fails if a test does.
//
//	go run ./table [-count N] [-o FILE]
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
)

// run is one line of the table.
type run struct {
	module, what string
	results      [2]string // plain, with -race
}

// event is a line of go test -json.
type event struct{ Action, Test, Output string }

func main() {
	count := flag.Int("count", 1, "how often each test runs")
	out := flag.String("o", "", "the file to write; standard output without it")
	flag.Parse()
	rows := map[string]*run{}
	var order []string
	failed := false
	for i, options := range [][]string{nil, {"-race"}} {
		if !test(i, append(options, fmt.Sprintf("-count=%d", *count)), rows, &order) {
			failed = true
		}
	}
	text := table(rows, order, *count)
	if *out == "" {
		os.Stdout.Write(text)
	} else if err := os.WriteFile(*out, text, 0o644); err != nil {
		fmt.Fprintln(os.Stderr, err)
		failed = true
	}
	if failed {
		os.Exit(1)
	}
}

// test runs the tests, and notes what they say about themselves and how they end.
func test(column int, options []string, rows map[string]*run, order *[]string) bool {
	cmd := exec.Command("go", append(append([]string{"test", "-json", "-timeout", "30m"}, options...), ".")...)
	cmd.Stderr = os.Stderr
	pipe, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return false
	}
	in := bufio.NewScanner(pipe)
	in.Buffer(nil, 1<<24)
	for in.Scan() {
		var e event
		if json.Unmarshal(in.Bytes(), &e) != nil {
			continue
		}
		if _, row, ok := strings.Cut(e.Output, "row\t"); ok && e.Action == "output" {
			module, what, _ := strings.Cut(strings.TrimSpace(row), "\t")
			if rows[e.Test] == nil {
				rows[e.Test] = &run{module: module, what: what}
				*order = append(*order, e.Test)
			}
		}
		if r := rows[e.Test]; r != nil && (e.Action == "pass" || e.Action == "fail" || e.Action == "skip") {
			r.results[column] = e.Action
		}
		if e.Action == "output" && strings.Contains(e.Output, "--- FAIL") {
			fmt.Fprint(os.Stderr, e.Output)
		}
	}
	return cmd.Wait() == nil
}

// versions are those of the modules that the tests use.
func versions() map[string]string {
	v := map[string]string{}
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Path}} {{.Version}}", "all").Output()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) == 2 {
			v[f[0]] = f[1]
		}
	}
	return v
}

func table(rows map[string]*run, order []string, count int) []byte {
	var b bytes.Buffer
	fmt.Fprint(&b, `<!-- Written by build/unchanged. Do not edit. -->
# Programs that run unchanged

Package [`+"`netconn`](../netconn)"+` makes esock's sockets connections of package net. The tests in
[`+"`tests/unchanged`](../tests/unchanged)"+` run the programs below over them, without a change and without an adapter of their own
except where the table says so.
`)
	if count > 1 {
		fmt.Fprintf(&b, "Each was run %d times.\n", count)
	}
	fmt.Fprint(&b, "\n| program | version | what was run | result | with -race |\n| --- | --- | --- | --- | --- |\n")
	v := versions()
	slices.SortStableFunc(order, func(a, b string) int { return strings.Compare(rank(rows[a].module), rank(rows[b].module)) })
	for _, name := range order {
		r := rows[name]
		version := v[r.module]
		module := "`" + r.module + "`"
		if std, ok := strings.CutPrefix(r.module, "std "); ok {
			module, version = "`"+std+"`", runtime.Version()
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", module, version, r.what, r.results[0], r.results[1])
	}
	fmt.Fprint(&b, notUnchanged)
	return b.Bytes()
}

// notUnchanged is the end of the page.
const notUnchanged = `
## What does not run unchanged

- **golang.org/x/net/ipv4 and ipv6**: the calls of a PacketConn or RawConn over a connection of this package fail with "invalid
  conn type". That module looks for the types of package net by name, and no type of another package passes. UDPConn has
  ReadBatch and WriteBatch with messages of the same form, ReadMsgUDP and WriteMsgUDP take the same control messages, and package
  sockopt has the options.
- **A type assertion to *net.TCPConn or the like**: it becomes *netconn.TCPConn. [netconn.md](netconn.md) lists the names.
- **net.Buffers.WriteTo**: it works, with a system call for each buffer. WriteBuffers makes one for all.
`

// rank puts Go's own library first.
func rank(module string) string {
	if strings.HasPrefix(module, "std ") {
		return " " + module
	}
	return module
}
