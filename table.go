package esock

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"text/tabwriter"
	"unicode"
	"unicode/utf8"

	"github.com/esock-go/esock/internal/plain"
)

// SocketRow is a row of the table of sockets; its JSON is its Map. A value without a name is a number, an unknown one empty.
type SocketRow struct {
	Domain        string // "inet"
	Type          string // "STREAM"
	Protocol      string // "TCP"
	FD            int    // -1 if the socket was closed in the meantime
	Owner         string // as Mailbox.String
	LocalAddress  string // "localhost:http (80)"
	RemoteAddress string
	Recv          uint64 // bytes received
	Sent          uint64 // bytes sent
	State         string // "BD:LG, -"; WriteTable has the abbreviations
}

// columns lists the columns of the table by OTP's keys, in the order of printing.
var columns = []struct {
	key  string
	cell func(*SocketRow) any
}{
	{"domain", func(r *SocketRow) any { return r.Domain }},
	{"type", func(r *SocketRow) any { return r.Type }},
	{"protocol", func(r *SocketRow) any { return r.Protocol }},
	{"fd", func(r *SocketRow) any {
		if r.FD < 0 {
			return ""
		}
		return r.FD
	}},
	{"owner", func(r *SocketRow) any { return r.Owner }},
	{"local_address", func(r *SocketRow) any { return r.LocalAddress }},
	{"remote_address", func(r *SocketRow) any { return r.RemoteAddress }},
	{"recv", func(r *SocketRow) any { return r.Recv }},
	{"sent", func(r *SocketRow) any { return r.Sent }},
	{"state", func(r *SocketRow) any { return r.State }},
}

// TableColumns returns the keys of the table's columns in the order of WriteTable: domain, type, protocol, fd, owner,
// local_address, remote_address, recv, sent, state. OTP: the keys of socket:i/1.
func TableColumns() []string {
	keys := make([]string, len(columns))
	for i, c := range columns {
		keys[i] = c.key
	}
	return keys
}

// Map returns the row by the keys of the columns. recv and sent are uint64, fd is an int, "" if the socket is closed; the
// others are strings.
func (r SocketRow) Map() map[string]any {
	m := make(map[string]any, len(columns))
	for _, c := range columns {
		m[c.key] = c.cell(&r)
	}
	return m
}

// SocketRowFromMap reads what Map returns. Errors: *InvalidError "row".
func SocketRowFromMap(m map[string]any) (SocketRow, error) {
	row := SocketRow{FD: -1}
	r := plain.Read(m)
	for key, text := range map[string]*string{"domain": &row.Domain, "type": &row.Type, "protocol": &row.Protocol,
		"owner": &row.Owner, "local_address": &row.LocalAddress, "remote_address": &row.RemoteAddress, "state": &row.State} {
		*text = r.Text(key)
	}
	r.Count("recv", &row.Recv)
	r.Count("sent", &row.Sent)
	if fd, ok := r.Get("fd"); ok && fd != "" {
		row.FD = int(r.Number("fd", 0, math.MaxInt32, -1))
	}
	if cause := r.Finish(); cause != "" {
		return SocketRow{}, &InvalidError{What: "row", Value: m, Cause: cause}
	}
	return row, nil
}

func (r SocketRow) MarshalJSON() ([]byte, error) { return json.Marshal(r.Map()) }

func (r *SocketRow) UnmarshalJSON(b []byte) error {
	if r == nil {
		return errNowhere("row")
	}
	m, err := plain.MapFromJSON(b)
	if err == nil {
		*r, err = SocketRowFromMap(m)
	}
	return err
}

// SocketRows returns the rows of the registered sockets that pass all filters, oldest first, if they stay open. Errors:
// *InvalidError "filter".
func SocketRows(filters ...Filter) ([]SocketRow, error) {
	socks, err := WhichSockets(filters...)
	if err != nil {
		return nil, err
	}
	rows := make([]SocketRow, 0, len(socks))
	for _, s := range socks {
		if row, ok := s.tableRow(); ok {
			rows = append(rows, row)
		}
	}
	return rows, nil
}

