package main

import (
	"io"
	"os"
	"runtime"
	"runtime/pprof"
)

// init counts every allocation when a heap profile is asked for.
func init() {
	if os.Getenv("ESOCK_BENCH_HEAP") != "" {
		runtime.MemProfileRate = 1
	}
}

func heapProfile(w io.Writer) error {
	runtime.GC()
	return pprof.Lookup("heap").WriteTo(w, 0)
}

// profileTo profiles the processor time until stop is called.
func profileTo(file string) (stop func(), err error) {
	f, err := os.Create(file)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, err
	}
	return func() { pprof.StopCPUProfile(); f.Close() }, nil
}
