package tests

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/netdevice"
	"github.com/esock-go/esock/sockopt"
)

// A name that the kernel does not know is an error that has the option and the name, whichever way it is set.
func TestOptionsThatAreNamesSayWhichIsUnknown(t *testing.T) {
	const name = "nosuch-esock"
	s := open(t, esock.Inet, esock.Stream, esock.TCP)
	for _, o := range []struct {
		option sockopt.Option[string]
		want   syscall.Errno
	}{{sockopt.TCPCongestion, syscall.ENOENT}, {sockopt.TCPULP, syscall.ENOENT}, {sockopt.SocketBindToDevice, syscall.ENODEV}} {
		info := o.option.Info()
		batch := func(v any) error {
			list := []sockopt.Setting{{Level: info.Level, Name: info.Name, Value: v}}
			require.NoError(t, sockopt.SetAll(s, list))
			return list[0].Err
		}
		for way, err := range map[string]error{
			"Set":                  o.option.Set(s, name),
			"Set by name":          sockopt.Set(s, info.Level, info.Name, name),
			"Set by name, bytes":   sockopt.Set(s, info.Level, info.Name, []byte(name)),
			"SetAll":               batch(name),
			"SetAll, bytes":        batch([]byte(name)),
			"SetOptionNative":      s.SetOptionNative(info.LevelNumber, info.Number, name),
			"SetOptionNative, NUL": s.SetOptionNative(info.LevelNumber, info.Number, []byte(name+"\x00")),
		} {
			if info.Name == "ulp" && errors.Is(err, syscall.ENOPROTOOPT) {
				continue // a kernel without it
			}
			assert.ErrorIs(t, err, o.want, way)
			says := info.Level + "." + info.Name + ` "` + name + `" is `
			if strings.HasPrefix(way, "SetOptionNative") { // which knows numbers alone
				says = fmt.Sprintf("option %d of level %d: the kernel does not know %q", info.Number, info.LevelNumber, name)
			}
			assert.ErrorContains(t, err, says, way)
			var e *esock.Error
			assert.ErrorAs(t, err, &e, way)
		}
	}
	// The wrong kind of socket is named as before, and with the name.
	udp := open(t, esock.Inet, esock.Dgram, esock.UDP)
	err := sockopt.TCPCongestion.Set(udp, name)
	assert.ErrorContains(t, err, "is for sockets of kind")
	// What is no name is not made one.
	err = s.SetOptionNative(sockopt.TCPNoDelay.Info().LevelNumber, sockopt.TCPNoDelay.Info().Number, []byte{1})
	assert.ErrorIs(t, err, syscall.EINVAL)
	assert.NotContains(t, err.Error(), `"`)
}

// So do requests about an interface.
func TestRequestsAboutNoInterfaceSayWhich(t *testing.T) {
	const name = "nosuch-esock"
	s := open(t, esock.Inet, esock.Dgram, esock.UDP)
	_, err := netdevice.Index(s, name)
	assert.ErrorIs(t, err, syscall.ENODEV)
	assert.ErrorContains(t, err, `gifindex: "`+name+`" is not an interface`)
	_, err = netdevice.Flags(s, name)
	assert.ErrorContains(t, err, `gifflags: "`+name+`" is not an interface`)
	_, err = netdevice.Name(s, 1<<30)
	assert.ErrorIs(t, err, syscall.ENODEV)
	assert.ErrorContains(t, err, `gifname: 1073741824 is not an interface`)
	_, err = netdevice.IOCtl(s, "gifmtu", name)
	assert.ErrorContains(t, err, `gifmtu: "`+name+`" is not an interface`)
	_, err = netdevice.Addr(open(t, esock.Local, esock.Dgram, esock.Default), "lo")
	assert.ErrorIs(t, err, syscall.ENOTTY)
	assert.ErrorContains(t, err, `gifaddr: "lo": it needs a socket of domain inet`)
}
