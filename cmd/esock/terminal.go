package main

import (
	"io"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// isTerminal reports whether w is a terminal.
func isTerminal(w io.Writer) bool {
	return control(w, func(fd int) error {
		_, err := unix.IoctlGetTermios(fd, unix.TCGETS)
		return err
	}) == nil
}

// narrowest is the narrowest page that is laid out for. What is narrower still gets longer lines.
const narrowest = 40

// columnsOf returns the width of the page that w is: what COLUMNS says, as POSIX has it, or else the terminal; 0 if w is no
// terminal.
func columnsOf(w io.Writer) int {
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n > 0 {
		return max(n, narrowest)
	}
	if !isTerminal(w) {
		return 0
	}
	columns := plainWidth
	control(w, func(fd int) error {
		size, err := unix.IoctlGetWinsize(fd, unix.TIOCGWINSZ)
		if err == nil && size.Col > 0 { // 0: the terminal does not know
			columns = max(int(size.Col), narrowest)
		}
		return err
	})
	return columns
}

// control calls f with the descriptor of w, and returns its error. What has no descriptor is an error, too.
func control(w io.Writer, f func(fd int) error) error {
	file, ok := w.(*os.File)
	if !ok {
		return os.ErrInvalid
	}
	raw, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = f(int(fd)) }); err != nil {
		return err
	}
	return failed
}
