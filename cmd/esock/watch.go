package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/sockopt"
)

type watchCmd struct {
	Addr  string   `placeholder:"HOST:PORT" default:"127.0.0.1:0" help:"Where to listen (by default, 127.0.0.1 and a free port; with --group, all addresses)."`
	Group []string `placeholder:"GROUP" help:"A multicast group to join, as GROUP, GROUP%INTERFACE or GROUP%INTERFACE@SENDER (may be repeated)."`
	Count int      `help:"Stop after this many datagrams (0: run until interrupted)."`
	JSON  bool     `name:"json" help:"Print one JSON document per line."`
}

// Help is what --help adds.
func (watchCmd) Help() string {
	return "Receives UDP datagrams and prints each with its control messages. Every option that makes the kernel deliver " +
		"control messages is switched on, if the socket accepts it. With --group it receives what is sent to multicast groups, and " +
		"the control message pktinfo says to which, and by which interface it came."
}

// receiveOptions make the kernel deliver control messages with a datagram. A socket refuses those of the other family, and
// those that its kernel does not have.
var receiveOptions = []struct {
	name       string
	level, opt int
	value      int
}{
	{"socket timestampns", unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1},
	{"socket timestamping", unix.SOL_SOCKET, unix.SO_TIMESTAMPING, int(esock.TimestampRxSoftware | esock.TimestampSoftware |
		esock.TimestampRxHardware | esock.TimestampRawHardware)},
	{"socket rxq_ovfl", unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 1},
	{"socket rcvmark", unix.SOL_SOCKET, 75, 1},
	{"socket rcvpriority", unix.SOL_SOCKET, 82, 1},
	{"ip pktinfo", unix.SOL_IP, unix.IP_PKTINFO, 1},
	{"ip recvttl", unix.SOL_IP, unix.IP_RECVTTL, 1},
	{"ip recvtos", unix.SOL_IP, unix.IP_RECVTOS, 1},
	{"ip recvopts", unix.SOL_IP, unix.IP_RECVOPTS, 1},
	{"ip retopts", unix.SOL_IP, unix.IP_RETOPTS, 1},
	{"ip recvorigdstaddr", unix.SOL_IP, unix.IP_RECVORIGDSTADDR, 1},
	{"ip recvfragsize", unix.SOL_IP, unix.IP_RECVFRAGSIZE, 1},
	{"ip checksum", unix.SOL_IP, unix.IP_CHECKSUM, 1},
	{"ipv6 recvpktinfo", unix.SOL_IPV6, unix.IPV6_RECVPKTINFO, 1},
	{"ipv6 recvhoplimit", unix.SOL_IPV6, unix.IPV6_RECVHOPLIMIT, 1},
	{"ipv6 recvtclass", unix.SOL_IPV6, unix.IPV6_RECVTCLASS, 1},
	{"ipv6 flowinfo", unix.SOL_IPV6, 11, 1},
	{"ipv6 recvhopopts", unix.SOL_IPV6, unix.IPV6_RECVHOPOPTS, 1},
	{"ipv6 recvdstopts", unix.SOL_IPV6, unix.IPV6_RECVDSTOPTS, 1},
	{"ipv6 recvrthdr", unix.SOL_IPV6, unix.IPV6_RECVRTHDR, 1},
	{"ipv6 recvorigdstaddr", unix.SOL_IPV6, unix.IPV6_RECVORIGDSTADDR, 1},
	{"ipv6 recvfragsize", unix.SOL_IPV6, unix.IPV6_RECVFRAGSIZE, 1},
	{"udp gro", unix.SOL_UDP, unix.UDP_GRO, 1},
}

func (c *watchCmd) Run(out *output) error {
	ctx, stop := untilSignal()
	defer stop()
	if c.Count < 0 {
		return usagef("--count: must be 0 or more, not %d", c.Count)
	}
	groups, err := groupsOf(c.Group)
	if err != nil {
		return err
	}
	to, err := bindAddr("udp", c.Addr)
	if err != nil {
		return err
	}
	if len(groups) > 0 {
		if to, err = groupAddr(to, groups); err != nil {
			return err
		}
	}
	domain := to.Family()
	s, err := esock.Open(domain, esock.Dgram, esock.UDP)
	if err != nil {
		return err
	}
	defer s.Close()
	if len(groups) > 0 { // other programs of this host may listen to them, too
		if err := sockopt.SocketReuseAddr.Set(s, true); err != nil {
			return err
		}
	}
	if err := s.Bind(to); err != nil {
		return fmt.Errorf("cannot listen on %s: %s", c.Addr, reason(err))
	}
	if len(groups) > 0 {
		if err := join(s, groups); err != nil {
			return err
		}
	}
	name, err := s.SockName()
	if err != nil {
		return err
	}
	var on, refused []string
	for _, o := range receiveOptions {
		if s.SetOptionNative(o.level, o.opt, o.value) == nil {
			on = append(on, o.name)
		} else {
			refused = append(refused, o.name)
		}
	}
	if err := c.begin(out, s.NameZone(name), on, refused); err != nil {
		return err
	}
	m := esock.Msg{Buf: make([]byte, 1<<16)}
	for n := 0; c.Count == 0 || n < c.Count; n++ {
		switch err := s.RecvMsg(&m, esock.MsgCTrunc, esock.Context(ctx)); { // the flags are shown
		case errors.Is(err, context.Canceled):
			return nil
		case err != nil:
			return err
		}
		m.Addr = s.NameZone(m.Addr)
		if err := c.print(out, &m); err != nil {
			return err
		}
	}
	return nil
}

