//go:build !cgo

package needcgo

const _ int = "esock needs cgo: set CGO_ENABLED=1 and install a C compiler"
