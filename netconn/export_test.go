package netconn

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// copyHeader writes a header as the kernel has it.
func copyHeader(to []byte, h *unix.Cmsghdr) { *(*unix.Cmsghdr)(unsafe.Pointer(&to[0])) = *h }
