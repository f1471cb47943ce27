package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/esock-go/esock/internal/packetjson"
	"github.com/esock-go/esock/packet"
)

type packetCmd struct {
	Decode packetDecodeCmd `cmd:"" help:"Decode a packet, or check a file of test vectors."`
}

type packetDecodeCmd struct {
	Type          string `placeholder:"T" help:"Type of the packet."`
	PacketSize    *int64 `placeholder:"N" help:"Largest packet, in bytes; 0: no limit."`
	LineLength    *int64 `placeholder:"N" help:"Lines are cut into pieces of N bytes; 0: no limit."`
	LineDelimiter *int64 `placeholder:"N" help:"Number of the byte that ends a line (10); with type line only."`
	Hex           string `placeholder:"HEX" help:"The bytes, in hexadecimal."`
	Vectors       string `placeholder:"FILE" help:"Decode all vectors of the file, count other results."`
}

// Help is what --help adds.
func (packetDecodeCmd) Help() string {
	return "Types are raw, 0, 1, 2, 4, asn1, sunrm, cdr, fcgi, line, tpkt, ssl_tls, http, httph, http_bin " +
		"and httph_bin."
}

func (c *packetDecodeCmd) Run(out *output) error {
	if c.Vectors != "" {
		if c.Type != "" || c.Hex != "" || c.options() != (packetjson.Options{}) {
			return errors.New("--vectors has types, options and bytes of its own; it goes with nothing else")
		}
		return runVectors(out, c.Vectors)
	}
	if c.Type == "" {
		return errors.New("--type T --hex HEX or --vectors FILE is needed")
	}
	if _, err := packet.ParseType(c.Type); err != nil {
		var known []string
		for t := packet.Raw; t <= packet.HTTPHBin; t++ {
			known = append(known, t.String())
		}
		if _, err := fmt.Fprintln(out, packetjson.Decode(c.Type, nil, c.options())); err != nil {
			return err
		}
		return fmt.Errorf("there is no type %q%s", c.Type, didYouMean(c.Type, known))
	}
	b, err := hex.DecodeString(strings.TrimPrefix(c.Hex, "0x"))
	if err != nil {
		return fmt.Errorf("--hex: %s", strings.TrimPrefix(err.Error(), "encoding/hex: "))
	}
	_, err = fmt.Fprintln(out, packetjson.Decode(c.Type, b, c.options()))
	return err
}

func (c *packetDecodeCmd) options() packetjson.Options {
	return packetjson.Options{PacketSize: c.PacketSize, LineLength: c.LineLength, LineDelimiter: c.LineDelimiter}
}

// runVectors prints those that fail, and the count.
func runVectors(out *output, name string) error {
	f, err := packetjson.Read(name)
	if err != nil {
		return err
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
