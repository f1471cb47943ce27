package netdevice

import (
	"errors"
	"math"
	"strconv"
	"strings"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/plain"
)

// Flag holds one or more flags of an interface: the 16 bits that SIOCGIFFLAGS reports. Linux has more, such as lower_up, which
// do not fit into them. netdevice(7).
type Flag uint16

// The flags of Linux that fit into a Flag.
const (
	Up          Flag = 0x1    // administratively up
	Broadcast   Flag = 0x2    // has a broadcast address
	Debug       Flag = 0x4    // the driver debugs
	Loopback    Flag = 0x8    // a loopback device
	PointOPoint Flag = 0x10   // one end of a point-to-point link
	NoTrailers  Flag = 0x20   // no trailers
	Running     Flag = 0x40   // operational: its resources are allocated
	NoARP       Flag = 0x80   // no address resolution
	Promisc     Flag = 0x100  // receives packets for others, too
	AllMulti    Flag = 0x200  // receives all multicast packets
	Master      Flag = 0x400  // head of a load-balancing bundle
	Slave       Flag = 0x800  // member of a load-balancing bundle
	Multicast   Flag = 0x1000 // supports multicast
	PortSel     Flag = 0x2000 // can select its media
	AutoMedia   Flag = 0x4000 // selects its media automatically
	Dynamic     Flag = 0x8000 // loses its addresses when it goes down
)

// Names returns the flags' names in OTP's order, and the bits without a name as rest; all 16 have one today.
func (f Flag) Names() (names []string, rest Flag) {
	names, bits := plain.IfFlags.Bits(int(f))
	return names, Flag(bits)
}

// String returns the names joined by bars: "up|broadcast|running".
func (f Flag) String() string { return plain.IfFlags.SpellBits(int(f)) }

// ParseFlag parses the name of one flag. Errors: *esock.InvalidError "ioctl_flag" for a name that is unknown, that Linux does
// not have, or whose bit does not fit into a Flag.
func ParseFlag(name string) (Flag, error) {
	n, ok := plain.IfFlags.Number(name)
	cause := ""
	switch {
	case !ok:
		cause = "not a known flag"
	case n == 0:
		cause = "not on Linux: it is for " + plain.IfFlagsElsewhere[name]
	case n > math.MaxUint16:
		cause = "this request has room for 16 bits, and the flag is beyond"
	default:
		return Flag(n), nil
	}
	return 0, &esock.InvalidError{What: "ioctl_flag", Value: name, Cause: cause}
}

// ParseFlags parses what String prints: names, and numbers as in Go source, joined by bars. Errors: as ParseFlag.
func ParseFlags(text string) (Flag, error) {
	var all Flag
	if text == "" {
		return 0, nil
	}
	for part := range strings.SplitSeq(text, "|") {
		if n, err := strconv.ParseUint(part, 0, 16); err == nil {
			all |= Flag(n)
			continue
		}
		f, err := ParseFlag(part)
		if invalid := (*esock.InvalidError)(nil); errors.As(err, &invalid) {
			invalid.Cause += "; | stands between several"
		}
		if err != nil {
			return 0, err
		}
		all |= f
	}
	return all, nil
}

// list returns the flags as maps have them: the names, then the rest as one integer.
func (f Flag) list() []any {
	names, rest := f.Names()
	return plain.FlagList(names, int64(rest))
}

// flagsFromPlain reads a map of flags to booleans.
func flagsFromPlain(value any) (on, off Flag, err error) {
	set := func(name string, v any) error {
		f, err := ParseFlag(name)
		if err != nil {
			return err
		}
		switch v {
		case true:
			on |= f
		case false:
			off |= f
		default:
			return &esock.InvalidError{What: "ioctl_flag", Value: name, Cause: "its value is not a boolean"}
		}
		return nil
	}
	switch m := value.(type) {
	case map[string]bool:
		for name, v := range m {
			if err := set(name, v); err != nil {
				return 0, 0, err
			}
		}
	case map[string]any:
		for name, v := range m {
			if err := set(name, v); err != nil {
				return 0, 0, err
			}
		}
	default:
		return 0, 0, &esock.InvalidError{What: "ioctl_argument", Value: value, Cause: "not a map of flags to booleans"}
	}
	return on, off, nil
}
