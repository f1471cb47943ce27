package main

import (
	"fmt"
	"slices"

	"github.com/esock-go/esock"
)

// The counters by OTP's names, in groups that fit a line.
var (
	readWriteCounters = []string{"read_byte", "read_pkg", "read_pkg_max", "read_tries", "read_waits", "read_fails",
		"write_byte", "write_pkg", "write_pkg_max", "write_tries", "write_waits", "write_fails"}
	acceptCounters   = []string{"acc_tries", "acc_success", "acc_waits", "acc_fails"}
	sendFileCounters = []string{"sendfile", "sendfile_byte", "sendfile_pkg", "sendfile_pkg_max", "sendfile_tries",
		"sendfile_max", "sendfile_waits", "sendfile_fails"}
)

func (d *demo) table() error {
	st := d.step("sockets", "The sockets",
		"What i() prints about the sockets that are still open. The states are those of the reading side, then those of the "+
			"writing side: BD bound, LG listening, SD selected, CD connected.")
	rows, err := esock.SocketRows()
	if err != nil {
		return err
	}
	for _, row := range tableObjects(esock.TableColumns(), rows) {
		st.tableRow("i", row)
	}
	st.r.grid(socketGrid(esock.TableColumns(), rows))

	st = d.step("counters", "Their counters",
		"Every counter of every socket that took part, including the closed ones. A dot is 0. The tables for accept and "+
			"sendfile show only the sockets that used them; for all others those counters are 0.")
	d.counters(st, "read_write", readWriteCounters, func(map[string]any) bool { return true })
	d.counters(st, "accept", acceptCounters, used(acceptCounters))
	d.counters(st, "sendfile", sendFileCounters, used(sendFileCounters))

	for _, p := range d.took {
		if err := p.socket.Close(); err != nil && !isClosed(err) {
			return err
		}
	}
	st.fact("took part", len(d.took), count(len(d.took), "socket"))
	st.fact("open now", esock.NumberOf(), fmt.Sprintf("%d: the demonstration has closed them all", esock.NumberOf()))
	return nil
}

// counters writes one group of counters, for the sockets that wanted accepts.
func (d *demo) counters(st *step, group string, names []string, wanted func(map[string]any) bool) {
	var rows [][]any
	for _, p := range d.took {
		m := p.socket.Counters().Map()
		if !wanted(m) {
			continue
		}
		row := []any{p.socket.ID(), p.role}
		for _, n := range names {
			v, _ := m[n].(uint64) // those of sendfile are missing before the first call
			row = append(row, v)
		}
		rows = append(rows, row)
	}
	if len(rows) > 0 {
		st.table(group, slices.Concat([]string{"socket", "role"}, names), rows)
		st.r.line("")
	}
}

// used makes a function that reports whether any of the counters is not 0.
func used(names []string) func(map[string]any) bool {
	return func(m map[string]any) bool {
		return slices.ContainsFunc(names, func(n string) bool { v, _ := m[n].(uint64); return v != 0 })
	}
}
