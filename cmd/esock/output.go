package main

import (
	"encoding/json"
	"errors"
	"io"
	"math"
	"os"
	"strings"
	"unicode/utf8"
)

// output is where a command writes.
type output struct {
	io.Writer
	terminal bool
	columns  int // how wide the page is; 0: nothing says, so a row of a table has one line, however long
}

func newOutput(w io.Writer) *output {
	return &output{Writer: w, terminal: isTerminal(w), columns: columnsOf(w)}
}

// Widths of text, in characters.
const (
	plainWidth = 80  // without a terminal, where nothing else is said
	proseWidth = 100 // longer lines are hard to read
)

// prose is the width of running text.
func (o *output) prose() int {
	if o.columns == 0 {
		return plainWidth
	}
	return min(o.columns, proseWidth)
}

// fits reports whether a line of this width fits the page.
func (o *output) fits(width int) bool { return o.columns == 0 || width <= o.columns }

// errReported is the error of a command that has already printed what failed.
var errReported = errors.New("reported")

// A colour is what a terminal is told to show text in (ECMA-48, select graphic rendition).
type colour string

const (
	bold   colour = "1"
	faint  colour = "2"
	red    colour = "31"
	green  colour = "32"
	yellow colour = "33"
)

// in returns s with the codes that a terminal shows it in the colour for; elsewhere, s. NO_COLOR switches it off
// (no-color.org).
func (o *output) in(c colour, s string) string {
	if c == "" || s == "" || !o.terminal || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return s
	}
	return "\x1b[" + string(c) + "m" + s + "\x1b[0m"
}

func (o *output) bold(s string) string { return o.in(bold, s) }

// writeJSON writes v as an indented document.
func (o *output) writeJSON(v any) error {
	e := json.NewEncoder(o)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// writeLines writes lines in one piece.
func (o *output) writeLines(lines []string) error {
	_, err := io.WriteString(o, strings.Join(lines, "\n")+"\n")
	return err
}

// indented are lines with shift in front.
func indented(shift string, lines []string) []string {
	for i, l := range lines {
		lines[i] = strings.TrimRight(shift+l, " ")
	}
	return lines
}

// writePairs writes names and values in two columns.
func (o *output) writePairs(pairs [][2]string) error {
	const left = 16
	var all []string
	for _, p := range pairs {
		for i, l := range o.wrap(p[1], left) {
			name := p[0]
			if i > 0 {
				name = ""
			}
			all = append(all, strings.TrimRight(padded(name, left)+l, " "))
		}
	}
	return o.writeLines(all)
}

// plain returns the text of an error without the library's name in front.
func plain(err error) string { return strings.TrimPrefix(err.Error(), "esock: ") }

// wrap breaks text into lines beside a margin. A longer word is cut on a page of known width only: programs look for words.
func (o *output) wrap(text string, margin int) []string {
	width := max(o.prose()-margin, 1)
	if o.columns > 0 {
		return wrapped(text, width, width)
	}
	return wrapped(text, width, math.MaxInt)
}

// wrap breaks text into lines of at most width characters. A longer word is cut.
func wrap(text string, width int) []string { return wrapped(text, max(width, 1), max(width, 1)) }

func wrapped(text string, width, longest int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && length(line)+1+length(word) <= width {
			line += " " + word
			continue
		}
		if line != "" {
			lines = append(lines, line)
		}
		pieces := cut(word, longest)
		lines = append(lines, pieces[:len(pieces)-1]...)
		line = pieces[len(pieces)-1]
	}
	return append(lines, line)
}

// cut breaks text into pieces of width characters; the last may be shorter.
func cut(text string, width int) (pieces []string) {
	r := []rune(text)
	for len(r) > width {
		pieces, r = append(pieces, string(r[:width])), r[width:]
	}
	return append(pieces, string(r))
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

// shorten shortens text that has a line beside a margin, on a page of known width.
func (o *output) shorten(text string, margin int) string {
	if o.columns == 0 {
		return text
	}
	return shorten(text, o.prose()-margin)
}

// length is the number of characters of a text.
func length(s string) int { return utf8.RuneCountInString(s) }

// padded is text with blanks up to width characters.
func padded(s string, width int) string { return s + strings.Repeat(" ", max(0, width-length(s))) }
