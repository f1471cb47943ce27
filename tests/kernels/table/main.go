// Command table prints what the guests of build/kernels printed, as one table, and writes docs/kernels.md.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/esock-go/esock/tests/kernels"
)

func main() {
	page := flag.String("o", "", "also write this page")
	flag.Parse()
	var runs []kernels.Run
	for _, file := range flag.Args() {
		text, err := os.ReadFile(file)
		if err != nil {
			fatal(err)
		}
		run, err := kernels.ParseConsole(string(text))
		if err != nil {
			fatal(fmt.Errorf("%s: %w", file, err))
		}
		if run.Machine.Kernel == "" { // it did not come as far as that
			run.Machine.Kernel = strings.TrimSuffix(filepath.Base(file), ".console")
		}
		if !run.Ended {
			lines := strings.Split(strings.TrimSpace(string(text)), "\n")
			run.Results = append(run.Results, kernels.Result{Suite: "(end)", Failed: []kernels.Failure{{
				Test: "the guest did not end", Output: strings.Join(lines[max(0, len(lines)-20):], "\n") + "\n"}}})
		}
		runs = append(runs, run)
	}
	fmt.Print(kernels.Text(runs))
	if *page != "" {
		if err := os.WriteFile(*page, []byte(kernels.Page(runs, time.Now())), 0o644); err != nil {
			fatal(err)
		}
	}
	for _, run := range runs {
		for _, r := range run.Results {
			if len(r.Failed) > 0 {
				os.Exit(1)
			}
		}
	}
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, "table:", err)
	os.Exit(1)
}
