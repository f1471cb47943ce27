// Package plain is how values look as plain data: numbers that have names, integers of any Go type, and maps that are read
// key by key, so that a key which is missing, unknown or wrong can be named in an error.
package plain

import (
	"strconv"
	"strings"
)

// Names is a table of numbers and their names. Each name has one number. The first name of a number is the one that is
// printed; the others are aliases, which are only read.
type Names []struct {
	Number int
	Text   string
}

// Text returns the name of a number.
func (t Names) Text(number int) (string, bool) {
	for i := range t {
		if t[i].Number == number {
			return t[i].Text, true
		}
	}
	return "", false
}

// Number returns the number of a name.
func (t Names) Number(text string) (int, bool) {
	for i := range t {
		if t[i].Text == text {
			return t[i].Number, true
		}
	}
	return 0, false
}

// List has the names, with commas between them.
func (t Names) List() string {
	all := make([]string, len(t))
	for i := range t {
		all[i] = t[i].Text
	}
	return strings.Join(all, ", ")
}

// Spell returns the name of a number, or its digits: what String methods print.
func (t Names) Spell(number int) string {
	if s, ok := t.Text(number); ok {
		return s
	}
	return strconv.Itoa(number)
}

// Value returns the name of a number, or the number itself: what maps hold.
func (t Names) Value(number int) any {
	if s, ok := t.Text(number); ok {
		return s
	}
	return number
}

// Parse reads a name, or the digits of a number that fits a C int.
func (t Names) Parse(text string) (int, bool) {
	if n, ok := t.Number(text); ok {
		return n, true
	}
	n, err := strconv.ParseInt(text, 10, 32)
	return int(n), err == nil
}

// Bits returns the names of the bits that are set, in the table's order, and those without a name as rest.
func (t Names) Bits(set int) (names []string, rest int) {
	for i := range t {
		if set&t[i].Number != 0 {
			names = append(names, t[i].Text)
			set &^= t[i].Number
		}
	}
	return names, set
}

// SpellBits returns the names of the bits that are set with bars between them, and the others in hexadecimal at the end.
func (t Names) SpellBits(set int) string {
	names, rest := t.Bits(set)
	if rest != 0 {
		names = append(names, "0x"+strconv.FormatUint(uint64(uint32(rest)), 16))
	}
	return strings.Join(names, "|")
}

// FlagList is a set of flags as a list: the names, then what has none as one integer, unless that is 0.
func FlagList(names []string, rest int64) []any {
	l := make([]any, 0, len(names)+1)
	for _, n := range names {
		l = append(l, n)
	}
	if rest != 0 {
		l = append(l, int(rest))
	}
	return l
}
