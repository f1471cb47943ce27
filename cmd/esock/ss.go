package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/sockdiag"
)

type ssCmd struct {
	Filter []string `arg:"" optional:"" placeholder:"FILTER" help:"Which sockets: pairs such as state established, port 443, path /run/*."`

	TCP     bool `short:"t" name:"tcp" help:"TCP."`
	UDP     bool `short:"u" name:"udp" help:"UDP."`
	Raw     bool `short:"w" name:"raw" help:"Raw sockets."`
	Unix    bool `short:"x" name:"unix" help:"Unix domain sockets."`
	Packet  bool `short:"0" name:"packet" help:"Packet sockets."`
	Netlink bool `name:"netlink" help:"Netlink sockets."`
	VSock   bool `name:"vsock" help:"Sockets of vsock(7)."`
	MPTCP   bool `short:"M" name:"mptcp" help:"MPTCP."`
	V4      bool `short:"4" name:"ipv4" help:"Only IPv4."`
	V6      bool `short:"6" name:"ipv6" help:"Only IPv6."`

	Listening bool `short:"l" name:"listening" help:"Only sockets that listen or are not connected."`
	All       bool `short:"a" name:"all" help:"Sockets in all states; by default, only connected ones."`
	Numeric   bool `short:"n" name:"numeric" help:"As ss has it; numbers are never resolved here."`

	Processes bool `short:"p" name:"processes" help:"The processes that have the socket."`
	Memory    bool `short:"m" name:"memory" help:"The memory of each socket."`
	Info      bool `short:"i" name:"info" help:"What TCP and MPTCP know about the connection."`
	Options   bool `short:"o" name:"options" help:"The timers."`
	Extended  bool `short:"e" name:"extended" help:"The user, the inode, the cookie, the cgroup and the ULP."`

	JSON  bool          `name:"json" help:"Print one JSON document; with --watch, one per line."`
	Watch bool          `name:"watch" help:"Go on, and print the sockets that come (+), change (~) and go (-), until interrupted."`
	Every time.Duration `name:"every" default:"1s" placeholder:"TIME" help:"How often --watch looks."`
}

// Help is what --help adds.
func (ssCmd) Help() string {
	return "Lists the sockets of this network namespace, of all processes, as ss(8) does. The kernel is asked with sock_diag(7), " +
		"which needs no privilege; the processes of other users, and some values, need it. What the kernel has no module for " +
		"is said on the standard error output to be not available.\n\n" +
		"A filter is a word and a value: state, port, sport, dport, addr, src, dst (an address or a prefix), path (of a unix socket, " +
		"with * and ?), process (a name or a number), user (a number), inode. Two with the same word: either. With different words: both. " +
		"The word not in front reverses one."
}

// ssReport is the document of --json.
type ssReport struct {
	Sockets     []ssSocket        `json:"sockets"`
	Unavailable map[string]string `json:"unavailable,omitempty"` // why, by family
}

func (c *ssCmd) Run(out *output, term terminals) error {
	match, err := ssFilters(c.Filter)
	if err != nil {
		return err
	}
	if c.Every <= 0 {
		return usagef("--every: must be more than 0, not %v", c.Every)
	}
	l, err := newSSLister(c, match)
	if err != nil {
		return err
	}
	defer l.client.Close()
	if c.Watch {
		ctx, stop := untilSignal()
		defer stop()
		return c.watch(ctx, l, out, term.err)
	}
	r, err := l.list()
	if err != nil {
		return err
	}
	if c.JSON {
		err = out.writeJSON(r)
	} else if err = out.writeLines(out.lines(c.grid(r.Sockets))); err == nil {
		sayUnavailable(term.err, r)
	}
	if err == nil && l.asked == len(r.Unavailable) {
		return errReported
	}
	return err
}

// sayUnavailable names the families that the kernel cannot list.
func sayUnavailable(w io.Writer, r ssReport) {
	for _, name := range ssFamilyNames {
		if why := r.Unavailable[name]; why != "" {
			fmt.Fprintf(w, "%s: not available: %s\n", name, why)
		}
	}
}

