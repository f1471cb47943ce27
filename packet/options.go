package packet

// Options set the limits of packets, and the end of a line. The zero value has no limits, and a newline ends a line.
type Options struct {
	// PacketSize is the largest packet accepted, in bytes: the body of types with a length, the line of Line and
	// HTTP with its end. 0: no limit. Like LineLength it is from 0 to 2^32 - 1.
	PacketSize int
	// LineLength cuts longer lines into packets of that many bytes. For HTTP it replaces a PacketSize of 0. 0: no limit.
	// Other types ignore it.
	LineLength int
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

// sizeBits are the bits of a size: OTP's are unsigned numbers of 32 bits.
const sizeBits = 32

// maxTotal is the size of the largest packet with its header: OTP's limit, a C int.
const maxTotal = 1<<31 - 1

// limit is the value of an option, or maxTotal if that is lower or the option is 0, which means none.
func limit(option int) uint32 {
	return uint32(min(uint64(option)-1, maxTotal-1)) + 1 // 0-1 is the largest number
}

// usual reports whether there is nothing to check. Decode asks for each packet, and the compiler inlines it.
func usual(t Type, o Options) bool {
	return t < numTypes && int64(o.PacketSize|o.LineLength)>>sizeBits|int64(o.LineDelimiter) == 0
}

// check finds what OTP answers with badarg.
func check(t Type, o Options) error {
	const notSize = "it is from 0 to 2^32 - 1"
	var cause string
	switch {
	case t >= numTypes:
		return &ArgumentError{What: "type", Value: uint8(t)}
	case !isSize(o.PacketSize):
		return &ArgumentError{What: "packet_size", Value: o.PacketSize, Cause: notSize}
	case !isSize(o.LineLength):
		return &ArgumentError{What: "line_length", Value: o.LineLength, Cause: notSize}
	case o.LineDelimiter == 0:
		return nil
	case t != Line:
		cause = "the type is " + t.String()
	case o.LineDelimiter > 256:
		cause = "not a byte"
	default:
		return nil
	}
	return &ArgumentError{What: "line_delimiter", Value: uint16(o.LineDelimiter) - 1, Cause: cause}
}

// isSize reports whether n is a size.
func isSize(n int) bool { return int64(n)>>sizeBits == 0 }
