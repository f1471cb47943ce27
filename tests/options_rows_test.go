package tests

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/machine"
	"github.com/esock-go/esock/sockopt"
)

// rowSocket is a socket of one kind in the state that the row needs; nil where this machine has none.
func rowSocket(t testing.TB, kind sockopt.Kinds, needs string) (*esock.Socket, error) {
	if needs != "connected" {
		s, err := kind.Open()
		if err != nil {
			return nil, err
		}
		t.Cleanup(func() { _ = s.Close() })
		if needs == "repair" {
			return s, sockopt.TCPRepair.Set(s, 1)
		}
		return s, nil
	}
	ip := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	addr := esock.Inet4Addr(ip, 9)
	switch kind {
	case sockopt.KindTCP6, sockopt.KindUDP6, sockopt.KindRaw6:
		machine.NeedIPv6(t)
		addr = esock.Inet6Addr(netip.IPv6Loopback(), 9, 0)
	case sockopt.KindUnix:
		return unixEnd(t), nil
	}
	if kind != sockopt.KindTCP4 && kind != sockopt.KindTCP6 && kind != sockopt.KindMPTCP && kind != sockopt.KindSCTP {
		s, err := kind.Open()
		if err != nil {
			return nil, err
		}
		t.Cleanup(func() { _ = s.Close() })
		return s, s.Connect(addr, esock.Within(patience))
	}
	l, err := kind.Open()
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = l.Close() })
	if err := l.Bind(esock.Loopback); err != nil {
		return nil, err
	}
	if err := l.Listen(5); err != nil {
		return nil, err
	}
	if addr, err = l.SockName(); err != nil {
		return nil, err
	}
	s, err := kind.Open()
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = s.Close() })
	return s, s.Connect(addr, esock.Within(patience))
}

// excused are the answers of the kernel that are no fault of the row's.
func excused(o sockopt.Info, err error) string {
	switch {
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EACCES):
		return "needs a privilege"
	case errors.Is(err, syscall.ENOPROTOOPT), errors.Is(err, syscall.EOPNOTSUPP):
		return "this kernel does not have it"
	case errors.Is(err, syscall.ENOENT) && o.Codec == "string":
		return "this kernel does not have the name"
	case errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, syscall.ENODEV):
		return "the loopback does not have the address of the sample here"
	}
	return ""
}

// mayDiffer are the sockets of which it cannot be said what they answer: whether the kernel has them, how it is set up, and
// whether there is a peer to connect to, is the machine's. What they refuse is a reason to skip, and not a fault.
func mayDiffer(kind sockopt.Kinds) bool { return kind == sockopt.KindSCTP || kind == sockopt.KindVSock }

// contains reports whether the map that was read has what was set.
func contains(got, want any) bool {
	w, ok := want.(map[string]any)
	if !ok {
		return assert.ObjectsAreEqual(want, got)
	}
	g, ok := got.(map[string]any)
	if !ok {
		return false
	}
	for k, v := range w {
		if !contains(g[k], v) {
			return false
		}
	}
	return true
}

// tryRow sets the sample of a row and reads it back: "" if that works, else why not, and whether that is excused.
func tryRow(o sockopt.Info, kind sockopt.Kinds, s *esock.Socket) (why string, ok bool) {
	set, want, reason := o.SampleValue(kind)
	fail := func(what string, err error) (string, bool) {
		if e := excused(o, err); e != "" {
			return e, true
		}
		if reason != "" {
			return reason, true
		}
		return fmt.Sprintf("%s: %v", what, err), false
	}
	read := func() (any, error) {
		if o.Asks {
			return sockopt.Ask(s, o.Level, o.Name, set)
		}
		return sockopt.Get(s, o.Level, o.Name)
	}
	if o.CanSet && reason == "" {
		if err := sockopt.Set(s, o.Level, o.Name, set); err != nil {
			return fail("set", err)
		}
	}
	if !o.CanGet {
		return reason, true
	}
	if o.Asks && reason != "" {
		return reason, true
	}
	got, err := read()
	if err != nil {
		return fail("get", err)
	}
	if fd, ok := got.(int); ok && o.Codec == "fd" {
		_ = syscall.Close(fd)
	}
	if reason == "" && (o.CanSet || o.Asks) && want != nil && !contains(got, want) {
		return fmt.Sprintf("%v was set, and %v read", set, got), false
	}
	return reason, true
}

