//go:build !race && !asan && !msan

package esock

const instrumented = false
