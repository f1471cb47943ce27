package main

import (
	"fmt"
	"math"
	"runtime"
)

// Allocations in the steady state, on both sides of whatever a row does; and the goroutines that are more at the end.
var allocs = benchmark{
	name:       "allocs",
	about:      "allocations per operation, in the steady state",
	metrics:    allocMetrics(),
	turns:      5,
	contenders: []contender{{nameEsock, openAllocs}},
}

// An allocRow is one thing done again and again.
type allocRow struct {
	name  string
	limit float64
	open  func() (op func() error, done func(), err error)
}

func allocMetrics() []metric {
	var ms []metric
	for _, r := range allocRows {
		ms = append(ms, metric{name: r.name, unit: "allocs/op", targets: []target{{limit: r.limit}}})
	}
	return append(ms, metric{name: "goroutines left", unit: "goroutines", targets: []target{{limit: 0}}})
}

func openAllocs(e effort) (*session, error) {
	n := pick(e, 2000, 400)
	ops := make([]func() error, len(allocRows))
	var dones []func()
	for i, r := range allocRows {
		op, done, err := r.open()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.name, err)
		}
		ops[i] = op
		dones = append(dones, done)
	}
	turn := func() ([]float64, error) {
		var values []float64
		for i, op := range ops {
			for range 50 {
				if err := op(); err != nil {
					return nil, fmt.Errorf("%s: %w", allocRows[i].name, err)
				}
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for range n {
				if err := op(); err != nil {
					return nil, fmt.Errorf("%s: %w", allocRows[i].name, err)
				}
			}
			runtime.ReadMemStats(&after)
			// The runtime itself allocates now and then: what is not one in fifty is not the operation's.
			each := float64(after.Mallocs-before.Mallocs) / float64(n)
			values = append(values, math.Floor(each*50)/50)
		}
		return append(values, 0), nil
	}
	counted := func() ([]float64, error) {
		before := runtime.NumGoroutine()
		values, err := turn()
		if err == nil {
			values[len(values)-1] = float64(runtime.NumGoroutine() - before)
		}
		return values, err
	}
	return &session{counted, func() {
		for _, done := range dones {
			done()
		}
	}}, nil
}
