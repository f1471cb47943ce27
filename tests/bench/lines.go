package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"time"

	"github.com/esock-go/esock/packet"
)

// Lines of text, without carriage returns.
var lines = benchmark{
	name:    "lines",
	about:   "lines of 40 to 80 bytes, from memory",
	turn:    150 * time.Millisecond,
	metrics: throughput(nameReader, nameScanner),
	contenders: []contender{
		{nameEsock, cutting(lineBytes, linesEsock)},
		{nameDecoder, cutting(lineBytes, linesDecoder)},
		{nameHand, cutting(lineBytes, linesHand)},
		{nameReader, cutting(lineBytes, linesReader)},
		{nameScanner, cutting(lineBytes, linesScanner)},
		{nameErlang, cuttingErlang(lineBytes, packet.Line)},
	},
	group: "framing",
}

var lineBytes = filled(func(b []byte, r *rand.Rand) []byte {
	return append(letters(b, r, 40+r.IntN(40)), '\n')
})

var errShortLine = errors.New("a short line")

func lineBody(p packet.Packet) error {
	if len(p.Data()) < 40 {
		return errShortLine
	}
	return nil
}

func linesEsock(b []byte) (cutter, error) { return packetsOf(b, packet.Line, lineBody) }

func linesDecoder(b []byte) (cutter, error) { return packetsFrom(b, packet.Line, lineBody) }

func linesHand(b []byte) (cutter, error) {
	return func() (n int, err error) {
		for rest := b; len(rest) > 0; n++ {
			i := bytes.IndexByte(rest, '\n')
			if i < 0 {
				return n, io.ErrUnexpectedEOF
			}
			if i < 40 {
				return n, errShortLine
			}
			rest = rest[i+1:]
		}
		return n, nil
	}, nil
}

func linesReader(b []byte) (cutter, error) {
	in := bytes.NewReader(b)
	r := bufio.NewReader(in)
	return func() (n int, err error) {
		in.Reset(b)
		r.Reset(in)
		for ; ; n++ {
			line, err := r.ReadSlice('\n')
			if err == io.EOF && len(line) == 0 {
				return n, nil
			}
			if err == nil && len(line) < 40 {
				err = errShortLine
			}
			if err != nil {
				return n, err
			}
		}
	}, nil
}

func linesScanner(b []byte) (cutter, error) {
	in := bytes.NewReader(b)
	buf := make([]byte, 4096)
	return func() (n int, err error) {
		in.Reset(b)
		s := bufio.NewScanner(in)
		s.Buffer(buf, bufio.MaxScanTokenSize)
		for ; s.Scan(); n++ {
			if len(s.Bytes()) < 40 {
				return n, errShortLine
			}
		}
		return n, s.Err()
	}, nil
}
