// Package ctext is the rule for text that goes to C.
package ctext

import "strings"

// Cause says why s cannot become a C string, "" if it can. C ends a string at its first NUL, so that the rest of one
// that has a NUL would be dropped without a word, and another file, device or algorithm be meant.
func Cause(s string) string {
	if strings.IndexByte(s, 0) >= 0 {
		return "it has a NUL, where C would end it"
	}
	return ""
}
