package netconn

import (
	"embed"
	"testing"

	"github.com/esock-go/esock/internal/zerocall"
)

//go:embed *.go
var source embed.FS

// Whatever is called with or on zero values, nothing panics or waits.
func TestZeroValues(t *testing.T) {
	zerocall.Package{
		Source: source,
		Types: []any{(*Conn)(nil), (*PacketConn)(nil), TCPConn{}, UDPConn{}, UnixConn{}, UnixgramConn{}, IPConn{}, Listener{}, Dialer{},
			ListenConfig{}, Message{}, Activated{}},
		Funcs: map[string]any{
			"NewConn": NewConn, "NewPacketConn": NewPacketConn, "NewListener": NewListener, "FileConn": FileConn,
			"FilePacketConn": FilePacketConn, "FileListener": FileListener, "SocketOf": SocketOf, "Adopt": Adopt, "Take": Take,
			"ListenFDs": ListenFDs, "Dial": Dial, "DialTimeout": DialTimeout, "Listen": Listen, "ListenPacket": ListenPacket,
		},
	}.Run(t)
}
