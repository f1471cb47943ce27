package netconn

import (
	"net/netip"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/layered"
)

// calls are what package esock does for this package and does not export. The contracts are in its netcalls.go.
var calls = layered.Engine.(interface {
	Open(d esock.Domain, t esock.Type, p esock.Protocol, registered bool) (*esock.Socket, error)
	SendOpenFile(s *esock.Socket, fd int, offset, count int64) (int64, error)
	RecvInet(s *esock.Socket, buf []byte) (n int, from netip.AddrPort, scope uint32, err error)
	SendInet(s *esock.Socket, buf []byte, to netip.AddrPort) (int, error)
	RecvRaw(s *esock.Socket, buf, ctrl []byte) (n, ctrlLen int, flags esock.MsgFlags, from esock.Addr, err error)
	RecvRawInet(s *esock.Socket, buf, ctrl []byte) (n, ctrlLen int, flags esock.MsgFlags, from netip.AddrPort, scope uint32, err error)
	SendRaw(s *esock.Socket, buf, ctrl []byte, to esock.Addr) (int, error)
	SendRawInet(s *esock.Socket, buf, ctrl []byte, to netip.AddrPort) (int, error)
	Count(s *esock.Socket, writing bool, messages, bytes, most int)
	Simulated(s *esock.Socket) bool
})
