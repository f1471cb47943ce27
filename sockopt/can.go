package sockopt

import (
	"math"

	"github.com/esock-go/esock/internal/plain"
)

// CANFilter takes the CAN frames whose identifier has the bits of ID where Mask has ones: struct can_filter. The flags of an
// identifier count: bit 31 for an extended one, bit 30 for a remote request, bit 29 for an error frame. Bit 29 of ID inverts
// the filter.
type CANFilter struct {
	ID   uint32
	Mask uint32
}

// canFilterFromPlain writes a filter: a CANFilter, or a map with id and mask.
func canFilterFromPlain(b []byte, v any) (cause string) {
	f, ok := v.(CANFilter)
	if m, is := v.(map[string]any); is {
		ok = true
		r := plain.Read(m)
		f.ID, f.Mask = uint32(r.Number("id", 0, math.MaxUint32, 0)), uint32(r.Number("mask", 0, math.MaxUint32, 0))
		if cause := r.Finish("id", "mask"); cause != "" {
			return cause
		}
	}
	if !ok {
		return "not a filter"
	}
	copy(b, bytesOf(&f))
	return ""
}
