package main

import (
	"strings"

	"github.com/hbollon/go-edlib"
)

// didYouMean returns "; did you mean x or y?" with the known words that are nearest to s, or else a list of all words if it
// is short.
func didYouMean(s string, known []string) string {
	best := 1 + (len(s)+1)/3
	var near []string
	for _, k := range known {
		d := edlib.OSADamerauLevenshteinDistance(strings.ToLower(s), k) // a swap of neighbours is one step
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
		return "; choose from " + strings.Join(known, ", ")
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
