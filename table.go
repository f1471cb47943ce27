package esock

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// column is one column of the table of sockets, by OTP's key.
type column struct {
	key  string
	cell func(*Socket, *SocketInfo) string
}

var columns = []column{
	{"domain", func(_ *Socket, i *SocketInfo) string { return i.Domain.String() }},
	{"type", func(_ *Socket, i *SocketInfo) string { return strings.ToUpper(i.Type.String()) }},
	{"protocol", func(_ *Socket, i *SocketInfo) string { return protocolCell(i) }},
	{"fd", func(s *Socket, _ *SocketInfo) string { return s.fdCell() }},
	{"owner", func(_ *Socket, i *SocketInfo) string { return i.Owner }},
	{"local_address", func(s *Socket, i *SocketInfo) string { return s.addrCell(i, cSockName) }},
	{"remote_address", func(s *Socket, i *SocketInfo) string { return s.addrCell(i, cPeerName) }},
	{"recv", func(_ *Socket, i *SocketInfo) string { return strconv.FormatUint(i.Counters.ReadByte, 10) }},
	{"sent", func(_ *Socket, i *SocketInfo) string { return strconv.FormatUint(i.Counters.WriteByte, 10) }},
	{"state", func(_ *Socket, i *SocketInfo) string { return stateCell(i) }},
}

// WriteTable prints the registered sockets that pass all the filters, one to a line, under the names of the
// columns; nothing, if there are none. The columns, and their order if keys is empty: domain, type, protocol, fd, owner,
// local_address, remote_address, recv, sent (bytes), state. What has no name is printed as its number, what is not known
// is blank, and a socket that is closed meanwhile is left out.
//
// The states are abbreviated: A accepting, BD bound, CD connected, CG connecting, LG listening, SD selected, in
// full CLOSING; those of the reading side come first, then a comma, then those of the writing side.
//
// Errors: *InvalidError "column" (unknown), "filter"; those of w. OTP: socket:i/0,1,2.
func WriteTable(w io.Writer, keys []string, filters ...Filter) error {
	if w == nil {
		return &InvalidError{What: "writer", Cause: "it is nil"}
	}
	cols := columns
	if len(keys) > 0 {
		cols = nil
		for _, key := range keys {
			i := slices.IndexFunc(columns, func(c column) bool { return c.key == key })
			if i < 0 {
				return &InvalidError{What: "column", Value: key, Cause: "there is none of that name"}
			}
			cols = append(cols, columns[i])
		}
	}
	socks, err := WhichSockets(filters...)
	if err != nil {
		return err
	}
	rows := [][]string{header(cols)}
	for _, s := range socks {
		if row := s.tableRow(cols); row != nil {
			rows = append(rows, row)
		}
	}
	if len(rows) == 1 {
		return nil
	}
	_, err = w.Write(layOut(rows))
	return err
}

// header makes "Local Address" of local_address.
func header(cols []column) []string {
	row := make([]string, len(cols))
	for i, c := range cols {
		words := strings.Split(c.key, "_")
		for j, word := range words {
			words[j] = strings.ToUpper(word[:1]) + word[1:]
		}
		row[i] = strings.Join(words, " ")
	}
	return row
}

// tableRow makes the socket's cells; nil: it is closed.
func (s *Socket) tableRow(cols []column) []string {
	info := s.Info()
	if slices.Contains(info.RStates, "closed") {
		return nil
	}
	row := make([]string, len(cols))
	for i, c := range cols {
		row[i] = c.cell(s, &info)
	}
	return row
}

// layOut aligns the cells to the left, a space after each.
func layOut(rows [][]string) []byte {
	width := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	var b bytes.Buffer
	for _, row := range rows {
		for i, cell := range row {
			fmt.Fprintf(&b, "%-*s ", width[i], cell)
		}
		b.WriteByte('\n')
	}
	return b.Bytes()
}