// Every row, on a live socket of every kind that it applies to: the sample is set and read back, or what can be
// read is read; a row that does neither has a reason.
func TestEveryOptionRoundTripsOrSaysWhyNot(t *testing.T) {
	tally := map[string]int{}
	works := 0
	for o := range sockopt.All() {
		name := o.Level + "." + o.Name
		worked := false
		for _, kind := range sockopt.AllKinds() {
			if !o.Kinds.Has(kind) {
				continue
			}
			t.Run(name+"/"+kind.String(), func(t *testing.T) {
				s, err := rowSocket(t, kind, o.Needs)
				if err != nil {
					if o.Needs == "connected" && kind == sockopt.KindPacket || s == nil || mayDiffer(kind) ||
						errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EADDRNOTAVAIL) {
						tally["no such socket here"]++
						t.Skipf("no such socket here: %v", err)
					}
					require.NoError(t, err)
				}
				why, ok := tryRow(o, kind, s)
				switch {
				case !ok && mayDiffer(kind):
					tally[why]++
					t.Skip(why)
				case !ok:
					t.Error(why)
				case why != "":
					tally[why]++
					t.Skip(why)
				}
				worked = true
			})
		}
		if worked {
			works++
		}
	}
	t.Logf("%d rows work here; else: %v", works, tally)
}

// What OTP's documents name is a row, or is of another platform.
func TestEveryOptionOfTheDocumentsIsKnown(t *testing.T) {
	documents := map[string]string{
		"socket": "acceptconn acceptfilter bindtodevice broadcast bsp_state busy_poll debug domain dontroute error " +
			"exclusiveaddruse keepalive linger mark maxdg max_msg_size oobinline passcred peek_off peercred priority " +
			"protocol rcvbuf sndbuf rcvbufforce sndbufforce rcvlowat sndlowat rcvtimeo sndtimeo reuseaddr reuseport " +
			"rxq_ovfl setfib timestamp timestampns type",
		"ip": "add_membership drop_membership add_source_membership drop_source_membership block_source unblock_source " +
			"dontfrag freebind hdrincl multicast_all multicast_loop nodefrag pktinfo recverr recvopts recvorigdstaddr " +
			"recvtos recvttl retopts transparent minttl multicast_ttl router_alert ttl msfilter mtu mtu_discover " +
			"multicast_if options pktoptions recvdstaddr recvif sendsrcaddr sndsrcaddr tos",
		"ipv6": "addrform add_membership drop_membership multicast_loop recverr recvhoplimit recvpktinfo recvtclass v6only " +
			"authhdr dstopts hoplimit hopopts rthdr flowinfo auth_level checksum esp_network_level esp_trans_level faith " +
			"ipcomp_level join_group leave_group portrange use_min_mtu mtu mtu_discover multicast_hops unicast_hops " +
			"multicast_if pktoptions router_alert tclass",
		"tcp": "congestion cork keepcnt keepidle keepintvl maxseg nodelay nopush user_timeout info md5sig noopt syncnt",
		"udp": "cork",
		"sctp": "associnfo events initmsg rtoinfo autoclose maxseg disable_fragments nodelay adaption_layer auth_active_key " +
			"auth_asconf auth_chunk auth_key auth_delete_key context default_send_params delayed_ack_time hmac_ident " +
			"explicit_eor fragment_interleave get_peer_addr_info i_want_mapped_v4_addr local_auth_chunks maxburst " +
			"partial_delivery_point peer_addr_params peer_auth_chunks primary_addr reset_streams set_peer_primary_addr " +
			"status use_ext_recvinfo",
	}
	known := map[string]bool{}
	for o := range sockopt.All() {
		known[o.Level+"."+o.Name] = true
	}
	for _, o := range sockopt.Others() {
		assert.False(t, known[o.Level+"."+o.Name], "%s.%s is here", o.Level, o.Name)
		known[o.Level+"."+o.Name] = true
		err := sockopt.Set(tcp4(t), o.Level, o.Name, 1)
		assert.ErrorIs(t, err, &esock.InvalidError{What: "socket_option"})
		assert.ErrorContains(t, err, o.Where)
	}
	for level, names := range documents {
		for _, name := range strings.Fields(names) {
			assert.True(t, known[level+"."+name], "%s.%s", level, name)
		}
	}
	assert.GreaterOrEqual(t, len(known), 200)
}
