package packet

import (
	"errors"
	"io"
	"iter"
)

// Decoder reads packets from an io.Reader.
//
// Its memory grows with the data that has come, not with the length that a peer announces: a full buffer doubles, and is
// freed after the packet that made it large. So Options.PacketSize bounds it; without a limit only the input does. A Decoder
// is for one goroutine. The zero value has type Raw and a reader that has ended. Methods of a nil pointer return an
// *ArgumentError, or the zero value.
type Decoder struct {
	r      io.Reader
	p      Parser
	buf    []byte
	start  int   // buf[start:end] is not used yet
	end    int   // the end of the data in buf
	filled bool  // the last read left no room
	err    error // the reader's error, returned when the bytes before it are used
}

const (
	minBuffer  = 4 << 10
	keepBuffer = 64 << 10 // a larger buffer is freed; a reader that fills the buffer makes it grow to this
	maxEmpty   = 100      // reads without a byte and without an error, in a row
)

var errBadCount = errors.New("packet: the reader returned an invalid count")

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

// Next returns the next packet, which is valid until the next call of a method that reads.
//
// io.EOF: the reader ended after a whole packet. io.ErrUnexpectedEOF: it ended within a packet, whose beginning is in
// Buffered. ErrInvalid: the next bytes are not a packet; they stay, and Next returns the same error until SetType or Read
// changes that. Other errors are the reader's, which the next call reads again.
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

// All iterates over the packets that follow. It stops after an error, or, without one, at io.EOF.
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

// read reads at least one byte, or returns an error.
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

// makeRoom makes room for at least one byte. The unused bytes are the beginning of one packet: they move to the front once,
// and when they fill the buffer, it doubles. So the cost of moving is linear in the input.
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

// Buffered returns the bytes that were read and not used. They are valid until the next call of a method that reads.
func (d *Decoder) Buffered() []byte {
	if d == nil {
		return nil
	}
	return d.buf[d.start:d.end:d.end]
}

func noDecoder() error { return &ArgumentError{What: "decoder"} }

// parser returns the Decoder's Parser, nil for a nil Decoder.
func (d *Decoder) parser() *Parser {
	if d == nil {
		return nil
	}
	return &d.p
}

// Type returns the type that NewDecoder or SetType set.
func (d *Decoder) Type() Type { return d.parser().Type() }

// SetType changes the type of the packets that follow, including bytes in the buffer. The error is an *ArgumentError.
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

// Read reads the bytes that follow without decoding, such as the body after an HTTP head. So a Decoder is an io.Reader.
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
