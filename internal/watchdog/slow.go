//go:build race || asan || msan

package watchdog

// slowness is how many times longer tests may take with a detector or sanitizer.
const slowness = 4