func protocolCell(i *SocketInfo) string {
	switch {
	case i.Protocol != Default:
		return strings.ToUpper(i.Protocol.String())
	case i.Type == Stream:
		return "TCP"
	case i.Type == Dgram:
		return "UDP"
	}
	return "UNKNOWN"
}

func (s *Socket) fdCell() string {
	s.mu.Lock() // which keeps the handle
	defer s.mu.Unlock()
	if s.h == nil {
		return ""
	}
	return strconv.Itoa(cFD(s.h))
}

// addrCell asks the kernel for an address. It does not pass the trace: looking at a socket is not one of its
// operations.
func (s *Socket) addrCell(i *SocketInfo, get func(*handle, *cAddr) int) string {
	if s.ref("info") != nil {
		return ""
	}
	var c cAddr
	r := get(s.h, &c)
	s.unref()
	if r < 0 {
		return ""
	}
	return formatAddr(addrFromC(&c, Addr{}), strings.ToLower(protocolCell(i)))
}

// formatAddr is an address as the table has it. An inet6 address has brackets, without which its port
// would look like a part of it.
func formatAddr(a Addr, protocol string) string {
	switch a.Family() {
	case Inet, Inet6:
	case Local:
		path := a.Path()
		if name, ok := strings.CutPrefix(path, "\x00"); ok {
			path = "@" + name
		}
		return "local:" + printable(path)
	default:
		return printable(a.String())
	}
	ip := a.IP()
	host := ip.String()
	switch {
	case ip.IsUnspecified():
		host = "*"
	case host == "127.0.0.1" || host == "::1":
		host = "localhost"
	case ip.Is6():
		if a.ScopeID() != 0 {
			host += "%" + strconv.FormatUint(uint64(a.ScopeID()), 10)
		}
		host = "[" + host + "]"
	}
	port := strconv.FormatUint(uint64(a.Port()), 10)
	if name := serviceName(a.Port(), protocol); name != "" {
		port = name + " (" + port + ")"
	}
	return host + ":" + port
}

// printable is s, or s as a Go string when it would disturb the table.
func printable(s string) string {
	if !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(s)
	}
	return s
}

// stateCodes abbreviates the states; others are printed in capitals.
var stateCodes = map[string]string{"accepting": "A", "bound": "BD", "busy": "BY", "connected": "CD", "connecting": "CG",
	"listen": "LN", "listening": "LG", "open": "O", "selected": "SD"}

func stateCell(i *SocketInfo) string {
	r, w := codes(i.RStates), codes(i.WStates)
	switch {
	case r == "" && w == "":
		return ""
	case w == "":
		return r + ", -"
	case r == "":
		return " - , " + w
	}
	return r + " , " + w
}

func codes(states []string) string {
	list := make([]string, len(states))
	for i, st := range states {
		if list[i] = stateCodes[st]; list[i] == "" {
			list[i] = strings.ToUpper(st)
		}
	}
	return strings.Join(list, ":")
}

// service is a key of the service database.
type service struct {
	port     uint32
	protocol string
}

// services is the system's service database, empty if there is none.
var services = sync.OnceValue(func() map[service]string {
	f, err := os.Open("/etc/services")
	if err != nil {
		return nil
	}
	defer f.Close()
	return readServices(f)
})

// serviceName is the name of a port, empty if it has none.
func serviceName(port uint32, protocol string) string { return services()[service{port, protocol}] }

// readServices reads services(5): "name port/protocol aliases # comment". The first name of a port counts.
func readServices(r io.Reader) map[service]string {
	table := map[service]string{}
	for lines := bufio.NewScanner(r); lines.Scan(); {
		text, _, _ := strings.Cut(lines.Text(), "#")
		words := strings.Fields(text)
		if len(words) < 2 {
			continue
		}
		number, protocol, _ := strings.Cut(words[1], "/")
		port, err := strconv.ParseUint(number, 10, 16)
		key := service{uint32(port), protocol}
		if _, ok := table[key]; err == nil && !ok {
			table[key] = words[0]
		}
	}
	return table
}
