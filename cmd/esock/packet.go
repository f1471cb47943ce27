package main

import (
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/esock-go/esock/internal/packetjson"
	"github.com/esock-go/esock/packet"
)

type packetCmd struct {
	Decode packetDecodeCmd `cmd:"" help:"Decode a packet, or check a file of test vectors."`
}

type packetDecodeCmd struct {
	Type          string  `placeholder:"TYPE" words:"packets" help:"The type of the packet: ${packets}."`
	PacketSize    *int64  `placeholder:"N" help:"The largest packet, in bytes; 0: no limit."`
	LineLength    *int64  `placeholder:"N" help:"Cut lines into pieces of N bytes; 0: no limit."`
	LineDelimiter *int64  `placeholder:"N" help:"The number of the byte that ends a line (10); only with --type line."`
	Hex           *string `placeholder:"HEX" empty:"" help:"The bytes, in hexadecimal; by default, they are read from standard input."`
	Vectors       string  `placeholder:"FILE" help:"Decode all test vectors in a file, and print those whose result differs."`
}

func (c *packetDecodeCmd) Run(out *output, std terminals) error {
	if c.Vectors != "" {
		if c.Type != "" || c.Hex != nil || c.options() != (packetjson.Options{}) {
			return usagef("--vectors cannot be combined with other flags: the file has the types, options and bytes")
		}
		return runVectors(out, c.Vectors)
	}
	if c.Type == "" {
		return usagef("give the --type of the packet, or --vectors FILE")
	}
	if err := c.wrong(); err != nil {
		return err
	}
	b, err := c.bytes(std.in)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, packetjson.Decode(c.Type, b, c.options()))
	return err
}

// maxInput is how many bytes of standard input are decoded at most.
const maxInput = 64 << 20

// bytes returns the bytes to decode.
func (c *packetDecodeCmd) bytes(in io.Reader) ([]byte, error) {
	if c.Hex != nil {
		b, err := parseHex(*c.Hex)
		if err != nil {
			return nil, usagef("--hex: %s", strings.TrimPrefix(err.Error(), "encoding/hex: "))
		}
		return b, nil
	}
	b, err := io.ReadAll(io.LimitReader(in, maxInput+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("the input cannot be read: %w", err)
	case len(b) > maxInput:
		return nil, fmt.Errorf("the input has more than %d bytes", maxInput)
	}
	return b, nil
}

// wrong returns an error that names the flag for which decode_packet/3 returns badarg; nil if there is none.
func (c *packetDecodeCmd) wrong() error {
	if _, err := packet.ParseType(c.Type); err != nil {
		return usagef("--type: there is no type %q%s", c.Type, didYouMean(c.Type, packetNames()))
	}
	for _, f := range []struct {
		name  string
		value *int64
		most  int64
	}{{"packet-size", c.PacketSize, math.MaxUint32}, {"line-length", c.LineLength, math.MaxUint32},
		{"line-delimiter", c.LineDelimiter, math.MaxUint8}} {
		if f.value != nil && (*f.value < 0 || *f.value > f.most) {
			return usagef("--%s: must be a number from 0 to %d, not %d", f.name, f.most, *f.value)
		}
	}
	if c.LineDelimiter != nil && c.Type != packet.Line.String() {
		return usagef("--line-delimiter: only allowed with --type line")
	}
	return nil
}

func (c *packetDecodeCmd) options() packetjson.Options {
	return packetjson.Options{PacketSize: c.PacketSize, LineLength: c.LineLength, LineDelimiter: c.LineDelimiter}
}

// runVectors prints the vectors that fail, and the count.
func runVectors(out *output, name string) error {
	f, err := packetjson.Read(name)
	if err != nil {
		if cause := jsonCause(err); cause != "" {
			err = fmt.Errorf("%s is not a file of test vectors: %s", name, cause)
		}
		return fmt.Errorf("--vectors: %w", err)
	}
	var b strings.Builder
	failed := 0
	for _, v := range f.Vectors {
		if got, ok := v.Run(); !ok {
			failed++
			fmt.Fprintf(&b, "%s: %s\n%swant %s\n", v.ID, got, indent, v.Result)
		}
	}
	fmt.Fprintf(&b, "%d passed, %d failed\n", len(f.Vectors)-failed, failed)
	if _, err := fmt.Fprint(out, b.String()); err != nil {
		return err
	}
	if failed > 0 {
		return errReported
	}
	return nil
}
