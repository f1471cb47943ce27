package netdevice

import (
	"math"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/plain"
)

// Flag is one flag of an interface, or several: the 16 bits that SIOCGIFFLAGS shows. (Linux has more, lower_up for one, that do
// not fit and do not appear.) netdevice(7).
type Flag uint16

// The flags that Linux has, and Flag room for.
const (
	Up          Flag = 0x1    // it is running, administratively
	Broadcast   Flag = 0x2    // it has a broadcast address
	Debug       Flag = 0x4    // the driver's debugging is on
	Loopback    Flag = 0x8    // it is a loopback
	PointOPoint Flag = 0x10   // it is one end of a link between two
	NoTrailers  Flag = 0x20   // no trailers
	Running     Flag = 0x40   // its resources are allocated
	NoARP       Flag = 0x80   // no address resolution
	Promisc     Flag = 0x100  // it takes packets for others, too
	AllMulti    Flag = 0x200  // it takes all multicast packets
	Master      Flag = 0x400  // of a load balancing bundle
	Slave       Flag = 0x800  // of a load balancing bundle
	Multicast   Flag = 0x1000 // it supports multicast
	PortSel     Flag = 0x2000 // it can select its media
	AutoMedia   Flag = 0x4000 // and does so by itself
	Dynamic     Flag = 0x8000 // its addresses are lost when it goes down
)

// Names lists the flags by OTP's names, in OTP's order. The bits that have no name come back as rest: none, as long as
// all 16 have one.
func (f Flag) Names() (names []string, rest Flag) {
	names, bits := plain.IfFlags.Bits(int(f))
	return names, Flag(bits)
}

// String is the names with bars between them: "up|broadcast|running".
func (f Flag) String() string { return plain.IfFlags.SpellBits(int(f)) }

// ParseFlag reads the name of one flag. Errors: *esock.InvalidError "ioctl_flag" for one that nobody knows, that Linux has
// not, or that has no room in Flag.
func ParseFlag(name string) (Flag, error) {
	n, ok := plain.IfFlags.Number(name)
	cause := ""
	switch {
	case !ok:
		cause = "not a known flag"
	case n == 0:
		cause = "Linux has no such flag"
	case n > math.MaxUint16:
		cause = "this request has room for 16 bits, and the flag is beyond"
	default:
		return Flag(n), nil
	}
	return 0, &esock.InvalidError{What: "ioctl_flag", Value: name, Cause: cause}
}

// list is the flags as maps have them: the names, and the rest as one integer at the end.
func (f Flag) list() []any {
	names, rest := f.Names()
	l := make([]any, 0, len(names)+1)
	for _, n := range names {
		l = append(l, n)
	}
	if rest != 0 {
		l = append(l, int(rest))
	}
	return l
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
