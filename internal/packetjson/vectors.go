package packetjson

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"reflect"

	"github.com/esock-go/esock/packet"
)

// File is a file of test vectors.
type File struct {
	Note    string   `json:"note"`
	Count   int      `json:"count"`
	Vectors []Vector `json:"vectors"`
}

// Vector is one call of decode_packet, and its result.
type Vector struct {
	ID      string          `json:"id"`
	Type    string          `json:"type"`
	Options Options         `json:"options"`
	Input   Hex             `json:"input"`
	Result  json.RawMessage `json:"result"`
}

// Options are the options of a call as they are written, of any size. Those that are nil were not given.
type Options struct {
	PacketSize    *int64 `json:"packet_size,omitempty"`
	LineLength    *int64 `json:"line_length,omitempty"`
	LineDelimiter *int64 `json:"line_delimiter,omitempty"`
}

// UnmarshalJSON takes an object. A name that no option has is an error: it would be left out otherwise.
func (o *Options) UnmarshalJSON(text []byte) error {
	type plain Options // without this method
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	return d.Decode((*plain)(o))
}

// Hex is bytes that are written in hexadecimal.
type Hex []byte

// UnmarshalText takes hexadecimal digits.
func (h *Hex) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	*h = b
	return err
}

// Read reads a file of test vectors, and checks that it is whole.
func Read(name string) (*File, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	f := new(File)
	if err := json.Unmarshal(b, f); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(f.Vectors) == 0 {
		return nil, fmt.Errorf("%s: has no vectors", name)
	}
	if f.Count != len(f.Vectors) {
		return nil, fmt.Errorf("%s: has %d vectors, and says %d", name, len(f.Vectors), f.Count)
	}
	return f, nil
}

// Decode decodes b, and returns the result as JSON. Types that are unknown, and numbers that no option takes, give
// badarg.
func Decode(typ string, b []byte, o Options) string {
	t, err := packet.ParseType(typ)
	if err != nil {
		return badArg
	}
	options, ok := o.Packet()
	if !ok {
		return badArg
	}
	p, n, err := packet.Decode(t, b, options)
	return Result(b, p, n, err)
}

// Packet is the options as package packet has them; false if a number is out of range.
func (o Options) Packet() (opts packet.Options, ok bool) {
	size, ok1 := within(o.PacketSize, math.MaxUint32)
	length, ok2 := within(o.LineLength, math.MaxUint32)
	delimiter, ok3 := within(o.LineDelimiter, math.MaxUint8)
	opts = packet.Options{PacketSize: int(min(size, math.MaxInt)), LineLength: int(min(length, math.MaxInt))}
	if o.LineDelimiter != nil {
		opts.LineDelimiter = packet.DelimiterOf(byte(delimiter))
	}
	return opts, ok1 && ok2 && ok3
}

func within(n *int64, most int64) (int64, bool) {
	if n == nil {
		return 0, true
	}
	return *n, 0 <= *n && *n <= most
}

// Run decodes the vector, and returns the result and whether it is the vector's.
func (v *Vector) Run() (got string, ok bool) {
	got = Decode(v.Type, v.Input, v.Options)
	return got, same(got, string(v.Result))
}

// same compares JSON texts, which may differ in blanks, in how characters are written and in the order of keys.
func same(x, y string) bool {
	if x == y {
		return true
	}
	var a, b any
	return json.Unmarshal([]byte(x), &a) == nil && json.Unmarshal([]byte(y), &b) == nil && reflect.DeepEqual(a, b)
}
