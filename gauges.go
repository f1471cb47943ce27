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

func (g *Gauges) fields() [len(gaugeNames)]*int64 {
	return [...]*int64{&g.Sockets, &g.Dgrams, &g.Streams, &g.SeqPackets,
		&g.Local, &g.Inet, &g.Inet6, &g.IP, &g.TCP, &g.UDP, &g.SCTP}
}

var gauges gaugeSet

// gaugeSet counts open sockets by domain, type and protocol together, so that a socket is in one number. Of each, 0 stands
// for those without a gauge of their own.
type gaugeSet [4][4][5]atomic.Int64

// add adds n to the gauges of the socket.
func (g *gaugeSet) add(s *Socket, n int64) { g.book(s.Domain(), s.typ, Protocol(s.proto), n) }

// forget subtracts a socket of which only the handle is left.
func (g *gaugeSet) forget(h *handle) {
	g.book(Domain(cDomain(h)), Type(cType(h)), Protocol(cProtocol(h)), -1)
}

func (g *gaugeSet) book(d Domain, t Type, p Protocol, n int64) {
	var i, j, k int
	switch d {
	case Local:
		i = 1
	case Inet:
		i = 2
	case Inet6:
		i = 3
	}
	switch t {
	case Dgram:
		j = 1
	case Stream:
		j = 2
	case SeqPacket:
		j = 3
	}
	switch p {
	case Default:
		k = 1
	case TCP:
		k = 2
	case UDP:
		k = 3
	case SCTP:
		k = 4
	}
	g[i][j][k].Add(n)
}

// read adds the numbers up. Each is read atomically, but not all at one moment.
func (g *gaugeSet) read() Gauges {
	var out Gauges
	var others int64
	domains := [...]*int64{&others, &out.Local, &out.Inet, &out.Inet6}
	types := [...]*int64{&others, &out.Dgrams, &out.Streams, &out.SeqPackets}
	protocols := [...]*int64{&others, &out.IP, &out.TCP, &out.UDP, &out.SCTP}
	for i := range g {
		for j := range g[i] {
			for k := range g[i][j] {
				n := g[i][j][k].Load()
				out.Sockets += n
				*domains[i] += n
				*types[j] += n
				*protocols[k] += n
			}
		}
	}
	return out
}
