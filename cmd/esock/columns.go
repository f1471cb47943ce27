package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"unicode/utf8"
)

// layOut returns a line for each row, with the cells in columns. right says which columns are aligned to the right; nil:
// none.
func layOut(rows [][]string, right func(column int) bool) []string {
	width := map[int]int{} // of the columns that are aligned to the right
	for _, row := range rows {
		for i, cell := range row {
			if right != nil && right(i) {
				width[i] = max(width[i], utf8.RuneCountInString(cell))
			}
		}
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 1, ' ', 0)
	for _, row := range rows {
		for i, cell := range row {
			fmt.Fprintf(w, "%*s\t", width[i], cell) // the writer aligns to the left
		}
		fmt.Fprintln(w)
	}
	w.Flush() // a strings.Builder takes everything
	lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
	for i, l := range lines {
		lines[i] = strings.TrimRight(l, " ")
	}
	return lines
}
