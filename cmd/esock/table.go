package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/esock-go/esock"
)

type tableCmd struct {
	Columns []string `arg:"" optional:"" words:"columns" help:"The columns to print, in the order given: ${columns}. By default, all of them."`

	Filter []string `short:"f" placeholder:"WORD" words:"filters" help:"Print only sockets of this domain, type or protocol: ${filters}. A socket must match all filters."`
	JSON   bool     `name:"json" help:"Print one JSON document."`
}

func (c *tableCmd) Run(out *output) error {
	keys := esock.TableColumns()
	for _, k := range c.Columns {
		if !slices.Contains(keys, k) {
			return usagef("there is no column %q%s", k, didYouMean(k, keys))
		}
	}
	if len(c.Columns) > 0 {
		keys = c.Columns
	}
	var filters []esock.Filter
	for _, w := range c.Filter {
		f, err := esock.FilterByName(w)
		if err != nil {
			return usagef("there is no filter %q%s", w, didYouMean(w, filterWords))
		}
		filters = append(filters, f)
	}

	closeAll, err := openSample()
	defer closeAll()
	if err != nil {
		return err
	}
	rows, err := esock.SocketRows(filters...)
	if err != nil {
		return err
	}
	if c.JSON {
		return out.writeJSON(struct {
			Sample  bool     `json:"sample"`
			Columns []string `json:"columns"`
			Sockets []any    `json:"sockets"`
		}{true, keys, tableObjects(keys, rows)})
	}
	text := []string{"None of its sockets passes the filters."}
	if len(rows) > 0 {
		text = out.lines(socketGrid(keys, rows))
	}
	about := wrap("A sample that this process opened: a TCP listener, a connection to it, and a UDP socket.", out.prose())
	return out.writeLines(append(append(about, ""), text...))
}

// openSample opens a listener, a connection that has carried a word, and a datagram socket.
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

// connection makes a listener on the loopback and a TCP connection to it. keep is called with each socket.
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

// socketGrid is the table of these columns.
func socketGrid(keys []string, rows []esock.SocketRow) grid {
	g := grid{head: [][]string{make([]string, len(keys))}}
	for i, key := range keys {
		g.head[0][i] = heading(key)
	}
	for _, row := range rows {
		m, cells := row.Map(), make([]string, len(keys))
		for i, key := range keys {
			cells[i] = fmt.Sprint(m[key])
		}
		g.rows = append(g.rows, cells)
	}
	return g
}

// heading makes "Local Address" of local_address.
func heading(key string) string {
	words := strings.Split(key, "_")
	for i, word := range words {
		words[i] = strings.ToUpper(word[:1]) + word[1:]
	}
	return strings.Join(words, " ")
}

// tableObjects are rows as JSON has them: only these columns, in this order.
func tableObjects(keys []string, rows []esock.SocketRow) []any {
	objects := make([]any, len(rows)) // not null in JSON
	for i, row := range rows {
		m, object := row.Map(), make(facts, len(keys))
		for j, key := range keys {
			object[j] = fact{key, m[key]}
		}
		objects[i] = object
	}
	return objects
}