// watch prints what changes from one list to the next.
func (c *ssCmd) watch(ctx context.Context, l *ssLister, out *output, stderr io.Writer) error {
	tick := time.NewTicker(c.Every)
	defer tick.Stop()
	var before map[string]ssSocket
	for {
		r, err := l.list()
		if err != nil && !errors.Is(err, sockdiag.ErrInterrupted) {
			return err
		}
		if before == nil && !c.JSON {
			sayUnavailable(stderr, r)
		}
		if err == nil { // an incomplete list would make sockets go and come again
			now := map[string]ssSocket{}
			for _, s := range r.Sockets {
				now[s.key()] = s
			}
			if err := c.writeChanges(out, before, now, r.Sockets); err != nil {
				return err
			}
			before = now
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// writeChanges prints the sockets that came and changed, in the order of the list, and those that went.
func (c *ssCmd) writeChanges(out *output, before, now map[string]ssSocket, order []ssSocket) error {
	var changes []ssChange
	for _, s := range order {
		switch old, known := before[s.key()]; {
		case !known:
			changes = append(changes, ssChange{"+", s})
		case old.State != s.State || old.Local != s.Local || old.Peer != s.Peer:
			changes = append(changes, ssChange{"~", s})
		}
	}
	for key, s := range before {
		if _, there := now[key]; !there {
			changes = append(changes, ssChange{"-", s})
		}
	}
	if c.JSON {
		for _, change := range changes {
			if err := json.NewEncoder(out).Encode(change); err != nil {
				return err
			}
		}
		return nil
	}
	var sockets []ssSocket
	for _, change := range changes {
		sockets = append(sockets, change.Socket)
	}
	if len(sockets) == 0 {
		return nil
	}
	g := c.grid(sockets)
	if before != nil {
		g.head = nil
	}
	for i := range g.head {
		g.head[i] = append([]string{""}, g.head[i]...)
	}
	for i := range g.rows {
		g.rows[i] = append([]string{changes[i].Change}, g.rows[i]...)
	}
	right := g.right
	g.right = func(column int) bool { return right(column - 1) }
	return out.writeLines(out.lines(g))
}

// ssChange is a line of --watch --json.
type ssChange struct {
	Change string   `json:"change"`
	Socket ssSocket `json:"socket"`
}

// grid is the table of sockets, with the details below each.
func (c *ssCmd) grid(sockets []ssSocket) grid {
	head := []string{"Netid", "State", "Recv-Q", "Send-Q", "Local", "Peer"}
	if c.Processes {
		head = append(head, "Process")
	}
	g := grid{
		head:  [][]string{head},
		right: func(column int) bool { return column == 2 || column == 3 },
		below: func(row, width int) (lines []string) {
			for _, d := range c.details(sockets[row]) {
				lines = append(lines, indented("      ", wrap(d, width-6))...)
			}
			return lines
		},
	}
	for _, s := range sockets {
		row := []string{s.Netid, s.shownState(), fmt.Sprint(s.RecvQ), fmt.Sprint(s.SendQ), s.Local, s.Peer}
		if c.Processes {
			var of []string
			for _, p := range s.Processes {
				of = append(of, fmt.Sprintf("%s:%d fd %d", shownName(p.Name), p.PID, p.FD))
			}
			row = append(row, strings.Join(of, ", "))
		}
		g.rows = append(g.rows, row)
	}
	return g
}

// details are the lines below a socket.
func (c *ssCmd) details(s ssSocket) (lines []string) {
	if c.Options && s.Timer != "" {
		lines = append(lines, fmt.Sprintf("timer %s, in %v, %d retransmissions", s.Timer, time.Duration(s.ExpiresMS)*time.Millisecond, s.Retransmits))
	}
	if c.Extended {
		text := fmt.Sprintf("uid %d, inode %d, cookie %#x", s.UID, s.Inode, s.Cookie)
		for _, p := range []struct {
			name  string
			value any
			shown bool
		}{{"cgroup", s.CgroupID, s.CgroupID != 0}, {"ulp", s.ULP, s.ULP != ""}, {"shutdown", s.Shutdown, s.Shutdown != ""}, {"mark", s.Mark, s.Mark != 0}} {
			if p.shown {
				text += fmt.Sprintf(", %s %v", p.name, p.value)
			}
		}
		lines = append(lines, text)
	}
	if m := s.Memory; c.Memory && m != nil {
		lines = append(lines, fmt.Sprintf("memory: received %d of %d, sending %d of %d, forward %d, queued %d, options %d, backlog %d, drops %d",
			m.RmemAlloc, m.RcvBuf, m.WmemAlloc, m.SndBuf, m.FwdAlloc, m.WmemQueued, m.OptMem, m.Backlog, m.Drops))
	}
	if i := s.TCP; c.Info && i != nil {
		lines = append(lines, fmt.Sprintf("%s, rtt %v ± %v, rto %v, mss %d, cwnd %d, sent %d, acked %d, received %d, retransmitted %d segments, "+
			"lost %d, unacked %d, pacing %d B/s, delivery %d B/s, min rtt %v", s.Congestion, i.RTT, i.RTTVar, i.RTO, i.SndMSS, i.SndCwnd, i.BytesSent,
			i.BytesAcked, i.BytesReceived, i.TotalRetrans, i.Lost, i.Unacked, i.PacingRate, i.DeliveryRate, i.MinRTT))
	}
	if i := s.MPTCP; c.Info && i != nil {
		lines = append(lines, fmt.Sprintf("mptcp: %d subflows of %d, %d addresses announced, %d taken", i.Subflows, i.SubflowsMax, i.AddAddrSignal, i.AddAddrAccepted))
	}
	return lines
}

// want are the parts that the kernel is asked for.
func (c *ssCmd) want() sockdiag.Has {
	want := sockdiag.HasQueues | sockdiag.HasPeer | sockdiag.HasInterface | sockdiag.HasUID | sockdiag.HasShutdown
	if c.Info || c.JSON {
		want |= sockdiag.HasTCPInfo | sockdiag.HasMPTCPInfo | sockdiag.HasCongestion
	}
	return want | sockdiag.HasMemory // also the queues of packet and netlink sockets
}

// states are those of the flags, unless a filter names some.
func (c *ssCmd) states() sockdiag.States {
	switch {
	case c.All:
		return sockdiag.AllStates
	case c.Listening:
		return sockdiag.WaitingStates
	}
	return sockdiag.ConnectedStates
}

// families are those of the flags: all, if there is none.
func (c *ssCmd) families() (of []ssFamily) {
	none := !(c.TCP || c.UDP || c.Raw || c.Unix || c.Packet || c.Netlink || c.VSock || c.MPTCP)
	if none && (c.V4 || c.V6) {
		c.TCP, c.UDP, c.Raw, c.MPTCP, none = true, true, true, true, false
	}
	asked := map[string]bool{"tcp": c.TCP, "udp": c.UDP, "raw": c.Raw, "mptcp": c.MPTCP, "unix": c.Unix, "packet": c.Packet,
		"netlink": c.Netlink, "vsock": c.VSock}
	both := c.V4 == c.V6
	for _, f := range ssFamilies {
		if (none || asked[f.name]) && (f.domain != esock.Inet || both || c.V4) && (f.domain != esock.Inet6 || both || c.V6) {
			of = append(of, f)
		}
	}
	return of
}
