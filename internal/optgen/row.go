package main

import (
	"fmt"
	"hash/fnv"
	"math/bits"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// table is the content of the two files.
type table struct {
	levels    map[string]int
	kinds     []kind
	composite map[string]int // names of kinds, one or several
	elsewhere []elsewhere
	rows      []row
	structs   map[string]*structure
	order     []*structure
}

// kind is an ESOCK_KIND: a kind of socket.
type kind struct {
	name string
	text string
}

// elsewhere is an ESOCK_ELSEWHERE: an option of other platforms.
type elsewhere struct{ level, name, where string }

// row is one ESOCK_OPT.
type row struct {
	level, name string
	levelNumber int
	constant    string
	number      int
	codec       string // "STRUCT"
	argument    string // "tcp_info"
	direction   string
	kinds       string
	kindBits    int
	needs       string
	since       string
	until       string
	sample      string
	doc         string
	shape       *structure
}

// structure is an ESOCK_STRUCT with its fields.
type structure struct {
	name, ctype string
	fields      []field
	taken       bool // a variable has the Go name that it would have

	optional, asks []string // ESOCK_KEYS
}

type field struct{ name, kind, doc string }

// codecs are the codecs of the rows: enum esock_codec, and the type and codec value of Option.
var codecs = map[string]struct {
	number int
	goType string
	value  string
}{
	"BOOL":     {1, "bool", "boolCodec"},
	"INT":      {2, "int", "intCodec"},
	"UINT":     {3, "uint", "uintCodec"},
	"STRING":   {4, "string", "stringCodec"},
	"TEXT":     {4, "string", "stringCodec"},
	"BITS":     {3, "uint32", "bitsCodec"},
	"U16":      {11, "uint", "uint16Codec"},
	"U64":      {5, "uint64", "uint64Codec"},
	"BE32":     {6, "uint", "uintCodec"},
	"TIMEVAL":  {7, "time.Duration", "microseconds"},
	"BYTES":    {8, "[]byte", "bytesCodec"},
	"SIZED":    {8, "[]byte", "bytesCodec"},
	"BLOB":     {8, "[]byte", "bytesCodec"},
	"STRUCT":   {9, "", ""},
	"FILTER":   {10, "[]SockFilter", "filterCodec"},
	"SEC":      {2, "time.Duration", "intSeconds"},
	"MSEC":     {3, "time.Duration", "uintMilliseconds"},
	"USEC":     {3, "time.Duration", "uintMicroseconds"},
	"DOMAIN":   {2, "esock.Domain", "domainCodec"},
	"TYPE":     {2, "esock.Type", "typeCodec"},
	"PROTOCOL": {2, "esock.Protocol", "protocolCodec"},
	"ERRNO":    {2, "syscall.Errno", "errnoCodec"},
	"PMTU":     {2, "PMTUDiscover", "pmtuCodec"},
	"FD":       {2, "int", "intCodec"},
	"CTRL":     {8, "[]esock.ControlMessage", "controlCodec"},
}

var directions = map[string]int{"GET": 1, "SET": 2, "GETSET": 3, "ASK": 5, "ASKSET": 7}

var needs = map[string]int{"NOTHING": 0, "CONNECTED": 1, "LISTENING": 2, "REPAIR": 3, "NET_ADMIN": 4, "NET_RAW": 5}

// The structures whose Go type is written by hand.
var handmade = map[string]struct{ goType, codec string }{
	"linger":         {"Linger", "lingerCodec"},
	"ucred":          {"esock.Credentials", "ucredCodec"},
	"in_addr":        {"netip.Addr", "inAddrCodec"},
	"in6_pktinfo":    {"esock.PktInfo6", "pktInfo6Codec"},
	"gids":           {"[]int", "gidsCodec"},
	"netlink_groups": {"[]int", "groupsCodec"},
	// These are control messages as well.
	"sctp_initmsg":    {"esock.SCTPInit", "sctpInitCodec"},
	"sctp_sndrcvinfo": {"esock.SCTPSndRcv", "sctpSndRcvCodec"},
	"sctp_sndinfo":    {"esock.SCTPSndInfo", "sctpSndInfoCodec"},
}

// A row has two lines; the second is its text.
var (
	levelLine  = regexp.MustCompile(`^ESOCK_LEVEL\((\w+), \w+, (\d+)\)$`)
	kindLine   = regexp.MustCompile(`^ESOCK_KIND\((\w+), (\d+), "(\w+)"\)$`)
	kindsLine  = regexp.MustCompile(`^ESOCK_KINDS\((\w+), ([\w |]+)\)$`)
	elseLine   = regexp.MustCompile(`^ESOCK_ELSEWHERE\((\w+), (\w+), "([^"]+)"\)$`)
	rowStart   = regexp.MustCompile(`^ESOCK_OPT\((\w+), (\w+), (\w+), (-?\d+), (\w+)(?:\((\w+)\))?, (\w+), (\w+), (\w+), (?:"([^"]+)"|UNTIL\("([^"]+)", "([^"]+)"\)), "([^"\\]*)",$`)
	rowText    = regexp.MustCompile(`^ +"([^"\\]+)"\)$`)
	structLine = regexp.MustCompile(`^ESOCK_STRUCT\((\w+), ([\w \[\]]+), (?:FULL|SHORT|GUESS|HEAD)\)$`)
	fieldLine  = regexp.MustCompile(`^ESOCK_FIELD\((\w+), (\w+), [\w.-]+, (\w+), "([^"\\]*)"\)$`)
	keysLine   = regexp.MustCompile(`^ESOCK_KEYS\((\w+), "([\w| ]*)", "([\w ]*)"\)$`)
	endLine    = regexp.MustCompile(`^ESOCK_END\((\w+), (?:NATURAL|PACKED4), (\d+)\)$`)
)

// parse reads the rows and the structures.
func parse(rows, structs string) (*table, error) {
	t := &table{levels: map[string]int{}, composite: map[string]int{}, structs: map[string]*structure{}}
	if err := t.parseStructs(structs); err != nil {
		return nil, fmt.Errorf("%s: %w", structSource, err)
	}
	if err := t.parseRows(rows); err != nil {
		return nil, fmt.Errorf("%s: %w", source, err)
	}
	return t, nil
}

func (t *table) parseStructs(text string) error {
	var open *structure
	for i, line := range strings.Split(text, "\n") {
		wrong := fmt.Errorf("line %d is not understood", i+1)
		switch {
		case strings.HasPrefix(line, "ESOCK_STRUCT("):
			m := structLine.FindStringSubmatch(line)
			if m == nil || open != nil || t.structs[m[1]] != nil {
				return wrong
			}
			open = &structure{name: m[1], ctype: m[2]}
			t.structs[open.name] = open
			t.order = append(t.order, open)
		case strings.HasPrefix(line, "ESOCK_FIELD("):
			m := fieldLine.FindStringSubmatch(line)
			if m == nil || open == nil || m[1] != open.name || fieldTypes[m[3]] == "" {
				return wrong
			}
			open.fields = append(open.fields, field{m[2], m[3], m[4]})
		case strings.HasPrefix(line, "ESOCK_END("):
			m := endLine.FindStringSubmatch(line)
			if m == nil || open == nil || m[1] != open.name || len(open.fields) == 0 {
				return wrong
			}
			open = nil
		case strings.HasPrefix(line, "ESOCK_KEYS("):
			m := keysLine.FindStringSubmatch(line)
			if m == nil || open != nil || t.structs[m[1]] == nil {
				return wrong
			}
			s := t.structs[m[1]]
			s.optional, s.asks = strings.Fields(m[2]), strings.Fields(m[3])
			for _, key := range append(strings.FieldsFunc(m[2], func(r rune) bool { return r == ' ' || r == '|' }), s.asks...) {
				if !slices.ContainsFunc(s.fields, func(f field) bool { return f.name == key }) {
					return wrong
				}
			}
		}
	}
	return nil
}

func (t *table) parseRows(text string) error {
	seen := make(map[string]bool)
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		wrong := fmt.Errorf("line %d is not understood", i+1)
		word, _, ok := strings.Cut(lines[i], "(")
		if !ok || !strings.HasPrefix(word, "ESOCK_") {
			continue
		}
		switch word {
		case "ESOCK_LEVEL":
			m := levelLine.FindStringSubmatch(lines[i])
			if m == nil {
				return wrong
			}
			t.levels[m[1]], _ = strconv.Atoi(m[2])
		case "ESOCK_KIND":
			m := kindLine.FindStringSubmatch(lines[i])
			if m == nil || m[2] != strconv.Itoa(len(t.kinds)) {
				return wrong
			}
			t.composite[m[1]] = 1 << len(t.kinds)
			t.kinds = append(t.kinds, kind{m[1], m[3]})
		case "ESOCK_KINDS":
			m := kindsLine.FindStringSubmatch(lines[i])
			if m == nil {
				return wrong
			}
			for name := range strings.SplitSeq(m[2], " | ") {
				if t.composite[name] == 0 {
					return wrong
				}
				t.composite[m[1]] |= t.composite[name]
			}
		case "ESOCK_ELSEWHERE":
			m := elseLine.FindStringSubmatch(lines[i])
			if m == nil {
				return wrong
			}
			t.elsewhere = append(t.elsewhere, elsewhere{m[1], m[2], m[3]})
		case "ESOCK_OPT":
			if i+1 == len(lines) {
				return wrong
			}
			r, cause := t.parseRow(lines[i], lines[i+1])
			if cause != "" {
				return fmt.Errorf("line %d: %s", i+1, cause)
			}
			i++
			key := r.level + "." + r.name
			if seen[key] {
				return fmt.Errorf("line %d: a second row of %s", i, key)
			}
			seen[key] = true
			t.rows = append(t.rows, r)
		}
	}
	if len(t.rows) == 0 {
		return fmt.Errorf("no rows")
	}
	for _, s := range t.order {
		s.taken = slices.ContainsFunc(t.rows, func(r row) bool { return r.goName() == s.goName() })
	}
	return nil
}

