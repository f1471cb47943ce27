package netdevice

import (
	"embed"
	"errors"
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/zerocall"
)

//go:embed *.go
var source embed.FS

// Nothing panics that is called with zero values, and on nil pointers.
func TestZeroValuesAreHarmless(t *testing.T) {
	zerocall.Package{
		Source: source,
		Types:  []any{Flag(0), HardwareAddr{}, InterfaceAddr{}, Mapping{}, Request{}},
		Values: map[string]any{"all": Flag(0xFFFF), "no hardware": HardwareAddr{Type: -1}},
		Funcs: map[string]any{"Addr": Addr, "Addrs": Addrs, "BrdAddr": BrdAddr, "DstAddr": DstAddr, "Flags": Flags, "HWAddr": HWAddr,
			"HardwareAddrFromMap": HardwareAddrFromMap, "IOCtl": IOCtl, "Index": Index, "MTU": MTU, "Map": Map, "Name": Name,
			"InterfaceAddrFromMap": InterfaceAddrFromMap, "MappingFromMap": MappingFromMap, "ParseFlags": ParseFlags,
			"Netmask": Netmask, "ParseFlag": ParseFlag, "Requests": Requests, "SetAddr": SetAddr, "SetBrdAddr": SetBrdAddr,
			"SetDstAddr": SetDstAddr, "SetFlags": SetFlags, "SetHWAddr": SetHWAddr, "SetMTU": SetMTU, "SetNetmask": SetNetmask,
			"SetTxQLen": SetTxQLen, "TxQLen": TxQLen},
	}.Run(t)
}

// On a socket that is not open, every function and every request answers an error, whatever it is given.
func TestRequestsOfNoSocket(t *testing.T) {
	ended, err := esock.Open(esock.Inet, esock.Dgram, esock.UDP)
	require.NoError(t, err)
	require.NoError(t, ended.Close())
	values := []any{nil, 0, -1, int64(1 << 40), "", "lo", true, []byte{}, map[string]any{}, map[string]any{"up": true}, map[string]bool{},
		[]any{nil}, 1.5, struct{}{}, esock.Addr{}, HardwareAddr{}, (*int)(nil), func() {}}
	for _, s := range []*esock.Socket{nil, new(esock.Socket), ended} {
		refused := func(err error, what string, args ...any) {
			t.Helper()
			var invalid *esock.InvalidError
			assert.True(t, errors.As(err, &invalid) || errors.Is(err, net.ErrClosed), "%s%v: %v", what, args, err)
			var e *esock.Error
			if assert.ErrorAs(t, err, &e) {
				assert.Equal(t, "ioctl", e.Op)
			}
		}
		for r := range Requests() {
			_, err := IOCtl(s, r.Name)
			refused(err, r.Name)
			for _, v := range values {
				for _, args := range [][]any{{v}, {v, v}, {"lo", v}, {"lo", v, v}} {
					_, err := IOCtl(s, r.Name, args...)
					refused(err, r.Name, args...)
				}
			}
		}
		for name, f := range map[string]func() error{
			"Addrs":      func() error { _, err := Addrs(s); return err },
			"Name":       func() error { _, err := Name(s, 1); return err },
			"Index":      func() error { _, err := Index(s, "lo"); return err },
			"Addr":       func() error { _, err := Addr(s, "lo"); return err },
			"DstAddr":    func() error { _, err := DstAddr(s, "lo"); return err },
			"BrdAddr":    func() error { _, err := BrdAddr(s, "lo"); return err },
			"Netmask":    func() error { _, err := Netmask(s, "lo"); return err },
			"HWAddr":     func() error { _, err := HWAddr(s, "lo"); return err },
			"MTU":        func() error { _, err := MTU(s, "lo"); return err },
			"TxQLen":     func() error { _, err := TxQLen(s, "lo"); return err },
			"Flags":      func() error { _, err := Flags(s, "lo"); return err },
			"Map":        func() error { _, err := Map(s, "lo"); return err },
			"SetFlags":   func() error { return SetFlags(s, "lo", Up, 0) },
			"SetAddr":    func() error { return SetAddr(s, "lo", esock.Loopback) },
			"SetDstAddr": func() error { return SetDstAddr(s, "lo", esock.Loopback) },
			"SetBrdAddr": func() error { return SetBrdAddr(s, "lo", esock.Loopback) },
			"SetNetmask": func() error { return SetNetmask(s, "lo", esock.Loopback) },
			"SetHWAddr":  func() error { return SetHWAddr(s, "lo", HardwareAddr{}) },
			"SetMTU":     func() error { return SetMTU(s, "lo", 1) },
			"SetTxQLen":  func() error { return SetTxQLen(s, "lo", 1) },
		} {
			assert.ErrorIs(t, f(), net.ErrClosed, name)
		}
	}
}
