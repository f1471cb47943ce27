// Command table prints what the guests of build/kernels printed, as one table, and writes docs/kernels.md and what the kernels
// answered.
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
	capture := flag.String("capture", "", "also write what the kernels of x86-64 answered into this folder")
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
		if *capture != "" && run.Machine.Arch == "x86_64" {
			keep(filepath.Join(*capture, run.Machine.Version()), run.Files)
		}
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

// keep writes files into a folder.
func keep(dir string, files []kernels.File) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		fatal(err)
	}
	for _, f := range files {
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(f.Name)), []byte(f.Text), 0o644); err != nil {
			fatal(err)
		}
	}
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, "table:", err)
	os.Exit(1)
}
