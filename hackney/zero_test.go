package hackney_test

import (
	"embed"
	"fmt"
	"io/fs"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/hackney"
	"github.com/esock-go/esock/internal/zerocall"
)

//go:embed *.go
var source embed.FS

// Nothing panics that is called with zero values, and on nil pointers.
func TestZeroValuesAreHarmless(t *testing.T) {
	zerocall.Package{
		Source: source,
		Types: []any{hackney.Event{}, hackney.Messages{}, hackney.SSLClosedMsg{}, hackney.SSLErrorMsg{}, hackney.SSLMsg{},
			hackney.SSLPassiveMsg{}, hackney.SendFileOption{}, hackney.Socket{}, hackney.TLSConn{},
			(*hackney.Conn)(nil), (*hackney.EventMsg)(nil), (*hackney.Transport)(nil)},
		Values: map[string]any{"TCP": hackney.TCP, "TLS": hackney.TLS(nil),
			"TCP without connection":       hackney.Socket{Transport: hackney.TCP},
			"TCP with a nil connection":    hackney.Socket{Transport: hackney.TCP, Sock: (*gentcp.Socket)(nil)},
			"TCP with a zero connection":   hackney.Socket{Transport: hackney.TCP, Sock: new(gentcp.Socket)},
			"TLS without connection":       hackney.Socket{Transport: hackney.TLS(nil)},
			"TLS with a zero connection":   hackney.Socket{Transport: hackney.TLS(nil), Sock: new(hackney.TLSConn)},
			"a connection, no transport":   hackney.Socket{Sock: new(gentcp.Socket)},
			"a message of zero TLS":        hackney.SSLMsg{Sock: new(hackney.TLSConn)},
			"TLS with a connection of TCP": hackney.Socket{Transport: hackney.TLS(nil), Sock: new(gentcp.Socket)}},
		Funcs: map[string]any{"ChunkSize": hackney.ChunkSize, "Connect": hackney.Connect, "ConnectWait": hackney.ConnectWait,
			"SendFileOpt": hackney.SendFileOpt, "SendFun": hackney.SendFun, "TLS": hackney.TLS,
			"UseThreads": hackney.UseThreads},
	}.Run(t)
}

// A socket prints its transport and its connection, whatever they are.
func TestSocketPrints(t *testing.T) {
	for want, s := range map[string]hackney.Socket{
		"{no socket}":          {},
		"{tcp, no connection}": {Transport: hackney.TCP},
		"{tcp, no socket}":     {Transport: hackney.TCP, Sock: new(gentcp.Socket)},
		"{ssl, no connection}": {Transport: hackney.TLS(nil)},
	} {
		assert.Equal(t, want, fmt.Sprint(s))
		assert.Equal(t, want, fmt.Sprintf("%+v", &s))
	}
	assert.NotPanics(t, func() { _ = fmt.Sprint(hackney.Socket{Transport: absent{}, Sock: (*gentcp.Socket)(nil)}) })
}

// absent is a transport whose methods panic.
type absent struct{ hackney.Transport }

// Without a connection there is nothing to open a file for.
func TestSendFileNameChecksTheSocketFirst(t *testing.T) {
	_, err := hackney.Socket{}.SendFileName(nil, "no such file")
	assert.ErrorIs(t, err, gentcp.ErrBadArg)
	assert.NotErrorIs(t, err, fs.ErrNotExist)
}
