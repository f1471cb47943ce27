package main

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/netdevice"
)

type ifsCmd struct {
	JSON bool `name:"json" help:"Print one JSON document: an array with an element for each interface."`
}

// netIf is an interface as the requests of netdevice(7) report it. What it does not have is empty.
type netIf struct {
	Index     int      `json:"index"`
	Name      string   `json:"name"`
	Flags     []string `json:"flags"`
	MTU       int      `json:"mtu"`
	TxQLen    int      `json:"txqlen"`
	HWFamily  string   `json:"hwfamily,omitempty"`
	HWAddr    string   `json:"hwaddr,omitempty"`
	Addr      string   `json:"addr,omitempty"`
	Netmask   string   `json:"netmask,omitempty"`
	Broadcast string   `json:"broadcast,omitempty"`
}

func (c *ifsCmd) Run(out *output) error {
	all, err := interfaces()
	if err != nil {
		return err
	}
	if c.JSON {
		return out.writeJSON(all)
	}
	return out.writeLines(out.lines(ifGrid(all)))
}

// ifGrid is the table of interfaces, with the flags of each below its row.
func ifGrid(all []netIf) grid {
	head := []string{"index", "name", "mtu", "txqlen", "hwaddr", "addr", "netmask", "broadcast"}
	g := grid{
		head:  [][]string{head},
		right: func(column int) bool { return slices.Contains([]string{"index", "mtu", "txqlen"}, head[column]) },
		below: func(row, width int) []string {
			const shift = "      "
			return indented(shift, wrap(strings.Join(all[row].Flags, " "), width-len(shift)))
		},
	}
	for _, i := range all {
		g.rows = append(g.rows, []string{strconv.Itoa(i.Index), shownName(i.Name), strconv.Itoa(i.MTU), strconv.Itoa(i.TxQLen),
			shorten(i.HWAddr, 17), i.Addr, i.Netmask, i.Broadcast})
	}
	return g
}

// interfaces asks about all interfaces of this network namespace. The requests take a name or an index, and SIOCGIFCONF
// leaves out the interfaces without an address, so the indexes come from the system's list.
func interfaces() ([]netIf, error) {
	s, err := esock.Open(esock.Inet, esock.Dgram, esock.UDP)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	listed, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	all := []netIf{}
	for _, l := range listed {
		i, err := askInterface(s, l.Index)
		if errors.Is(err, unix.ENODEV) {
			continue // it is gone by now
		}
		if err != nil {
			return nil, err
		}
		all = append(all, i)
	}
	return all, nil
}

func askInterface(s *esock.Socket, index int) (netIf, error) {
	name, err := netdevice.Name(s, index)
	if err != nil {
		return netIf{}, err
	}
	i := netIf{Index: index, Name: name}
	flags, err := netdevice.Flags(s, name)
	if err != nil {
		return netIf{}, err
	}
	known, _ := flags.Names()
	i.Flags = append([]string{}, known...) // not null in JSON
	if i.MTU, err = netdevice.MTU(s, name); err != nil {
		return netIf{}, err
	}
	if i.TxQLen, err = netdevice.TxQLen(s, name); err != nil {
		return netIf{}, err
	}
	if hw, err := netdevice.HWAddr(s, name); err == nil {
		i.HWFamily = fmt.Sprint(hw.Map()["family"]) // a number, where it has no name
		i.HWAddr = net.HardwareAddr(hw.Addr).String()
	}
	for _, ask := range []struct {
		to *string
		f  func(*esock.Socket, string) (esock.Addr, error)
	}{{&i.Addr, netdevice.Addr}, {&i.Netmask, netdevice.Netmask}, {&i.Broadcast, netdevice.BrdAddr}} {
		if a, err := ask.f(s, name); err == nil && !a.IP().IsUnspecified() { // EADDRNOTAVAIL: it has none
			*ask.to = a.IP().String()
		}
	}
	return i, nil
}

// shownName returns a name as a terminal can show it: the kernel accepts all bytes but blanks, slashes and colons.
func shownName(name string) string {
	if quoted := strconv.Quote(name); quoted != `"`+name+`"` {
		return shorten(quoted, 15)
	}
	return name
}
