package gentcp_test

import (
	"embed"
	"io"
	"reflect"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/internal/zerocall"
)

//go:embed *.go
var source embed.FS

// Nothing panics that is called with zero values, and on nil pointers. A method of a socket that is none answers
// ErrBadArg.
func TestZeroValuesAreHarmless(t *testing.T) {
	zerocall.Package{
		Source: source,
		Types: []any{gentcp.Backend(0), gentcp.ClosedMsg{}, gentcp.DataMode(0), gentcp.DeliverAs(0), gentcp.Error{}, gentcp.ErrorMsg{},
			gentcp.HTTPMsg{}, (*gentcp.Module)(nil), gentcp.Name(""), gentcp.Option{}, gentcp.Packet{}, gentcp.PassiveMsg{},
			gentcp.PktOption{}, gentcp.PortMsg{}, gentcp.SendTimeoutError{}, gentcp.Socket{}, gentcp.Stat{}, gentcp.TCPMsg{}, gentcp.TOSByte(0),
			gentcp.TCPProtocol(0)},
		Values: map[string]any{"255": gentcp.DataMode(255), "deliver 255": gentcp.DeliverAs(255),
			"backend 255": gentcp.Backend(255), "protocol 255": gentcp.TCPProtocol(255), "InetTCP": gentcp.InetTCP, "Inet6TCP": gentcp.Inet6TCP, "LocalTCP": gentcp.LocalTCP, "of a zero socket": gentcp.TCPMsg{Sock: new(gentcp.Socket)},
			"with a zero socket": &gentcp.Error{Socket: new(gentcp.Socket), Reason: io.EOF}},
		Funcs: map[string]any{
			"Active": gentcp.Active, "ActiveN": gentcp.ActiveN, "ActiveOnce": gentcp.ActiveOnce, "Backlog": gentcp.Backlog,
			"Binary": gentcp.Binary, "BindToDevice": gentcp.BindToDevice, "Buffer": gentcp.Buffer,
			"Connect": gentcp.Connect, "ConnectAddr": gentcp.ConnectAddr, "Debug": gentcp.Debug,
			"DefaultConnectOptions": gentcp.DefaultConnectOptions, "DefaultListenOptions": gentcp.DefaultListenOptions,
			"DSCP": gentcp.DSCP, "DelaySend": gentcp.DelaySend, "Deliver": gentcp.Deliver, "DontRoute": gentcp.DontRoute,
			"ExclusiveAddrUse": gentcp.ExclusiveAddrUse, "ExitOnClose": gentcp.ExitOnClose, "FD": gentcp.FD,
			"FDOpen": gentcp.FDOpen, "Header": gentcp.Header, "HighMsgqWatermark": gentcp.HighMsgqWatermark,
			"HighWatermark": gentcp.HighWatermark, "IP": gentcp.IP, "IPAny": gentcp.IPAny, "IPLoopback": gentcp.IPLoopback,
			"IPv6V6Only": gentcp.IPv6V6Only, "IfAddr": gentcp.IfAddr, "IfIP": gentcp.IfIP, "Inet": gentcp.Inet,
			"Inet6": gentcp.Inet6, "InetBackend": gentcp.InetBackend, "KeepCnt": gentcp.KeepCnt, "KeepIdle": gentcp.KeepIdle, "KeepIntvl": gentcp.KeepIntvl,
			"Keepalive": gentcp.Keepalive, "LineDelimiter": gentcp.LineDelimiter, "Linger": gentcp.Linger,
			"List": gentcp.List, "Listen": gentcp.Listen, "Local": gentcp.Local,
			"LowMsgqWatermark": gentcp.LowMsgqWatermark, "LowWatermark": gentcp.LowWatermark, "Mode": gentcp.Mode,
			"NetNS": gentcp.NetNS, "NoDelay": gentcp.NoDelay, "NoPush": gentcp.NoPush, "Opt": gentcp.Opt,
			"OptionsFromMap": gentcp.OptionsFromMap, "PacketSize": gentcp.PacketSize, "PacketType": gentcp.PacketType,
			"Port": gentcp.Port, "Priority": gentcp.Priority, "Protocol": gentcp.Protocol, "Raw": gentcp.Raw,
			"RawAsk": gentcp.RawAsk, "RawName": gentcp.RawName, "ReadAhead": gentcp.ReadAhead, "Reason": gentcp.Reason,
			"RecBuf": gentcp.RecBuf, "RecvTClass": gentcp.RecvTClass, "RecvTOS": gentcp.RecvTOS,
			"RecvTTL": gentcp.RecvTTL, "ReuseAddr": gentcp.ReuseAddr, "ReusePort": gentcp.ReusePort,
			"ReusePortLB": gentcp.ReusePortLB, "SendFile": gentcp.SendFile, "SendTimeout": gentcp.SendTimeout,
			"SendTimeoutClose": gentcp.SendTimeoutClose, "Service": gentcp.Service,
			"SetDefaultConnectOptions": gentcp.SetDefaultConnectOptions, "SetDefaultListenOptions": gentcp.SetDefaultListenOptions,
			"ShowEconnreset": gentcp.ShowEconnreset, "SndBuf": gentcp.SndBuf, "SocketOf": gentcp.SocketOf,
			"StatNames": gentcp.StatNames, "TClass": gentcp.TClass, "TCPModule": gentcp.TCPModule, "TOS": gentcp.TOS,
			"TTL": gentcp.TTL, "UserTimeout": gentcp.UserTimeout},
		Args: map[string]map[int]any{
			"FDOpen": {1: -1}, // 0 may be a socket of whoever runs the test
		},
		After: func(name string, results []reflect.Value) {
			for _, r := range results {
				if s, ok := r.Interface().(*gentcp.Socket); ok && s != nil {
					s.Close()
				}
			}
		},
	}.Run(t)
}

// A socket that is none answers ErrBadArg to all that can answer an error, and nothing to the rest.
func TestASocketThatIsNoneIsABadArgument(t *testing.T) {
	for _, s := range []*gentcp.Socket{nil, new(gentcp.Socket)} {
		v := reflect.ValueOf(s)
		asked := 0
		for i := range v.NumMethod() {
			m := v.Method(i)
			last := m.Type().NumOut() - 1
			if last < 0 || m.Type().Out(last) != reflect.TypeFor[error]() {
				continue
			}
			asked++
			var args []reflect.Value
			for i := range m.Type().NumIn() {
				if in := m.Type().In(i); !m.Type().IsVariadic() || i < m.Type().NumIn()-1 {
					args = append(args, reflect.Zero(in))
				}
			}
			err, _ := m.Call(args)[last].Interface().(error)
			name := v.Type().Method(i).Name
			require.ErrorIs(t, err, gentcp.ErrBadArg, name)
			assert.Contains(t, err.Error(), "invalid socket", name)
		}
		assert.Greater(t, asked, 10)
		assert.Nil(t, s.Socket())
		assert.Nil(t, s.Owner())
		assert.False(t, s.Open())
		assert.Equal(t, "no socket", s.String())
	}
	_, err := gentcp.SendFile("/", nil)
	require.ErrorIs(t, err, gentcp.ErrBadArg)
	for _, msg := range []esock.Message{gentcp.TCPMsg{}, gentcp.HTTPMsg{}, gentcp.PortMsg{}, gentcp.PassiveMsg{},
		gentcp.ClosedMsg{}, gentcp.ErrorMsg{}, gentcp.TCPMsg{Sock: new(gentcp.Socket)}} {
		assert.Nil(t, msg.Socket(), "%T", msg)
	}
}
