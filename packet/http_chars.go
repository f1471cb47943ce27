package packet

import "math"

// Classes of bytes.
const (
	tokenChar = 1 << iota
	blankChar
	digitChar
)

// classes has the class of each byte. DEL is a token character, as in OTP, although RFC 9110 excludes it.
var classes = func() (c [256]uint8) {
	for b := 33; b < 128; b++ {
		c[b] = tokenChar
	}
	for _, b := range []byte(`()<>@,;:\"/[]?={}`) {
		c[b] = 0
	}
	c[' '], c['\t'] = blankChar, blankChar
	for b := '0'; b <= '9'; b++ {
		c[b] |= digitChar
	}
	return c
}()

func isBlank(b byte) bool { return b == ' ' || b == '\t' }

// skip returns the end of the run of bytes of a class that begins at i.
func skip(b []byte, i int, class uint8) int {
	for i < len(b) && classes[b[i]]&class != 0 {
		i++
	}
	return i
}

// trimBlanks removes blanks from the end.
func trimBlanks(b []byte) []byte {
	for len(b) > 0 && isBlank(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

// number returns the value of the digits at the front, at most 2^31-1.
func number(b []byte) (value, digits int) {
	for digits < len(b) && classes[b[digits]]&digitChar != 0 {
		value = int(min(int64(value)*10+int64(b[digits]-'0'), math.MaxInt32))
		digits++
	}
	return value, digits
}
