package main

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// System calls that the scheduler does not hear of.

func bareWrite(fd int, b []byte) error {
	if _, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b))); errno != 0 {
		return errno
	}
	return nil
}

func bareRead(fd int, b []byte) error {
	if _, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b))); errno != 0 {
		return errno
	}
	return nil
}
