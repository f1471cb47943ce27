package main

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/sockdiag"
	"github.com/esock-go/esock/sockopt"
)

// ssSocket is a socket of the host. What it does not have is empty.
type ssSocket struct {
	Family      string                  `json:"family"`
	Netid       string                  `json:"netid"`
	State       string                  `json:"state"`
	RecvQ       uint32                  `json:"recv_q"`
	SendQ       uint32                  `json:"send_q"`
	Local       string                  `json:"local"`
	Peer        string                  `json:"peer"`
	UID         uint32                  `json:"uid"`
	Inode       uint32                  `json:"inode"`
	PeerInode   uint32                  `json:"peer_inode,omitempty"`
	Cookie      uint64                  `json:"cookie"`
	Timer       string                  `json:"timer,omitempty"`
	ExpiresMS   int64                   `json:"expires_ms,omitempty"`
	Retransmits uint8                   `json:"retransmits,omitempty"`
	Shutdown    string                  `json:"shutdown,omitempty"`
	Mark        uint32                  `json:"mark,omitempty"`
	CgroupID    uint64                  `json:"cgroup,omitempty"`
	ULP         string                  `json:"ulp,omitempty"`
	Congestion  string                  `json:"congestion,omitempty"`
	Options     []string                `json:"options,omitempty"`
	Memory      *sockopt.MemInfo        `json:"memory,omitempty"`
	TCP         *sockopt.TCPInfoValue   `json:"tcp,omitempty"`
	MPTCP       *sockopt.MPTCPInfoValue `json:"mptcp,omitempty"`
	Processes   []sockdiag.Process      `json:"processes,omitempty"`

	local, peer esock.Addr
}

// key is the same in each list, and no other socket's.
func (s ssSocket) key() string {
	return fmt.Sprint(s.Family, " ", s.Netid, " ", s.Cookie, " ", s.Inode)
}

// shownState is the state as ss has it.
func (s ssSocket) shownState() string {
	switch s.State {
	case "established":
		return "ESTAB"
	case "listening":
		return "LISTEN"
	case "closed":
		return "UNCONN"
	}
	return strings.ToUpper(s.State)
}

// ssFamily is what one request asks for.
type ssFamily struct {
	name     string
	domain   esock.Domain
	protocol esock.Protocol
}

var ssFamilies = []ssFamily{
	{"netlink", esock.Netlink, 0}, {"packet", esock.Packet, 0}, {"unix", esock.Local, 0},
	{"raw", esock.Inet, esock.RawProto}, {"raw", esock.Inet6, esock.RawProto}, {"udp", esock.Inet, esock.UDP}, {"udp", esock.Inet6, esock.UDP},
	{"tcp", esock.Inet, esock.TCP}, {"tcp", esock.Inet6, esock.TCP}, {"mptcp", esock.Inet, esock.MPTCP}, {"mptcp", esock.Inet6, esock.MPTCP},
	{"vsock", esock.VSock, 0},
}

var ssFamilyNames = []string{"netlink", "packet", "unix", "raw", "udp", "tcp", "mptcp", "vsock"}

// ssLister makes lists.
type ssLister struct {
	c      *ssCmd
	client *sockdiag.Client
	match  ssFilter
	of     []ssFamily
	asked  int // how many names of families there are
	names  map[uint32]string
}

func newSSLister(c *ssCmd, match ssFilter) (*ssLister, error) {
	client, err := sockdiag.Open()
	if err != nil {
		return nil, err
	}
	l := &ssLister{c: c, client: client, match: match, of: c.families()}
	names := map[string]bool{}
	for _, f := range l.of {
		names[f.name] = true
	}
	l.asked = len(names)
	return l, nil
}