func (t *table) parseRow(first, second string) (r row, cause string) {
	m, d := rowStart.FindStringSubmatch(first), rowText.FindStringSubmatch(second)
	if m == nil || d == nil {
		return r, "a row is eleven fields on two lines"
	}
	r = row{level: m[1], name: m[2], constant: m[3], codec: m[5], argument: m[6], direction: m[7], kinds: m[8], needs: m[9],
		since: m[10] + m[11], until: m[12], sample: m[13], doc: d[1]}
	var err error
	if r.number, err = strconv.Atoi(m[4]); err != nil {
		return r, err.Error()
	}
	var ok bool
	if r.levelNumber, ok = t.levels[r.level]; !ok {
		return r, "unknown level"
	}
	if _, ok = codecs[r.codec]; !ok {
		return r, "unknown codec"
	}
	if directions[r.direction] == 0 {
		return r, "unknown direction"
	}
	if _, ok = needs[r.needs]; !ok {
		return r, "unknown need"
	}
	if r.kindBits = t.composite[r.kinds]; r.kindBits == 0 {
		return r, "unknown kinds"
	}
	takes := slices.Contains([]string{"STRING", "TEXT", "BYTES", "SIZED", "BLOB", "CTRL"}, r.codec)
	switch {
	case r.codec == "STRUCT":
		if r.shape = t.structs[r.argument]; r.shape == nil {
			return r, "unknown structure"
		}
	case takes != (r.max() > 0) || !takes && r.argument != "":
		return r, "strings and bytes have a maximum, and others have none"
	}
	return r, ""
}

