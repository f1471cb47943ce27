package packet

// Options set the limits of packets, and the end of a line. The zero value has no limits, and a newline ends a line.
type Options struct {
	// PacketSize is the largest packet accepted, in bytes: the body of types with a length, the line of Line and
	// HTTP with its end. 0: no limit.
	PacketSize uint32
	// LineLength cuts longer lines into packets of that many bytes. For HTTP it replaces a PacketSize of 0. 0: no limit.
	// Other types ignore it.
	LineLength uint32
	// LineDelimiter is the last byte of a line. It is valid for type Line only.
	LineDelimiter Delimiter
}

// Delimiter is the byte that ends a line, or none: the zero value, which stands for a newline.
type Delimiter uint16

// DelimiterOf makes a Delimiter of any byte, NUL included.
func DelimiterOf(b byte) Delimiter { return Delimiter(b) + 1 }

// Byte returns the byte that ends a line, a newline for the zero value.
func (d Delimiter) Byte() byte {
	if d == 0 {
		return '\n'
	}
	return byte(d - 1)
}

// maxTotal is the size of the largest packet with its header: OTP's limit, a C int.
const maxTotal = 1<<31 - 1

// limit is the value of an option, or maxTotal if that is lower or the option is 0, which means none.
func limit(option uint32) uint32 {
	if option == 0 {
		return maxTotal
	}
	return min(option, maxTotal)
}

// check finds what OTP answers with badarg. Decode calls it for each packet, so the usual case is small enough to be inlined.
func check(t Type, o Options) error {
	if t < numTypes && o.LineDelimiter == 0 {
		return nil
	}
	return checkDelimiter(t, o)
}

func checkDelimiter(t Type, o Options) error {
	var cause string
	switch {
	case t >= numTypes:
		return &ArgumentError{What: "type", Value: uint8(t)}
	case t != Line:
		cause = "the type is " + t.String()
	case o.LineDelimiter > 256:
		cause = "not a byte"
	default:
		return nil
	}
	return &ArgumentError{What: "line_delimiter", Value: uint16(o.LineDelimiter) - 1, Cause: cause}
}