// list lists all sockets that match. A family that the kernel cannot list is in Unavailable. A list that changed while it was
// read is read again a few times; then the error is sockdiag.ErrInterrupted.
func (l *ssLister) list() (ssReport, error) {
	r := ssReport{Sockets: []ssSocket{}, Unavailable: map[string]string{}}
	l.names = map[uint32]string{}
	interfaces := map[uint32]string{}
	for _, f := range l.of {
		var all []ssSocket
		var err error
		for range 5 {
			if all, err = l.family(f, interfaces); !errors.Is(err, sockdiag.ErrInterrupted) {
				break
			}
		}
		switch {
		case errors.Is(err, sockdiag.ErrInterrupted):
			return r, err
		case err != nil: // one family does not keep the others from being listed
			r.Unavailable[f.name] = reason(err)
		}
		r.Sockets = append(r.Sockets, all...)
	}
	var processes map[uint32][]sockdiag.Process
	if l.c.Processes || l.match.processes {
		var err error
		if processes, err = sockdiag.Processes(); err != nil {
			return r, err
		}
	}
	states := l.c.states()
	r.Sockets = slices.DeleteFunc(r.Sockets, func(s ssSocket) bool {
		state, _ := sockdiag.ParseState(s.State)
		if l.match.states == 0 && !states.Has(state) {
			return true
		}
		s.Processes = processes[s.Inode]
		return !l.match.has(&s)
	})
	for i := range r.Sockets {
		s := &r.Sockets[i]
		s.Processes = processes[s.Inode]
		if s.Family == "unix" {
			if name := l.names[s.PeerInode]; s.PeerInode != 0 && name != "" {
				s.Peer = name + " " + strings.TrimPrefix(s.Peer, "* ")
			}
		}
	}
	return r, nil
}

// family lists one family, in all states.
func (l *ssLister) family(f ssFamily, interfaces map[uint32]string) (all []ssSocket, err error) {
	want, states := l.c.want(), sockdiag.AllStates
	switch f.domain {
	case esock.Inet, esock.Inet6:
		for s, err := range l.client.Inet(sockdiag.InetRequest{Domain: f.domain, Protocol: f.protocol, States: states, Want: want}) {
			if err != nil {
				return all, err
			}
			all = append(all, inetRow(f, s, ssInterface(interfaces, s.Interface)))
		}
	case esock.Local:
		for s, err := range l.client.Unix(sockdiag.UnixRequest{States: states, Want: want}) {
			if err != nil {
				return all, err
			}
			row := unixRow(s)
			l.names[s.Inode] = unixName(s.Local)
			all = append(all, row)
		}
	case esock.Packet:
		for s, err := range l.client.Packet(sockdiag.PacketRequest{Want: want}) {
			if err != nil {
				return all, err
			}
			m := s.Memory
			all = append(all, ssSocket{Family: f.name, Netid: map[bool]string{true: "p_raw", false: "p_dgr"}[s.Type == esock.Raw],
				State: sockdiag.Closed.String(), RecvQ: m.RmemAlloc, SendQ: m.WmemAlloc, UID: s.UID, Inode: s.Inode, Cookie: s.Cookie, Memory: &m,
				Local: etherName(s.Protocol) + ":" + packetInterface(interfaces, s.Interface), Peer: "*"})
		}
	case esock.Netlink:
		for s, err := range l.client.Netlink(sockdiag.NetlinkRequest{Want: want}) {
			if err != nil {
				return all, err
			}
			m := s.Memory
			all = append(all, ssSocket{Family: f.name, Netid: "nl", State: sockdiag.Closed.String(), RecvQ: m.RmemAlloc, SendQ: m.WmemAlloc,
				Inode: s.Inode, Cookie: s.Cookie, Memory: &m, Local: fmt.Sprintf("%s:%d", sockdiag.NetlinkProtocol(s.Protocol), s.Port), Peer: "*"})
		}
	case esock.VSock:
		for s, err := range l.client.VSock(sockdiag.VSockRequest{States: states}) {
			if err != nil {
				return all, err
			}
			id := map[esock.Type]string{esock.Stream: "v_str", esock.Dgram: "v_dgr", esock.SeqPacket: "v_seq"}[s.Type]
			all = append(all, ssSocket{Family: f.name, Netid: id, State: s.State.String(), Inode: s.Inode, Cookie: s.Cookie,
				Local: vsockName(s.Local), Peer: vsockName(s.Peer), Shutdown: s.Shutdown.String(), local: s.Local, peer: s.Peer})
		}
	}
	return all, nil
}