// max returns the greatest length of a string or bytes, or the room to begin with.
func (r row) max() int {
	n, _ := strconv.Atoi(r.argument)
	return n
}

// hash returns what esock_opt_hash does: FNV-1a over the lines of all rows.
func hash(t *table) uint64 {
	h := fnv.New64a()
	for _, r := range t.rows {
		shape := "-"
		if r.shape != nil {
			shape = r.shape.name
		}
		fmt.Fprintf(h, "%s %s %s %d %d %d %d %d %d %d %s\n", r.level, r.name, r.constant, r.levelNumber, r.number,
			codecs[r.codec].number, directions[r.direction], needs[r.needs], r.kindBits, r.max(), shape)
		if r.shape != nil {
			for _, f := range r.shape.fields {
				fmt.Fprintf(h, "%s %s\n", f.name, f.kind)
			}
		}
	}
	return h.Sum64()
}

func (r row) access() string {
	return map[string]string{"GET": "can be read", "SET": "can be set", "GETSET": "can be read and set",
		"ASK": "can be asked with Ask", "ASKSET": "can be asked with Ask, and set"}[r.direction]
}

// needed says whether the key of a field may be missing: "", "or ifindex" or "may be missing".
func (s *structure) needed(name string) string {
	for _, o := range s.optional {
		one, other, two := strings.Cut(o, "|")
		switch {
		case o == name:
			return "may be missing"
		case two && one == name:
			return "or " + other
		case two && other == name:
			return "or " + one
		}
	}
	return ""
}

