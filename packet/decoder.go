package packet

import (
	"errors"
	"io"
	"iter"
)

// Decoder takes packets from an io.Reader.
//
// Its memory is bounded by what has come, not by what a peer announces: the buffer is doubled when it is full, and
// given back when the packet that made it large is used. So Options.PacketSize bounds it; without that only what is
// read does. A Decoder is for one goroutine. The zero value is one of Raw, of a reader that has ended. A nil pointer is
// none: its methods answer an *ArgumentError, or the zero value.
type Decoder struct {
	r      io.Reader
	p      Parser
	buf    []byte
	start  int   // buf[start:end] is not used yet
	end    int   // what the reader has given ends here
	filled bool  // the last read left no room
	err    error // what the reader has said, to be told when the bytes before it are used
}

const (
	minBuffer  = 4 << 10
	keepBuffer = 64 << 10 // a buffer is given back if it is larger, and made so large if the reader fills it
	maxEmpty   = 100      // reads without a byte and without an error, in a row
)

var errBadCount = errors.New("packet: the reader counts more bytes than it was given room for")

// NewDecoder returns a Decoder that reads from r. The error is an *ArgumentError.
func NewDecoder(r io.Reader, t Type, o Options) (*Decoder, error) {
	if r == nil {
		return nil, &ArgumentError{What: "reader"}
	}
	p, err := NewParser(t, o)
	if err != nil {
		return nil, err
	}
	return &Decoder{r: r, p: p}, nil
}

// Next returns the next packet, which holds until the next call of a method that reads.
//
// io.EOF: the reader has ended after a whole packet. io.ErrUnexpectedEOF: it has ended within one; what has come of it
// is in Buffered. ErrInvalid: what follows is not a packet; it stays, and Next returns the same again until SetType or
// Read changes that. Other errors are the reader's; it is asked again at the next call.
func (d *Decoder) Next() (Packet, error) {
	if d == nil {
		return Packet{}, noDecoder()
	}
	for {
		pkt, n, err := d.p.Next(d.buf[d.start:d.end])
		if err == nil {
			d.start += n
			return pkt, nil
		}
		if err != ErrMore {
			return Packet{}, err
		}
		if err := d.fill(); err != nil {
			if err == io.EOF && d.start < d.end {
				err = io.ErrUnexpectedEOF
			}
			return Packet{}, err
		}
	}
}

// All returns the packets that follow. It ends at the end of the reader, or after an error; io.EOF is none.
func (d *Decoder) All() iter.Seq2[Packet, error] {
	return func(yield func(Packet, error) bool) {
		for {
			pkt, err := d.Next()
			if err == io.EOF {
				return
			}
			if !yield(pkt, err) || err != nil {
				return
			}
		}
	}
}

// fill reads once.
func (d *Decoder) fill() error {
	if d.err != nil {
		err := d.err
		d.err = nil
		return err
	}
	d.makeRoom()
	n, err := d.read(d.buf[d.end:])
	d.end += n
	d.filled = d.end == len(d.buf)
	if n > 0 {
		d.err = err
		return nil
	}
	return err
}

// read reads at least a byte, or returns an error.
func (d *Decoder) read(b []byte) (int, error) {
	if d.r == nil {
		return 0, io.EOF
	}
	for range maxEmpty {
		n, err := d.r.Read(b)
		if n < 0 || n > len(b) {
			return 0, errBadCount
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
	return 0, io.ErrNoProgress
}

// makeRoom makes room for at least a byte. What is left is the beginning of one packet, and is moved to the front once;
// when it fills the buffer, that is doubled. So the cost of moving is linear in what is read.
func (d *Decoder) makeRoom() {
	rest := d.end - d.start
	switch {
	case len(d.buf) > keepBuffer && rest <= len(d.buf)/4:
		d.move(max(minBuffer, 2*rest))
	case rest == len(d.buf), d.filled && len(d.buf) < keepBuffer:
		d.move(max(minBuffer, 2*len(d.buf)))
	case d.start > 0:
		copy(d.buf, d.buf[d.start:d.end])
		d.start, d.end = 0, rest
	}
}

func (d *Decoder) move(size int) {
	buf := make([]byte, size)
	d.end = copy(buf, d.buf[d.start:d.end])
	d.buf, d.start = buf, 0
}

// Buffered returns what has been read and not used, until the next call of a method that reads.
func (d *Decoder) Buffered() []byte {
	if d == nil {
		return nil
	}
	return d.buf[d.start:d.end:d.end]
}

func noDecoder() error { return &ArgumentError{What: "decoder"} }

// parser is that of the Decoder, nil if that is nil.
func (d *Decoder) parser() *Parser {
	if d == nil {
		return nil
	}
	return &d.p
}

// Type returns the type of the packets.
func (d *Decoder) Type() Type { return d.parser().Type() }

// SetType changes the type of the packets that follow, also of those that have been read already. The error is an
// *ArgumentError.
func (d *Decoder) SetType(t Type) error {
	if d == nil {
		return noDecoder()
	}
	return d.p.SetType(t)
}

// Options returns the options, as they were given.
func (d *Decoder) Options() Options { return d.parser().Options() }

// SetOptions changes the options, as [Parser.SetOptions] does.
func (d *Decoder) SetOptions(o Options) error {
	if d == nil {
		return noDecoder()
	}
	return d.p.SetOptions(o)
}

// Read reads the bytes that follow as they are: the body after an HTTP head, for one. It makes a Decoder an io.Reader.
func (d *Decoder) Read(b []byte) (int, error) {
	if d == nil {
		return 0, noDecoder()
	}
	if len(b) == 0 {
		return 0, nil
	}
	d.p.Rewind()
	if d.start < d.end {
		n := copy(b, d.buf[d.start:d.end])
		d.start += n
		return n, nil
	}
	if d.err != nil {
		err := d.err
		d.err = nil
		return 0, err
	}
	if d.r == nil {
		return 0, io.EOF
	}
	return d.r.Read(b)
}
