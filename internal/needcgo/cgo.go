//go:build cgo

// Package needcgo makes a build without cgo fail with one sentence instead of one error for each file.
//
// The root package imports it from a file without build tags. Without cgo, nothing that imports it is compiled.
package needcgo

import _ "github.com/esock-go/esock/internal/needlinux"
