package gentcp

import (
	"bytes"
	"math/bits"
	"sync"

	"github.com/esock-go/esock/internal/active"
	"github.com/esock-go/esock/packet"
)

// input is the data that was read and not delivered yet, and the parser that cuts it into packets. The socket's mu guards
// it, except for the room that a read in progress fills.
type input struct {
	parser packet.Parser
	buf    []byte  // the data is buf[start:end]; len(buf) is all there is
	pooled *[]byte // buf, as the pool has it; nil: buf is too large for a pool
	class  uint8   // the index of that pool
	start  int
	end    int
	total  int // bytes of the incomplete packet at the front; 0: not known

	short bool // the last read for an active mode did not fill its room
	fresh bool // one read brought all of the data
	alone int  // what the last read brought was one packet of so many bytes; 0: it was not one packet

	reading bool   // a read fills the room behind the data, with mu unlocked: buf stays
	pushed  []byte // what was put back meanwhile, ahead of the data
}

// maxPooled is the size of the largest pooled buffer, and the limit of one read.
const maxPooled = defaultBuffer << (len(buffers) - 1)

// buffers are pools of buffers for sockets that hold data or read. Each size is twice the one before.
var buffers [8]sync.Pool

// sizeClass returns the index of the pool whose buffers have at least the size.
func sizeClass(size int) int { return bits.Len(uint(max(size, 1)-1) / defaultBuffer) }

// configure gives the parser the options of the settings. They also apply to data that was read already.
func (in *input) configure(o *settings) {
	// The options were checked when they were set, so there is no error.
	if in.parser.Options() != o.decoding() {
		in.parser.SetOptions(o.decoding())
	}
}

// restart makes a new parser from the settings, also for data that was read already. The next HTTP line is a start line.
func (in *input) restart(o *settings) {
	in.parser, _ = packet.NewParser(o.typ, o.decoding())
	in.alone = 1 // as a peer does that waits for answers
}

func (in *input) data() []byte { return in.buf[in.start:in.end] }
func (in *input) len() int     { return in.end - in.start }

// push puts bytes in front of the data.
func (in *input) push(b []byte) {
	if len(b) == 0 {
		return
	}
	in.fresh = false
	if in.reading {
		in.pushed = append(bytes.Clone(b), in.pushed...)
		return
	}
	if in.start < len(b) {
		n := in.len()
		size := n + len(b)
		if size > maxPooled {
			size += size / 2 // so that pushing again and again stays linear
		}
		in.grow(size)
		in.start, in.end = len(in.buf)-n, len(in.buf)
		copy(in.buf[in.start:], in.buf[:n])
	}
	in.start -= len(b)
	copy(in.buf[in.start:], b)
	in.total = 0
	in.parser.Rewind()
}

// add puts bytes behind the data.
func (in *input) add(b []byte) {
	if len(b) == 0 {
		return
	}
	in.fresh = false
	if len(in.buf)-in.end < len(b) {
		in.grow(in.len() + len(b))
	}
	in.end += copy(in.buf[in.end:], b)
}

// came adds n bytes, which a read has put behind the data, and what was put back during the read.
func (in *input) came(n int) {
	in.fresh = in.start == in.end
	in.end += n
	in.reading = false
	if pushed := in.pushed; pushed != nil {
		in.pushed = nil
		in.push(pushed)
	}
}

// used removes a packet of n bytes from the front.
func (in *input) used(n int) {
	in.start += n
	in.total, in.alone = 0, 0
	if in.fresh && in.start == in.end {
		in.alone = n
	}
	in.fresh = false
	switch {
	case in.start == in.end:
		in.drop()
	case in.pooled == nil && in.len() < len(in.buf)/4:
		in.grow(in.len()) // the large packet that needed it has been delivered
	}
}

// drop discards the data and returns the buffer to its pool.
func (in *input) drop() {
	if in.pooled != nil {
		buffers[in.class].Put(in.pooled)
	}
	in.buf, in.pooled, in.start, in.end = nil, nil, 0, 0
}

// take gets a buffer of at least the size. There is none.
func (in *input) take(size int) {
	c := sizeClass(size)
	if c >= len(buffers) {
		in.buf = make([]byte, size)
		return
	}
	in.class = uint8(c)
	if in.pooled, _ = buffers[c].Get().(*[]byte); in.pooled == nil {
		fresh := make([]byte, defaultBuffer<<c)
		in.pooled = &fresh
	}
	in.buf = *in.pooled
}

// grow moves the data to a buffer of at least the size.
func (in *input) grow(size int) {
	old := *in
	in.buf, in.pooled, in.start, in.end = nil, nil, 0, 0
	in.take(size)
	in.end = copy(in.buf, old.data())
	old.drop()
}

// shortest is how many bytes of a packet show its length. A line shows its end at any byte.
var shortest = [packet.HTTPHBin + 1]int{packet.Len1: 1, packet.Len2: 2, packet.Len4: 4, packet.CDR: 12, packet.SunRM: 4,
	packet.FCGI: 8, packet.TPKT: 4, packet.ASN1: 2}

// direct returns the part of the caller's memory to read into while the input is empty, nil to read into the input. For a
// raw packet of a length it is that long. Packets with bounds are read there as long as each read brings one packet that
// fits. Otherwise reads into a small buf would be many, and what follows a packet would be copied.
func (in *input) direct(buf []byte, length int, o *settings) []byte {
	most := min(len(buf), o.buffer)
	switch {
	case active.Raw(o.typ):
		if length > 0 {
			most = length
		}
		if most == 0 || most > len(buf) {
			return nil
		}
	case !o.readAhead || in.alone == 0 || in.alone > most:
		return nil
	}
	return buf[:most]
}

// space returns the room for the next read. Memory grows with the data that has come, not with the length that the peer
// announces: a full buffer grows by as much as it holds, or as one read takes.
func (in *input) space(o *settings) []byte {
	if in.buf == nil && in.total == 0 && o.readAhead { // the usual case: as below, with less to do
		read := max(min(o.buffer, maxPooled), shortest[o.typ])
		in.take(read)
		return in.buf[:read]
	}
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
		in.take(most)
	case in.end < len(in.buf):
	case total > 0:
		in.grow(in.end + need)
	default:
		in.grow(2 * in.end) // doubling keeps the cost of copying linear
	}
	return in.buf[in.end:min(in.end+most, len(in.buf))]
}