func inetRow(f ssFamily, s *sockdiag.InetSocket, device string) ssSocket {
	row := ssSocket{Family: f.name, Netid: f.name, State: s.State.String(), RecvQ: s.RecvQ, SendQ: s.SendQ, UID: s.UID, Inode: s.Inode,
		Cookie: s.Cookie, Retransmits: s.Retransmits, ExpiresMS: int64(s.Expires / time.Millisecond), Shutdown: s.Shutdown.String(), Mark: s.Mark,
		CgroupID: s.CgroupID, ULP: s.ULP, Congestion: s.Congestion, Options: s.Options.Names(), local: s.Local, peer: s.Peer}
	if s.Timer != sockdiag.NoTimer {
		row.Timer = s.Timer.String()
	}
	dual := s.Domain == esock.Inet6 && s.Has&sockdiag.HasV6Only != 0 && !s.V6Only && s.Local.IP().IsUnspecified()
	row.Local, row.Peer = inetName(s.Local, device, dual, f, s.Protocol), inetName(s.Peer, "", dual, f, 0)
	if s.Has&sockdiag.HasMemory != 0 {
		m := s.Memory
		row.Memory = &m
	}
	if s.Has&sockdiag.HasTCPInfo != 0 {
		i := s.TCP
		row.TCP = &i
	}
	if s.Has&sockdiag.HasMPTCPInfo != 0 {
		i := s.MPTCP
		row.MPTCP = &i
	}
	return row
}

// inetName is an address as ss writes it: a port of 0 is a star, and so is the wildcard of a socket for both families. The
// port of a raw socket is its protocol.
func inetName(a esock.Addr, device string, dual bool, f ssFamily, p esock.Protocol) string {
	host, port := a.IP().String(), "*"
	if n := a.Port(); n != 0 {
		port = strconv.FormatUint(uint64(n), 10)
	}
	if f.protocol == esock.RawProto && p != 0 {
		port = p.String()
	}
	switch {
	case dual && a.IP().IsUnspecified():
		host = "*"
	case a.Family() == esock.Inet6:
		host = "[" + host + "]"
	}
	if device != "" {
		host += "%" + device
	}
	return host + ":" + port
}

func unixRow(s *sockdiag.UnixSocket) ssSocket {
	id := map[esock.Type]string{esock.Stream: "u_str", esock.Dgram: "u_dgr", esock.SeqPacket: "u_seq"}[s.Type]
	row := ssSocket{Family: "unix", Netid: id, State: s.State.String(), RecvQ: s.RecvQ, SendQ: s.SendQ, UID: s.UID, Inode: s.Inode,
		PeerInode: s.Peer, Cookie: s.Cookie, Shutdown: s.Shutdown.String(), local: s.Local,
		Local: unixName(s.Local) + " " + fmt.Sprint(s.Inode), Peer: "* " + fmt.Sprint(s.Peer)}
	if s.Has&sockdiag.HasMemory != 0 {
		m := s.Memory
		row.Memory = &m
	}
	return row
}

// unixName is a path as a terminal can show it, with "@" for the NUL of an abstract name; "*" for none.
func unixName(a esock.Addr) string {
	if a.IsZero() {
		return "*"
	}
	quoted := strconv.Quote(strings.ReplaceAll(a.Path(), "\x00", "@"))
	return quoted[1 : len(quoted)-1]
}

func vsockName(a esock.Addr) string {
	part := func(n uint32) string {
		if n == esock.VSockAny {
			return "*"
		}
		return strconv.FormatUint(uint64(n), 10)
	}
	cid, _ := a.CID()
	return part(cid) + ":" + part(a.Port())
}

// etherName is the protocol that a packet socket receives, in hexadecimal.
func etherName(p uint16) string {
	if p == 3 {
		return "*"
	}
	return fmt.Sprintf("%#04x", p)
}

func packetInterface(known map[uint32]string, index uint32) string {
	if index == 0 {
		return "*"
	}
	return ssInterface(known, index)
}

// ssInterface is the name of an interface, or its number if it is gone; "" for 0.
func ssInterface(known map[uint32]string, index uint32) string {
	if index == 0 {
		return ""
	}
	name, ok := known[index]
	if !ok {
		name = fmt.Sprintf("if%d", index)
		if i, err := net.InterfaceByIndex(int(index)); err == nil {
			name = shownName(i.Name)
		}
		known[index] = name
	}
	return name
}
