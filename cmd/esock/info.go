package main

import (
	"fmt"

	"github.com/esock-go/esock"
)

type infoCmd struct {
	JSON bool `name:"json" help:"Print one JSON document."`
}

func (c *infoCmd) Run(out *output) error {
	i := esock.Info()
	if c.JSON {
		return out.writeJSON(i)
	}
	return out.writePairs(infoPairs(i))
}

func infoPairs(i esock.LibraryInfo) [][2]string {
	g := i.Gauges
	return [][2]string{
		{"io backend", i.IOBackend},
		{"iov max", fmt.Sprintf("%d buffers in one call", i.IOVMax)},
		{"counters", fmt.Sprintf("%d bits", i.NumCntBits)},
		{"use registry", fmt.Sprint(i.UseRegistry)},
		{"debug", fmt.Sprint(i.Debug)},
		{"socket debug", fmt.Sprint(i.SocketDebug)},
		{"iow", fmt.Sprint(i.IOW)},
		{"eei", fmt.Sprint(i.EEI)},
		{"sockets", fmt.Sprint(g.Sockets)},
		{"  by type", fmt.Sprintf("stream %d, dgram %d, seqpacket %d", g.Streams, g.Dgrams, g.SeqPackets)},
		{"  by domain", fmt.Sprintf("inet %d, inet6 %d, local %d", g.Inet, g.Inet6, g.Local)},
		{"  by protocol", fmt.Sprintf("tcp %d, udp %d, sctp %d, ip %d", g.TCP, g.UDP, g.SCTP, g.IP)},
	}
}
