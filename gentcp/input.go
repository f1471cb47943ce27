package gentcp

import (
	"math/bits"
	"sync"

	"github.com/esock-go/esock/internal/active"
	"github.com/esock-go/esock/packet"
)

// input is what was read from the kernel and not delivered yet, and the parser that cuts it into packets. It is guarded
// by the socket's mu; the room that a read was given is the reader's meanwhile.
type input struct {
	parser packet.Parser
	buf    []byte  // data[start:end] in it; its length is used up
	pooled *[]byte // buf as buffers has it; nil: it is too large for them
	start  int
	end    int
	total  int // of the packet that has begun, as it was last cut; 0: that is not known
}

// maxPooled is the size of the largest buffers that are kept, and the most that one read takes.
const maxPooled = defaultBuffer << (len(buffers) - 1)

// buffers are those that sockets have while they hold data or read, each size twice the one before.
var buffers [8]sync.Pool

// sizeClass is which of the buffers have at least the size.
func sizeClass(size int) int { return bits.Len(uint(max(size, 1)-1) / defaultBuffer) }

// configure makes the parser work with the options of the settings, on what was read already too.
func (in *input) configure(o *settings) {
	// The options were checked when they were set, so there is no error.
	if in.parser.Options() != o.decoding() {
		in.parser.SetOptions(o.decoding())
	}
}

// restart makes the parser that of the settings, for what was read already too. It forgets where in an HTTP head the
// stream is.
func (in *input) restart(o *settings) { in.parser, _ = packet.NewParser(o.typ, o.decoding()) }

func (in *input) data() []byte { return in.buf[in.start:in.end] }
func (in *input) len() int     { return in.end - in.start }

// used takes n bytes off the front.
func (in *input) used(n int) {
	in.start += n
	switch {
	case in.start == in.end:
		in.drop()
	case in.pooled == nil && in.len() < len(in.buf)/4:
		in.grow(in.len()) // the packet that it was made for has gone
	}
}

// drop gives the buffer back, with what is in it.
func (in *input) drop() {
	if in.pooled != nil {
		buffers[sizeClass(len(in.buf))].Put(in.pooled)
	}
	in.buf, in.pooled, in.start, in.end = nil, nil, 0, 0
}

// grow moves the data to the front of a buffer of at least the size.
func (in *input) grow(size int) {
	var next input
	if c := sizeClass(size); c < len(buffers) {
		next.pooled, _ = buffers[c].Get().(*[]byte)
		if next.pooled == nil {
			buf := make([]byte, defaultBuffer<<c)
			next.pooled = &buf
		}
		next.buf = *next.pooled
	} else {
		next.buf = make([]byte, size)
	}
	next.end = copy(next.buf, in.data())
	next.parser, next.total = in.parser, in.total
	in.drop()
	*in = next
}

// shortest is the fewest bytes that tell more about a packet of the type: how long it is, or another byte of its line.
var shortest = [packet.HTTPHBin + 1]int{packet.Len1: 1, packet.Len2: 2, packet.Len4: 4, packet.CDR: 12, packet.SunRM: 4,
	packet.FCGI: 8, packet.TPKT: 4, packet.ASN1: 2}

// space is the room for the next read, of the packet that has begun. Memory grows with what a peer sends, not with what it
// announces: when the buffer is full, by as much as has come, or as one read takes.
func (in *input) space(o *settings) []byte {
	total := in.total
	need := max(1, shortest[o.typ]-in.len())
	if total > 0 {
		need = total - in.len()
	}
	read := min(o.buffer, maxPooled)
	need = min(need, max(in.len(), read, defaultBuffer))
	most := need
	if o.readAhead || active.Raw(o.typ) && total == 0 {
		most = max(need, read)
	}
	if in.start > 0 && len(in.buf)-in.end < most {
		in.end = copy(in.buf, in.data())
		in.start = 0
	}
	switch {
	case in.buf == nil:
		in.grow(most)
	case in.end < len(in.buf):
	case total > 0:
		in.grow(in.end + need)
	default:
		in.grow(2 * in.end) // so that copying costs little in all
	}
	return in.buf[in.end:min(in.end+most, len(in.buf))]
}
