//go:build !cgo

package needcgo

import _ "github.com/esock-go/esock/internal/needlinux"

const _ int = "esock needs cgo: set CGO_ENABLED=1 and install a C compiler"