// form returns the codec for users of Go, for whom it makes no difference where the length comes from.
func (r row) form() string {
	switch r.codec {
	case "TEXT":
		return "string"
	case "SIZED", "BLOB":
		return "bytes"
	case "BITS":
		return "uint"
	}
	return strings.ToLower(r.codec)
}

// lifetime returns since and until, in words.
func (r row) lifetime() string {
	if r.until == "" {
		return r.since
	}
	return r.since + ", until " + r.until
}

// need returns what a row needs, in words.
func (r row) need() string {
	switch r.needs {
	case "NOTHING":
		return ""
	case "NET_ADMIN", "NET_RAW":
		return "CAP_" + r.needs
	}
	return strings.ToLower(r.needs)
}

// kindNames returns the names of the kinds that a row applies to.
func (t *table) kindNames(r row) string {
	if r.kindBits == t.composite["ANY"] {
		return "all"
	}
	var names []string
	for b := r.kindBits; b != 0; b &= b - 1 {
		names = append(names, t.kinds[bits.TrailingZeros(uint(b))].text)
	}
	return strings.Join(names, " ")
}

func (r row) goType() (goType, codec string) {
	if r.shape != nil {
		if h, ok := handmade[r.shape.name]; ok {
			return h.goType, h.codec
		}
		return r.shape.goName(), r.shape.codecName()
	}
	c := codecs[r.codec]
	return c.goType, c.value
}

// fieldTypes has the Go type of each kind of field; "-" for one that the Go structure does not have.
var fieldTypes = map[string]string{
	"U8": "uint8", "U16": "uint16", "U32": "uint32", "U64": "uint64", "I32": "int32", "BE16": "uint16", "BE32": "uint32",
	"BOOL": "bool", "BOOL8": "bool", "IN4": "netip.Addr", "IN6": "netip.Addr", "SA": "esock.Addr", "SA6": "esock.Addr",
	"SEC": "time.Duration", "MS": "time.Duration", "US": "time.Duration", "US64": "time.Duration", "FMODE": "FilterMode",
	"B32": "[32]byte", "B80": "[80]byte", "USMIN": "time.Duration", "MANY32": "uint32", "EACH32": "uint32",
	"ECNMODE": "uint8", "ECNSEEN": "uint16", "ECNFAIL": "uint16", "ECNOPTS": "uint32", "COUNT16": "-", "COUNT32": "-",
	"LU8": "[]byte", "LU16": "[]uint16", "LU32": "[]uint32", "LIN4": "[]netip.Addr", "LSA": "[]esock.Addr", "LCAN": "[]CANFilter", "TAIL": "[]byte",
}
