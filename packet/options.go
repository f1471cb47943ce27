package packet

// Options limit packets, and say where a line ends. The zero value: no limit, lines end with a newline.
type Options struct {
	// PacketSize is the largest packet accepted, in bytes: the body of types with a length, the line of Line and
	// HTTP with its end. 0: no limit.
	PacketSize uint32
	// LineLength cuts lines that are longer into packets of so many bytes. With HTTP it stands for PacketSize if that
	// is 0. 0: no limit. Other types take no notice of it.
	LineLength uint32
	// LineDelimiter is the last byte of a line. Only Line takes it.
	LineDelimiter Delimiter
}

// Delimiter is the byte that ends a line, or none: the zero value, which stands for a newline.
type Delimiter uint16

// DelimiterOf is the delimiter b.
func DelimiterOf(b byte) Delimiter { return Delimiter(b) + 1 }

// Byte returns the delimiter, a newline if none was given.
func (d Delimiter) Byte() byte {
	if d == 0 {
		return '\n'
	}
	return byte(d - 1)
}

// maxTotal is the largest packet with its header; OTP counts in C's int.
const maxTotal = 1<<31 - 1

// limit is the value of an option, the total limit if that is lower or there is none.
func limit(option uint32) uint32 {
	return min(option-1, maxTotal-1) + 1 // 0-1 is the largest number
}

// check finds what is badarg in OTP.
func check(t Type, o Options) error {
	if t < numTypes && o.LineDelimiter == 0 {
		return nil
	}
	return checkMore(t, o)
}

func checkMore(t Type, o Options) error {
	switch {
	case t >= numTypes:
		return &ArgumentError{What: "type", Value: uint8(t)}
	case t != Line:
		return &ArgumentError{What: "line_delimiter", Value: uint16(o.LineDelimiter) - 1,
			Cause: "the type is " + t.String()}
	case o.LineDelimiter > 256:
		return &ArgumentError{What: "line_delimiter", Value: uint16(o.LineDelimiter) - 1, Cause: "not a byte"}
	}
	return nil
}
