package main

import (
	"slices"
	"strings"
)

// A grid is a table in columns: the only one that commands print.
type grid struct {
	head  [][]string // its lines
	rows  [][]string
	right func(column int) bool         // which columns are aligned to the right; nil: none
	shade func(cell string) colour      // of the cells of rows; nil: none
	below func(row, width int) []string // lines that follow a row; nil: none

	// keys is how many columns say what the row is about. Where the table is wider than the page, the columns that do not
	// fit follow in further tables, each of which begins with the keys. If keys is 0, they follow on further lines of their
	// row.
	keys int
}

// lines lays the grid out for a page.
func (o *output) lines(g grid) []string {
	l := &layout{grid: g, o: o, widths: g.widths()}
	all := make([]int, len(l.widths))
	for i := range all {
		all[i] = i
	}
	if !o.fits(l.width(all)) { // columns without anything in them go first
		all = slices.DeleteFunc(all, func(i int) bool {
			return !slices.ContainsFunc(g.rows, func(row []string) bool { return row[i] != "" })
		})
	}
	if g.keys > 0 {
		return l.blocks(all[:min(g.keys, len(all))], all[min(g.keys, len(all)):])
	}
	return l.block(l.parts(nil, all))
}

// layout is a grid that is laid out.
type layout struct {
	grid
	o      *output
	widths []int
}

// width is that of all columns side by side.
func (g *grid) width() int {
	total := -1
	for _, w := range g.widths() {
		total += w + 1
	}
	return max(total, 0)
}

// drop removes a column.
func (g *grid) drop(column int) {
	for _, rows := range [][][]string{g.head, g.rows} {
		for i, row := range rows {
			rows[i] = slices.Delete(slices.Clone(row), column, column+1)
		}
	}
}

// widths are the widths of the columns.
func (g *grid) widths() []int {
	var w []int
	for _, row := range slices.Concat(g.head, g.rows) {
		w = append(w, make([]int, max(0, len(row)-len(w)))...)
		for i, cell := range row {
			w[i] = max(w[i], length(cell))
		}
	}
	return w
}

// width is that of these columns side by side.
func (l *layout) width(columns []int) int {
	total := max(0, len(columns)-1)
	for _, i := range columns {
		total += l.widths[i]
	}
	return total
}

// parts divides columns into those that fit the page side by side. before are in front of each part; without them all parts
// but the first are indented.
func (l *layout) parts(before, columns []int) (parts [][]int) {
	for len(columns) > 0 {
		shift := 0
		if len(before) == 0 && len(parts) > 0 {
			shift = len(indent)
		}
		n := 1
		for n < len(columns) && l.o.fits(shift+l.width(slices.Concat(before, columns[:n+1]))) {
			n++
		}
		parts, columns = append(parts, slices.Concat(before, columns[:n])), columns[n:]
	}
	return parts
}

// blocks gives a table for each part of the columns, with the keys in front.
func (l *layout) blocks(keys, columns []int) (lines []string) {
	for i, part := range l.parts(keys, columns) {
		if i > 0 {
			lines = append(lines, "")
		}
		lines = append(lines, l.block([][]int{part})...)
	}
	return lines
}

// block gives one table, whose rows have a line for each part.
func (l *layout) block(parts [][]int) (lines []string) {
	for _, row := range l.head {
		for _, line := range l.row(row, parts, nil) {
			if line != "" {
				lines = append(lines, l.o.bold(line))
			}
		}
	}
	for i, row := range l.rows {
		lines = append(lines, l.row(row, parts, l.shade)...)
		if l.below != nil {
			lines = append(lines, l.below(i, l.o.prose())...)
		}
	}
	return lines
}

// row gives the lines of a row. Parts after the first in which it has nothing are left out.
func (l *layout) row(cells []string, parts [][]int, shade func(string) colour) (lines []string) {
	for n, part := range parts {
		shift := ""
		if n > 0 {
			shift = indent
		}
		if len(part) == 1 && !l.o.fits(len(shift)+length(cells[part[0]])) {
			for _, piece := range cut(cells[part[0]], l.o.columns-len(shift)) {
				lines = append(lines, shift+piece)
			}
			continue
		}
		var b strings.Builder
		b.WriteString(shift)
		blank := 0
		for _, i := range part {
			cell, fill := cells[i], l.widths[i]-length(cells[i])
			if l.right != nil && l.right(i) {
				blank, fill = blank+fill, 0
			}
			if cell != "" {
				b.WriteString(strings.Repeat(" ", blank))
				if shade != nil {
					cell = l.o.in(shade(cell), cell)
				}
				b.WriteString(cell)
				blank = 0
			}
			blank += fill + 1
		}
		if line := b.String(); n == 0 || line != shift {
			lines = append(lines, strings.TrimRight(line, " "))
		}
	}
	return lines
}
