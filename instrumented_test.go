//go:build race || asan || msan

package esock

// instrumented says that a detector or sanitizer is on: what it allocates is among what a test would count.
const instrumented = true
