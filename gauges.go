package esock

import "sync/atomic"

// Gauges count open sockets, in total and by kind. OTP: socket:info/0.
type Gauges struct {
	Sockets int64 // all

	Dgrams, Streams, SeqPackets int64 // by type
	Local, Inet, Inet6          int64 // by domain

	// By protocol. IP is protocol 0, which sockets of the local domain have.
	IP, TCP, UDP, SCTP int64
}

var gaugeNames = [...]string{"num_sockets", "num_tdgrams", "num_tstreams", "num_tseqpkgs",
	"num_dlocal", "num_dinet", "num_dinet6", "num_pip", "num_ptcp", "num_pudp", "num_psctp"}

// The indexes of gaugeNames.
const (
	gaugeSockets = iota
	gaugeDgrams
	gaugeStreams
	gaugeSeqPackets
	gaugeLocal
	gaugeInet
	gaugeInet6
	gaugeIP
	gaugeTCP
	gaugeUDP
	gaugeSCTP
)

func (g *Gauges) fields() [len(gaugeNames)]*int64 {
	return [...]*int64{&g.Sockets, &g.Dgrams, &g.Streams, &g.SeqPackets,
		&g.Local, &g.Inet, &g.Inet6, &g.IP, &g.TCP, &g.UDP, &g.SCTP}
}

var gauges gaugeSet

type gaugeSet [len(gaugeNames)]atomic.Int64

// add adds n to the gauges of the socket.
func (g *gaugeSet) add(s *Socket, n int64) { g.book(s.Domain(), s.typ, s.proto, n) }

// forget subtracts a socket of which only the handle is left.
func (g *gaugeSet) forget(h *handle) {
	g.book(Domain(cDomain(h)), Type(cType(h)), Protocol(cProtocol(h)), -1)
}

func (g *gaugeSet) book(d Domain, t Type, p Protocol, n int64) {
	g[gaugeSockets].Add(n)
	switch t {
	case Dgram:
		g[gaugeDgrams].Add(n)
	case Stream:
		g[gaugeStreams].Add(n)
	case SeqPacket:
		g[gaugeSeqPackets].Add(n)
	}
	switch d {
	case Local:
		g[gaugeLocal].Add(n)
	case Inet:
		g[gaugeInet].Add(n)
	case Inet6:
		g[gaugeInet6].Add(n)
	}
	switch p {
	case Default:
		g[gaugeIP].Add(n)
	case TCP:
		g[gaugeTCP].Add(n)
	case UDP:
		g[gaugeUDP].Add(n)
	case SCTP:
		g[gaugeSCTP].Add(n)
	}
}

func (g *gaugeSet) read() Gauges {
	var out Gauges
	for i, f := range out.fields() {
		*f = g[i].Load()
	}
	return out
}
