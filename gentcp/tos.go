package gentcp

import (
	"fmt"
	"math"

	"github.com/esock-go/esock/internal/plain"
)

// TOSByte is the byte that options tos (IPv4) and tclass (IPv6) set, with the parts that are read in it today: DSCP (RFC
// 2474) in the upper six bits, ECN (RFC 3168) in the lower two. TOSByte(n) of a value of GetOpts shows its parts.
type TOSByte uint8

// DSCP returns the differentiated services codepoint, 0 to 63.
func (b TOSByte) DSCP() int { return int(b >> 2) }

// ECN returns the two bits of explicit congestion notification, which TCP sets itself.
func (b TOSByte) ECN() int { return int(b & 3) }

// Name returns the name that RFC 1349 gave to the byte, ECN aside: "lowdelay", "throughput", "reliability", "mincost"; "" for
// others.
func (b TOSByte) Name() string {
	name, ok := plain.TOS.Text(int(b))
	if !ok {
		name, _ = plain.TOS.Text(int(b &^ 3))
	}
	return name
}

// CodepointName returns the name of the DSCP, such as "ef" or "af41"; "" if it has none.
func (b TOSByte) CodepointName() string {
	name, _ := codepoints.Text(b.DSCP())
	return name
}

func (b TOSByte) String() string {
	for _, name := range []string{b.Name(), b.CodepointName()} {
		if name != "" {
			return fmt.Sprintf("0x%02x (%s)", uint8(b), name)
		}
	}
	return fmt.Sprintf("0x%02x", uint8(b))
}

// Map returns the byte as OTP 29 does: native, the number; dscp, the codepoint; and tos, the name of RFC 1349, if there is
// one. Opt takes a map with any one of these, and this map.
func (b TOSByte) Map() map[string]any {
	m := map[string]any{"native": int(b), "dscp": b.DSCP()}
	if name := b.Name(); name != "" {
		m["tos"] = name
	}
	return m
}

// DSCP returns the value of TOS and TClass for a codepoint, 0 to 63, such as 46 for expedited forwarding. Other numbers give
// -1, which those options refuse.
func DSCP(codepoint int) int {
	if codepoint < 0 || codepoint > 63 {
		return -1
	}
	return codepoint << 2
}

// codepoints are the names that IANA registers for DSCPs.
var codepoints = plain.Names{{0, "cs0"}, {8, "cs1"}, {16, "cs2"}, {24, "cs3"}, {32, "cs4"}, {40, "cs5"}, {48, "cs6"}, {56, "cs7"},
	{10, "af11"}, {12, "af12"}, {14, "af13"}, {18, "af21"}, {20, "af22"}, {22, "af23"}, {26, "af31"}, {28, "af32"},
	{30, "af33"}, {34, "af41"}, {36, "af42"}, {38, "af43"}, {46, "ef"}, {44, "voice-admit"}, {1, "le"}}

const notTOS = "it takes 0 to 255, a name, or a map with native, tos or dscp"

// checkTOS accepts the byte as a number, by a name of RFC 1349, or as a map of its parts.
func checkTOS(v any) (any, string) {
	switch v := v.(type) {
	case TOSByte:
		return int(v), ""
	case string:
		if n, ok := plain.TOS.Number(v); ok {
			return n, ""
		}
		return nil, notTOS
	case map[string]any:
		return tosFromMap(v)
	}
	return checkInt(0, math.MaxUint8, notTOS)(v)
}

// tosFromMap returns the byte of a map: native if it is there, then tos, then dscp. They must agree, ECN aside.
func tosFromMap(m map[string]any) (any, string) {
	var all []int
	known := 0
	for _, key := range []string{"native", "tos", "dscp"} {
		v, ok := m[key]
		if !ok {
			continue
		}
		known++
		n, cause := partOfTOS(key, v)
		if cause != "" {
			return nil, cause
		}
		all = append(all, n)
	}
	if known == 0 || known < len(m) {
		return nil, notTOS
	}
	for _, n := range all[1:] {
		if TOSByte(n).DSCP() != TOSByte(all[0]).DSCP() {
			return nil, "the parts of the map do not agree"
		}
	}
	return all[0], ""
}

// partOfTOS returns the byte that one key of a map stands for.
func partOfTOS(key string, v any) (n int, cause string) {
	name, isText := v.(string)
	number, isInt := plain.Integer(v)
	ok := false
	switch key {
	case "native":
		n, ok, cause = int(number), isInt && number >= 0 && number <= math.MaxUint8, "native is a number from 0 to 255"
	case "tos":
		n, ok = plain.TOS.Number(name)
		cause = "tos is lowdelay, throughput, reliability or mincost"
	case "dscp":
		cause = "dscp is a number from 0 to 63, or a name such as ef"
		if isText {
			n, ok = codepoints.Number(name)
		} else {
			n, ok = int(number), isInt && number >= 0 && number <= 63
		}
		n = DSCP(n)
	}
	if !ok {
		return 0, cause
	}
	return n, ""
}
