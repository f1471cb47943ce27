package main

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// output is where a command writes.
type output struct {
	io.Writer
	terminal bool
}

// errReported is the error of a command that has already printed what failed.
var errReported = errors.New("reported")

// isTerminal reports whether w is a terminal.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	raw, err := f.SyscallConn()
	if err != nil {
		return false
	}
	terminal := false
	err = raw.Control(func(fd uintptr) {
		_, err := unix.IoctlGetTermios(int(fd), unix.TCGETS)
		terminal = err == nil
	})
	return err == nil && terminal
}

// bold returns s with the codes that a terminal shows it in bold for; elsewhere, s. NO_COLOR switches it off
// (no-color.org).
func (o *output) bold(s string) string {
	if !o.terminal || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return s
	}
	return "\x1b[1m" + s + "\x1b[0m"
}

// writeJSON writes v as an indented document.
func (o *output) writeJSON(v any) error {
	e := json.NewEncoder(o)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// plain returns the text of an error without the library's name in front.
func plain(err error) string { return strings.TrimPrefix(err.Error(), "esock: ") }

// wrap breaks text into lines of at most width characters.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		switch {
		case line == "":
			line = word
		case len([]rune(line))+1+len([]rune(word)) > width:
			lines = append(lines, line)
			line = word
		default:
			line += " " + word
		}
	}
	return append(lines, line)
}

// shorten takes the middle out of text that is longer than width characters.
func shorten(text string, width int) string {
	r := []rune(text)
	if len(r) <= width || width < 5 {
		return text
	}
	head := width / 3
	return string(r[:head]) + "…" + string(r[len(r)-(width-head-1):])
}
