//go:build !race && !asan && !msan

package watchdog

const slowness = 1
