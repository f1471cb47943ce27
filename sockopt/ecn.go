package sockopt

import (
	"encoding/binary"
	"math"

	"github.com/esock-go/esock/internal/kernel"
)

// wordBits is the place of a number in a 32-bit word, counted from the end where a C compiler places the first bit field.
type wordBits struct{ at, width int }

func (w wordBits) shift() int {
	if binary.NativeEndian.Uint16([]byte{0, 1}) == 1 {
		return 32 - w.at - w.width
	}
	return w.at
}

func (w wordBits) get(b []byte) uint32 {
	return binary.NativeEndian.Uint32(b) >> w.shift() & (1<<w.width - 1)
}

// put writes the number. It returns false if the number does not fit.
func (w wordBits) put(b []byte, n uint64) bool {
	mask := uint32(1<<w.width-1) << w.shift()
	binary.NativeEndian.PutUint32(b, binary.NativeEndian.Uint32(b)&^mask|uint32(n)<<w.shift()&mask)
	return n <= math.MaxUint32 && n>>w.width == 0
}

// The last word of struct tcp_info, by the kinds of its fields: two numbers of 16 bits in Linux 6.18 and 6.19, and four
// bit fields at the same length since 7.0, <linux/tcp.h>.
var (
	ecnLayoutOld = map[string]wordBits{"ECNFAIL": {0, 16}, "ECNSEEN": {16, 16}}
	ecnLayoutNew = map[string]wordBits{"ECNMODE": {0, 2}, "ECNSEEN": {2, 2}, "ECNFAIL": {4, 4}, "ECNOPTS": {8, 24}}
)

// ecnLayout is the running kernel's; a field that is not in it has no bits, and is 0.
var ecnLayout = whichECNLayout

func whichECNLayout() map[string]wordBits {
	if kernel.From(7, 0) {
		return ecnLayoutNew
	}
	return ecnLayoutOld
}

// TCPNoSSThresh is the SndSSThresh of a TCPInfoValue before the first loss, when there is no slow start threshold.
const TCPNoSSThresh = math.MaxInt32