// WriteTable prints a line for each row of SocketRows under the names of the columns, nothing for no row.
// keys are the columns (default: TableColumns).
//
// An address is host:port or local:path. The host is * for the wildcard address, localhost for 127.0.0.1 and ::1,
// otherwise a number; no name server is asked. A port in the system's service database has its name, "http (80)". A
// missing address or state is an empty cell.
//
// The states are A accepting, BD bound, CD connected, CG connecting, CP completing, LG listening, SD selected and
// CLOSING: those of the reading side, a comma, those of the writing side. A dash is a side without states, "BD:LG, -".
//
// Errors: *InvalidError "column", "filter"; those of w. OTP: socket:i/0,1,2.
func WriteTable(w io.Writer, keys []string, filters ...Filter) error {
	rows, err := SocketRows(filters...)
	if err != nil {
		return err
	}
	return WriteRows(w, keys, rows)
}

// WriteRows prints rows as WriteTable does. Errors: as there.
func WriteRows(w io.Writer, keys []string, rows []SocketRow) error {
	if w == nil {
		return &InvalidError{What: "writer", Cause: "it is nil"}
	}
	cols := columns
	if len(keys) > 0 {
		cols = nil
		for _, key := range keys {
			i := slices.IndexFunc(TableColumns(), func(k string) bool { return k == key })
			if i < 0 {
				return &InvalidError{What: "column", Value: key, Cause: "there is none of that name"}
			}
			cols = append(cols, columns[i])
		}
	}
	if len(rows) == 0 {
		return nil
	}
	var b bytes.Buffer // so that w gets one write
	t := tabwriter.NewWriter(&b, 0, 0, 1, ' ', 0)
	for _, c := range cols {
		fmt.Fprintf(t, "%s\t", columnName(c.key))
	}
	fmt.Fprintln(t)
	for i := range rows {
		for _, c := range cols {
			fmt.Fprintf(t, "%v\t", c.cell(&rows[i]))
		}
		fmt.Fprintln(t)
	}
	t.Flush() // a buffer does not fail
	var table []byte
	for line := range bytes.Lines(b.Bytes()) {
		table = append(table, bytes.TrimRight(line, " \n")...)
		table = append(table, '\n')
	}
	_, err := w.Write(table)
	return err
}

// columnName makes "Local Address" of local_address.
func columnName(key string) string {
	words := strings.Split(key, "_")
	for i, word := range words {
		words[i] = strings.ToUpper(word[:1]) + word[1:]
	}
	return strings.Join(words, " ")
}

// tableRow makes the socket's row; ok is false if the socket is closed.
func (s *Socket) tableRow() (row SocketRow, ok bool) {
	i := s.Info()
	if slices.Contains(i.RStates, "closed") {
		return row, false
	}
	return SocketRow{Domain: i.Domain.String(), Type: strings.ToUpper(i.Type.String()), Protocol: protocolCell(&i),
		FD: s.tableFD(), Owner: i.Owner, LocalAddress: s.addrCell(&i, cSockName), RemoteAddress: s.addrCell(&i, cPeerName),
		Recv: i.Counters.ReadByte, Sent: i.Counters.WriteByte, State: stateCell(&i)}, true
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

func (s *Socket) tableFD() int {
	s.mu.Lock() // so that the handle stays
	defer s.mu.Unlock()
	if s.h == nil {
		return -1
	}
	return cFD(s.h)
}

// addrCell asks the kernel for an address, without a trace: it is not an operation of the socket.
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

// formatAddr formats an address for the table. An inet6 address has brackets, so that its port does not look like a part of it.
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

// printable returns s, quoted as in Go if it would break the table.
func printable(s string) string {
	if !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(s)
	}
	return s
}

// stateCodes abbreviates the states; others are printed in capitals.
var stateCodes = map[string]string{"accepting": "A", "bound": "BD", "busy": "BY", "connected": "CD", "connecting": "CG",
	"completing": "CP", "listen": "LN", "listening": "LG", "open": "O", "selected": "SD"}

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

// services reads the system's service database, empty if there is none.
var services = sync.OnceValue(func() map[service]string {
	f, err := os.Open("/etc/services")
	if err != nil {
		return nil
	}
	defer f.Close()
	return readServices(f)
})

// serviceName returns the name of a port, empty if it has none.
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
