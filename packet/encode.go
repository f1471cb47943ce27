package packet

import "math"

// AppendHeader appends the header of a packet of n bytes: the length for Len1, Len2 and Len4, nothing for other types.
// ErrTooLong: n does not fit, and dst is unchanged. OTP lets the length wrap around.
func AppendHeader(dst []byte, t Type, n int) ([]byte, error) {
	if n < 0 {
		return dst, &ArgumentError{What: "length", Value: n}
	}
	switch t {
	case Len1:
		if n > math.MaxUint8 {
			return dst, ErrTooLong
		}
		return append(dst, byte(n)), nil
	case Len2:
		if n > math.MaxUint16 {
			return dst, ErrTooLong
		}
		return append(dst, byte(n>>8), byte(n)), nil
	case Len4:
		if uint64(n) > math.MaxUint32 {
			return dst, ErrTooLong
		}
		return append(dst, byte(n>>24), byte(n>>16), byte(n>>8), byte(n)), nil
	}
	if t >= numTypes {
		return dst, &ArgumentError{What: "type", Value: uint8(t)}
	}
	return dst, nil
}

// Append appends a packet: its header and the parts of its data. Errors: those of [AppendHeader].
func Append(dst []byte, t Type, data ...[]byte) ([]byte, error) {
	n := 0
	for _, b := range data {
		n += len(b)
	}
	out, err := AppendHeader(dst, t, n)
	if err != nil {
		return dst, err
	}
	for _, b := range data {
		out = append(out, b...)
	}
	return out, nil
}
