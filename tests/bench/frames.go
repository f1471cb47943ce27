package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"github.com/esock-go/esock/packet"
)

// Frames: 64 bytes with a length of 4 bytes before them.
var frames = benchmark{
	name:    "frames",
	about:   "packets of 64 bytes with a length of 4 bytes, from memory",
	turn:    150 * time.Millisecond,
	metrics: throughput(nameReader, nameScanner),
	contenders: []contender{
		{nameEsock, cutting(frameBytes, framesEsock)},
		{nameDecoder, cutting(frameBytes, framesDecoder)},
		{nameHand, cutting(frameBytes, framesHand)},
		{nameReader, cutting(frameBytes, framesReader)},
		{nameScanner, cutting(frameBytes, framesScanner)},
		{nameErlang, cuttingErlang(frameBytes, packet.Len4)},
	},
	group: "framing",
}

const (
	frameHeader = 4
	frameSize   = 64 // of the body
)

var frameBytes = filled(func(b []byte, r *rand.Rand) []byte {
	return letters(binary.BigEndian.AppendUint32(b, frameSize), r, frameSize)
})

// wrongFrame is the error for a body that is not as long as all are.
func wrongFrame(body []byte) error { return fmt.Errorf("a packet of %d bytes", len(body)) }

func framesEsock(b []byte) (cutter, error) { return packetsOf(b, packet.Len4, frameBody) }

func framesDecoder(b []byte) (cutter, error) { return packetsFrom(b, packet.Len4, frameBody) }

func frameBody(p packet.Packet) error {
	if body := p.Data(); len(body) != frameSize {
		return wrongFrame(body)
	}
	return nil
}

// packetsOf is esock's Parser over all of the bytes.
func packetsOf(b []byte, t packet.Type, check func(packet.Packet) error) (cutter, error) {
	parser, err := packet.NewParser(t, packet.Options{})
	return func() (n int, err error) {
		for rest := b; ; n++ {
			p, used, err := parser.Next(rest)
			if err == packet.ErrMore && len(rest) == 0 {
				return n, nil
			}
			if err == nil {
				err = check(p)
			}
			if err != nil {
				return n, err
			}
			rest = rest[used:]
		}
	}, err
}

// packetsFrom is esock's Decoder reading the bytes.
func packetsFrom(b []byte, t packet.Type, check func(packet.Packet) error) (cutter, error) {
	in := bytes.NewReader(b)
	d, err := packet.NewDecoder(in, t, packet.Options{})
	return func() (n int, err error) {
		for in.Reset(b); ; n++ {
			p, err := d.Next()
			if err == io.EOF {
				return n, nil
			}
			if err == nil {
				err = check(p)
			}
			if err != nil {
				return n, err
			}
		}
	}, err
}

// framesHand is the least that can be done, for this one type and without a limit.
func framesHand(b []byte) (cutter, error) {
	return func() (n int, err error) {
		rest := b
		for ; len(rest) >= frameHeader; n++ {
			end := frameHeader + int(binary.BigEndian.Uint32(rest))
			if end > len(rest) {
				return n, io.ErrUnexpectedEOF
			}
			if body := rest[frameHeader:end]; len(body) != frameSize {
				return n, wrongFrame(body)
			}
			rest = rest[end:]
		}
		return n, nil
	}, nil
}

func framesReader(b []byte) (cutter, error) {
	in := bytes.NewReader(b)
	r := bufio.NewReader(in)
	return func() (n int, err error) {
		in.Reset(b)
		r.Reset(in)
		for ; ; n++ {
			h, err := r.Peek(frameHeader)
			if err == io.EOF && len(h) == 0 {
				return n, nil
			}
			if err != nil {
				return n, err
			}
			end := frameHeader + int(binary.BigEndian.Uint32(h))
			p, err := r.Peek(end)
			if err != nil {
				return n, err
			}
			if body := p[frameHeader:]; len(body) != frameSize {
				return n, wrongFrame(body)
			}
			if _, err := r.Discard(end); err != nil {
				return n, err
			}
		}
	}, nil
}

func framesScanner(b []byte) (cutter, error) {
	in := bytes.NewReader(b)
	buf := make([]byte, 4096)
	return func() (n int, err error) {
		in.Reset(b)
		s := bufio.NewScanner(in)
		s.Buffer(buf, bufio.MaxScanTokenSize)
		s.Split(splitFrame)
		for ; s.Scan(); n++ {
			if body := s.Bytes(); len(body) != frameSize {
				return n, wrongFrame(body)
			}
		}
		return n, s.Err()
	}, nil
}

func splitFrame(data []byte, _ bool) (advance int, token []byte, err error) {
	if len(data) < frameHeader {
		return 0, nil, nil
	}
	end := frameHeader + int(binary.BigEndian.Uint32(data))
	if end > len(data) {
		return 0, nil, nil
	}
	return end, data[frameHeader:end], nil
}