// begin prints the address to send datagrams to.
func (c *watchCmd) begin(out *output, at esock.Addr, on, refused []string) error {
	if c.JSON {
		m := map[string]any{"listening": at.String(), "options": on, "refused": refused}
		if len(c.Group) > 0 {
			m["groups"] = c.Group
		}
		return json.NewEncoder(out).Encode(m)
	}
	title := strings.Join(out.wrap(fmt.Sprintf("listening on %v with %d options that deliver control messages", at, len(on)), 0), "\n")
	if _, err := fmt.Fprintln(out, strings.Replace(title, at.String(), out.bold(at.String()), 1)); err != nil {
		return err
	}
	for _, list := range []struct {
		title string
		names []string
	}{{"groups: ", c.Group}, {"refused: ", refused}} {
		if len(list.names) == 0 {
			continue
		}
		for i, line := range out.wrap(list.title+strings.Join(list.names, ", "), 2) {
			if _, err := fmt.Fprintf(out, "%s%s\n", strings.Repeat("  ", min(i, 1)), line); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *watchCmd) print(out *output, m *esock.Msg) error {
	if c.JSON {
		return json.NewEncoder(out).Encode(m.Map())
	}
	var b strings.Builder
	const clock = "15:04:05.000"
	size := fmt.Sprintf("%d bytes", m.FullLen)
	if m.Flags != 0 {
		size += fmt.Sprintf("  %v", m.Flags)
	}
	gap := "  "
	if !out.fits(len(clock) + 2 + length(m.Addr.String()) + len(gap) + length(size)) {
		gap = "\n  "
	}
	fmt.Fprintf(&b, "\n%s  %s%s%s", time.Now().Format(clock), out.bold(m.Addr.String()), gap, size)
	fmt.Fprintf(&b, "\n  %s\n", out.shorten(strconv.Quote(string(m.Data()[:min(len(m.Data()), 200)])), 2))
	for cm := range m.Control() {
		v := cm.Map()
		fmt.Fprintf(&b, "  %-7v %-13v %s\n", v["level"], v["type"], out.shorten(controlText(cm, v["value"]), 24))
	}
	if m.ControlDamaged() {
		b.WriteString("  what follows is not a control message\n")
	}
	_, err := out.Write([]byte(b.String()))
	return err
}

// controlText returns the value of a control message as text for people.
func controlText(c esock.ControlMessage, value any) string {
	if t, ok := c.Time(); ok {
		return t.Format("2006-01-02 15:04:05.000000000")
	}
	if v, ok := c.Timestamping(); ok {
		var clocks []string
		if !v.Software.IsZero() {
			clocks = append(clocks, "software "+v.Software.Format("15:04:05.000000000"))
		}
		if !v.Hardware.IsZero() {
			clocks = append(clocks, fmt.Sprintf("hardware %d.%09d", v.Hardware.Unix(), v.Hardware.Nanosecond()))
		}
		return strings.Join(clocks, ", ")
	}
	if a, ok := c.OrigDstAddr(); ok {
		return a.String()
	}
	if n, ok := c.TOS(); ok {
		return fmt.Sprintf("%#02x", n)
	}
	if n, ok := c.TClass(); ok {
		return fmt.Sprintf("%#02x", n)
	}
	if n, ok := c.FlowInfo(); ok {
		return fmt.Sprintf("label %#05x, class %#02x", n&0xfffff, n>>20)
	}
	switch v := value.(type) {
	case map[string]any:
		var parts []string
		for k, v := range v {
			parts = append(parts, fmt.Sprintf("%s %v", k, v))
		}
		slices.Sort(parts)
		return strings.Join(parts, ", ")
	case nil:
		return fmt.Sprintf("% x", c.Data)
	}
	return fmt.Sprint(value)
}
