package main

import (
	"strings"
)

// didYouMean is "; did you mean x or y?" with the known words that are nearest to s, or else the list of all, if it is
// short.
func didYouMean(s string, known []string) string {
	best := 1 + (len(s)+1)/3
	var near []string
	for _, k := range known {
		d := distance(strings.ToLower(s), k)
		if strings.HasPrefix(k, strings.ToLower(s)) {
			d = min(d, 1)
		}
		switch {
		case d < best:
			best, near = d, []string{k}
		case d == best && len(near) > 0 && len(near) < 3:
			near = append(near, k)
		}
	}
	switch {
	case len(near) > 0:
		return "; did you mean " + oneOf(near) + "?"
	case len(known) > 0 && len(known) <= 16:
		return "; there is " + strings.Join(known, ", ")
	}
	return ""
}

// oneOf is "a", "a or b", "a, b or c".
func oneOf(list []string) string {
	last := len(list) - 1
	if last < 1 {
		return strings.Join(list, "")
	}
	return strings.Join(list[:last], ", ") + " or " + list[last]
}

// distance is how many letters must be put in, taken out, replaced, or swapped with their neighbour to make b of a.
func distance(a, b string) int {
	before, row := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		above := row
		row = make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(above[j]+1, row[j-1]+1, above[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before = above
	}
	return row[len(b)]
}
