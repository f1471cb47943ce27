package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/esock-go/esock"
)

// The columns of the table of sockets, in the order in which it has them by itself.
var tableColumns = []string{"domain", "type", "protocol", "fd", "owner", "local_address", "remote_address", "recv",
	"sent", "state"}

type tableCmd struct {
	Columns []string `arg:"" optional:"" help:"Columns, in this order: ${columns}. All, if none is given."`

	Filter []string `short:"f" help:"Only sockets of this domain, type or protocol: inet, inet6, local, stream, dgram, seqpacket, sctp, tcp, udp. All of several must fit."`
	JSON   bool     `name:"json" help:"Print one JSON document."`
}

func (c *tableCmd) Run(out *output) error {
	keys := c.Columns
	for _, k := range keys {
		if !contains(tableColumns, k) {
			return fmt.Errorf("there is no column %q%s", k, didYouMean(k, tableColumns))
		}
	}
	if len(keys) == 0 {
		keys = tableColumns
	}
	words := []string{"inet", "inet6", "local", "stream", "dgram", "seqpacket", "sctp", "tcp", "udp"}
	var filters []esock.Filter
	for _, w := range c.Filter {
		f, err := esock.FilterByName(w)
		if err != nil {
			return fmt.Errorf("there is no filter %q%s", w, didYouMean(w, words))
		}
		filters = append(filters, f)
	}

	closeAll, err := openSample()
	defer closeAll()
	if err != nil {
		return err
	}
	text, rows, err := readTable(keys, filters...)
	if err != nil {
		return err
	}
	if c.JSON {
		return out.writeJSON(struct {
			Sample  bool     `json:"sample"`
			Columns []string `json:"columns"`
			Sockets []any    `json:"sockets"`
		}{true, keys, rows})
	}
	fmt.Fprintln(out, "A sample that this process opened: a TCP listener, a connection to it, and a UDP socket.")
	fmt.Fprintln(out)
	if len(rows) == 0 {
		text = "None of its sockets passes the filters.\n"
	}
	_, err = fmt.Fprint(out, text)
	return err
}

// openSample opens a listener, a connection through which a word went, and a datagram socket.
func openSample() (closeAll func(), err error) {
	var socks []*esock.Socket
	closeAll = func() {
		for _, s := range socks {
			s.Close()
		}
	}
	keep := func(s *esock.Socket, err error) (*esock.Socket, error) {
		if err == nil {
			socks = append(socks, s)
		}
		return s, err
	}
	_, client, server, err := connection(keep)
	if err != nil {
		return closeAll, err
	}
	if _, err = client.Send([]byte("hello"), 0, patience); err != nil {
		return closeAll, err
	}
	if _, err = server.RecvBytes(5, 0, patience); err != nil {
		return closeAll, err
	}
	udp, err := keep(esock.Open(esock.Inet, esock.Dgram, esock.UDP))
	if err == nil {
		err = udp.Bind(esock.Any)
	}
	return closeAll, err
}

// connection is a listener on the loopback and both ends of a TCP connection to it. keep is given each socket.
func connection(keep func(*esock.Socket, error) (*esock.Socket, error)) (listener, client, server *esock.Socket, err error) {
	if listener, err = keep(esock.Open(esock.Inet, esock.Stream, esock.TCP)); err != nil {
		return nil, nil, nil, err
	}
	if err = listener.Bind(esock.Loopback); err != nil {
		return nil, nil, nil, err
	}
	if err = listener.Listen(5); err != nil {
		return nil, nil, nil, err
	}
	addr, err := listener.SockName()
	if err != nil {
		return nil, nil, nil, err
	}
	if client, err = keep(esock.Open(esock.Inet, esock.Stream, esock.TCP)); err != nil {
		return nil, nil, nil, err
	}
	if err = client.Connect(addr, patience); err != nil {
		return nil, nil, nil, err
	}
	server, err = keep(listener.Accept(patience))
	return listener, client, server, err
}

// readTable is the table as the library prints it, and its rows for JSON.
func readTable(keys []string, filters ...esock.Filter) (text string, rows []any, err error) {
	var b strings.Builder
	if err := esock.WriteTable(&b, keys, filters...); err != nil {
		return "", nil, err
	}
	lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
	rows = []any{}
	for _, l := range lines[1:] {
		rows = append(rows, cut(lines[0], l, keys))
	}
	for i, l := range lines {
		lines[i] = strings.TrimRight(l, " ")
	}
	if text = strings.Join(lines, "\n"); text != "" {
		text += "\n"
	}
	return text, rows, nil
}

// cut takes a line of the table apart: a cell begins under the first letter of its column's name, and ends before
// the next.
func cut(header, line string, keys []string) facts {
	var start []int
	at := 0
	for _, k := range keys {
		at += strings.Index(strings.ToLower(header[at:]), strings.ReplaceAll(k, "_", " "))
		start = append(start, at)
		at += len(k)
	}
	r := []rune(line)
	row := make(facts, len(keys))
	for i, k := range keys {
		end := len(r)
		if i+1 < len(keys) {
			end = start[i+1]
		}
		cell := strings.TrimRight(string(r[start[i]:end]), " ")
		row[i] = fact{k, cell}
		if n, err := strconv.ParseUint(cell, 10, 64); err == nil {
			row[i].value = n
		}
	}
	return row
}
