package main

import (
	"fmt"
	"hash/fnv"
	"regexp"
	"strconv"
	"strings"
)

// row is one ESOCK_OPT of the file.
type row struct {
	level, name string
	levelNumber int
	constant    string
	number      int
	codec       string
	direction   int // enum esock_direction
	max         int
	since, doc  string
}

// codecs are enum esock_codec: number, the constant in Go without "codec", the type and codec value of Option, and
// the bytes that a value needs (0: the row says).
var codecs = map[string]struct {
	number int
	suffix string
	goType string
	value  string
	room   int
}{
	"BOOL":   {1, "Bool", "bool", "boolCodec", 0},
	"INT":    {2, "Int", "int", "intCodec", 0},
	"UINT":   {3, "Uint", "uint", "uintCodec", 0},
	"STRING": {4, "String", "string", "stringCodec", 0},
	"LINGER": {5, "Linger", "Linger", "lingerCodec", 8},
	"UCRED":  {6, "Ucred", "Credentials", "ucredCodec", 12},
}

var directions = map[string]int{"GET": 1, "SET": 2, "GETSET": 3}

// A row is two lines; the second is the text.
var (
	rowStart = regexp.MustCompile(`^ESOCK_OPT\((\w+), (\w+), \w+, (-?\d+), (\w+), (-?\d+), (\w+), (\w+), (\d+), "([^"]+)",$`)
	rowText  = regexp.MustCompile(`^ +"([^"\\]+)"\)$`)
)

func parse(text string) ([]row, error) {
	var rows []row
	seen := make(map[string]bool)
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		if !strings.HasPrefix(lines[i], "ESOCK_OPT(") {
			continue
		}
		m := rowStart.FindStringSubmatch(lines[i])
		if m == nil || i+1 == len(lines) {
			return nil, fmt.Errorf("line %d: not the first line of a row", i+1)
		}
		i++
		t := rowText.FindStringSubmatch(lines[i])
		if t == nil {
			return nil, fmt.Errorf("line %d: not the second line of a row", i+1)
		}
		r := row{level: m[1], name: m[2], constant: m[4], codec: m[6], direction: directions[m[7]], since: m[9], doc: t[1]}
		var errs [3]error
		r.levelNumber, errs[0] = strconv.Atoi(m[3])
		r.number, errs[1] = strconv.Atoi(m[5])
		r.max, errs[2] = strconv.Atoi(m[8])
		for _, err := range errs {
			if err != nil {
				return nil, fmt.Errorf("line %d: %w", i, err)
			}
		}
		if _, ok := codecs[r.codec]; !ok || r.direction == 0 {
			return nil, fmt.Errorf("line %d: unknown codec or direction", i)
		}
		key := r.level + "." + r.name
		if seen[key] {
			return nil, fmt.Errorf("line %d: a second row of %s", i, key)
		}
		seen[key] = true
		rows = append(rows, r)
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("no rows")
	}
	return rows, nil
}

// hash is esock_opt_hash: FNV-1a over a line for each row.
func hash(rows []row) uint64 {
	h := fnv.New64a()
	for _, r := range rows {
		fmt.Fprintf(h, "%s %s %s %d %d %d %d %d\n", r.level, r.name, r.constant, r.levelNumber, r.number,
			codecs[r.codec].number, r.direction, r.max)
	}
	return h.Sum64()
}

func (r row) codecName() string { return strings.ToLower(r.codec) }

// room is the bytes of data that the core needs for the value.
func (r row) room() int { return max(r.max, codecs[r.codec].room) }

func (r row) access() string {
	return [...]string{1: "can be read", 2: "can be set", 3: "can be read and set"}[r.direction]
}

// Options whose value means more than its codec says.
var meanings = map[string]struct{ goType, codec string }{
	"socket.domain":    {"Domain", "domainCodec"},
	"socket.type":      {"Type", "typeCodec"},
	"socket.protocol":  {"Protocol", "protocolCodec"},
	"socket.error":     {"syscall.Errno", "errnoCodec"},
	"tcp.keepidle":     {"time.Duration", "intSeconds"},
	"tcp.keepintvl":    {"time.Duration", "intSeconds"},
	"tcp.user_timeout": {"time.Duration", "uintMilliseconds"},
}

func (r row) goType() (goType, codec string) {
	if m, ok := meanings[r.level+"."+r.name]; ok {
		return m.goType, m.codec
	}
	c := codecs[r.codec]
	return c.goType, c.value
}

var levels = map[string]string{"ip": "IP", "ipv6": "IPv6", "tcp": "TCP", "udp": "UDP", "sctp": "SCTP", "mptcp": "MPTCP"}

// The words that OTP's names are put together of, as Go spells them. Longer ones come first where one begins like
// another. What is not here stays one word.
var words = []string{
	"acceptconn:AcceptConn", "bindtodevice:BindToDevice", "dontroute:DontRoute", "hoplimit:HopLimit", "hops:Hops",
	"keepalive:KeepAlive", "keepcnt:KeepCnt", "keepidle:KeepIdle", "keepintvl:KeepIntvl", "maxseg:MaxSeg",
	"nodelay:NoDelay", "oobinline:OOBInline", "passcred:PassCred", "peercred:PeerCred", "pktinfo:PktInfo",
	"rcvbuf:RcvBuf", "rcvlowat:RcvLowat", "recv:Recv", "reuseaddr:ReuseAddr", "reuseport:ReusePort",
	"sndbuf:SndBuf", "tclass:TClass", "tos:TOS", "ttl:TTL", "v6only:V6Only",
}

// goName is the exported name: level and words.
func (r row) goName() string {
	level, ok := levels[r.level]
	if !ok {
		level = capital(r.level)
	}
	var b strings.Builder
	b.WriteString(level)
	for part := range strings.SplitSeq(r.name, "_") {
		for part != "" {
			word := part
			spelt := capital(part)
			for _, w := range words {
				if from, to, _ := strings.Cut(w, ":"); strings.HasPrefix(part, from) {
					word, spelt = from, to
					break
				}
			}
			b.WriteString(spelt)
			part = part[len(word):]
		}
	}
	return b.String()
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
