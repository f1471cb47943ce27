package tests

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"math"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/internal/sourcetree"
	"github.com/esock-go/esock/netdevice"
	"github.com/esock-go/esock/sockopt"
	"github.com/esock-go/esock/supports"
)

// publicPackages are the packages whose types have maps and anyName, with the names that the tables below have for them.
var publicPackages = map[string]string{"..": "esock", "../sockopt": "sockopt", "../netdevice": "netdevice", "../supports": "supports",
	"../packet": "packet", "../gentcp": "gentcp", "../hackney": "hackney"}

// eachFunc calls f for each exported function and each method of an exported type of the public packages.
func eachFunc(t *testing.T, f func(pkg, receiver string, d *ast.FuncDecl)) {
	t.Helper()
	sourcetree.Need(t)
	for dir, pkg := range publicPackages {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		require.NoError(t, err)
		require.NotEmpty(t, files)
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			text, err := os.ReadFile(name)
			require.NoError(t, err)
			file, err := parser.ParseFile(token.NewFileSet(), name, text, 0)
			require.NoError(t, err)
			for _, d := range file.Decls {
				d, ok := d.(*ast.FuncDecl)
				if !ok || !d.Name.IsExported() {
					continue
				}
				receiver := ""
				if d.Recv != nil {
					typ := d.Recv.List[0].Type
					if star, ok := typ.(*ast.StarExpr); ok {
						typ = star.X
					}
					if id, ok := typ.(*ast.Ident); ok {
						receiver = id.Name
					}
					if !ast.IsExported(receiver) {
						continue
					}
				}
				f(pkg, receiver, d)
			}
		}
	}
}

// comesBack has, for each type with a Map or a FromMap, the property that FromMap(Map(x)) is x.
var comesBack = map[string]func(t *rapid.T){
	"esock.Addr":           func(t *rapid.T) { same(t, anyAddr.Draw(t, "address"), esock.Addr.Map, esock.AddrFromMap) },
	"esock.ControlMessage": controlComesBack,
	"esock.Counters": func(t *rapid.T) {
		sameInJSON(t, anyCounters.Draw(t, "counters"), esock.Counters.Map, esock.CountersFromMap)
	},
	"esock.ExtendedError": func(t *rapid.T) {
		same(t, anyQueuedError.Draw(t, "error"), esock.ExtendedError.Map, esock.ExtendedErrorFromMap)
	},
	"esock.LibraryInfo": func(t *rapid.T) {
		sameInJSON(t, anyLibraryInfo.Draw(t, "info"), esock.LibraryInfo.Map, esock.LibraryInfoFromMap)
	},
	"esock.Msg": msgComesBack,
	"esock.SocketInfo": func(t *rapid.T) {
		sameInJSON(t, anySocketInfo.Draw(t, "info"), esock.SocketInfo.Map, esock.SocketInfoFromMap)
	},
	"esock.SocketRow":  func(t *rapid.T) { sameInJSON(t, anyRow.Draw(t, "row"), esock.SocketRow.Map, esock.SocketRowFromMap) },
	"esock.Timestamps": func(t *rapid.T) { same(t, anyStamps.Draw(t, "stamps"), esock.Timestamps.Map, esock.TimestampsFromMap) },
	"netdevice.HardwareAddr": func(t *rapid.T) {
		same(t, anyHardware.Draw(t, "hw"), netdevice.HardwareAddr.Map, netdevice.HardwareAddrFromMap)
	},
	"netdevice.InterfaceAddr": func(t *rapid.T) {
		same(t, anyInterface.Draw(t, "if"), netdevice.InterfaceAddr.Map, netdevice.InterfaceAddrFromMap)
	},
	"netdevice.Mapping": func(t *rapid.T) { same(t, anyMapping.Draw(t, "map"), netdevice.Mapping.Map, netdevice.MappingFromMap) },
	"supports.Table":    func(t *rapid.T) { sameInJSON(t, anyTable.Draw(t, "table"), supports.Table.Map, supports.TableFromMap) },

	// Options have no map: they are functions, and one may be given twice.
	"esock.OpenOptions": func(t *rapid.T) {
		m := map[string]any{"debug": false, "use_registry": rapid.Bool().Draw(t, "registered")}
		opts, err := esock.OpenOptionsFromMap(m)
		require.NoError(t, err)
		s, err := esock.Open(esock.Local, esock.Dgram, esock.Default, opts...)
		require.NoError(t, err)
		assert.Equal(t, m["use_registry"], s.Registered())
		require.NoError(t, s.Close())
	},
	// Opt reads it, as the value of tos and tclass.
	"gentcp.TOSByte": func(t *rapid.T) {
		b := gentcp.TOSByte(rapid.Byte().Draw(t, "tos"))
		got, err := gentcp.Opt("tos", b.Map())
		require.NoError(t, err)
		assert.Equal(t, gentcp.TOS(int(b)), got)
	},
	"gentcp.Options": func(t *rapid.T) {
		on := rapid.Bool().Draw(t, "nodelay")
		opts, err := gentcp.OptionsFromMap(map[string]any{"nodelay": on})
		require.NoError(t, err)
		assert.Equal(t, []gentcp.Option{gentcp.NoDelay(on)}, opts)
	},
}

// A type that gets a Map or a FromMap must have the other one, and a row above.
func TestEveryMapComesBack(t *testing.T) {
	toMap, fromMap := map[string]bool{}, map[string]bool{}
	eachFunc(t, func(pkg, receiver string, d *ast.FuncDecl) {
		switch name, isFrom := strings.CutSuffix(d.Name.Name, "FromMap"); {
		case receiver != "" && d.Name.Name == "Map" && d.Type.Params.NumFields() == 0:
			toMap[pkg+"."+receiver] = true
		case receiver == "" && isFrom:
			fromMap[pkg+"."+name] = true
		}
	})
	oneWay := []string{"esock.OpenOptions", "gentcp.Options"}
	for _, name := range oneWay {
		assert.True(t, fromMap[name])
		toMap[name] = true
	}
	fromMap["gentcp.TOSByte"] = true // the option reads its map
	assert.Equal(t, slices.Sorted(maps.Keys(toMap)), slices.Sorted(maps.Keys(fromMap)), "a Map for each FromMap, and the reverse")
	assert.Equal(t, slices.Sorted(maps.Keys(comesBack)), slices.Sorted(maps.Keys(fromMap)), "comesBack has all of them")
	for _, name := range slices.Sorted(maps.Keys(comesBack)) {
		t.Run(name, func(t *testing.T) { rapid.Check(t, comesBack[name]) })
	}
}

func same[T any](t *rapid.T, x T, toMap func(T) map[string]any, fromMap func(map[string]any) (T, error)) {
	m := toMap(x)
	got, err := fromMap(m)
	require.NoError(t, err, "%v", m)
	assert.Equal(t, x, got, "%v", m)
	assert.Equal(t, m, toMap(got))
	m["unheard_of"] = 1
	_, err = fromMap(m)
	assert.ErrorContains(t, err, "unheard_of")
}

func sameInJSON[T any](t *rapid.T, x T, toMap func(T) map[string]any, fromMap func(map[string]any) (T, error)) {
	same(t, x, toMap, fromMap)
	b, err := json.Marshal(x)
	require.NoError(t, err)
	var got T
	require.NoError(t, json.Unmarshal(b, &got))
	assert.Equal(t, x, got)
}

// The generators.
var (
	anyText  = rapid.StringN(0, 20, -1)
	anyCount = rapid.Uint64()
	anySmall = rapid.IntRange(0, math.MaxInt32)

	anyBytes = rapid.SliceOfN(rapid.Byte(), 0, 32)

	anyAddr = rapid.OneOf(
		rapid.Custom(func(t *rapid.T) esock.Addr {
			return esock.Inet4Addr(netip.AddrFrom4([4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "ip"))), rapid.Uint16().Draw(t, "port"))
		}),
		rapid.Custom(func(t *rapid.T) esock.Addr {
			ip := netip.AddrFrom16([16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "ip")))
			a := esock.Inet6Addr(ip, rapid.Uint16().Draw(t, "port"), rapid.Uint32().Draw(t, "scope")).
				WithFlowInfo(rapid.Uint32Range(0, 1<<20-1).Draw(t, "flow"))
			if rapid.Bool().Draw(t, "named") {
				a = a.WithZone(rapid.StringMatching(`[a-z][a-z0-9]{0,14}`).Draw(t, "zone"))
			}
			return a
		}),
		rapid.Map(rapid.StringOfN(rapid.RuneFrom([]rune("/ab.é@ ")), 0, 40, 100), esock.UnixAddr),
		rapid.Map(anyBytes, func(b []byte) esock.Addr { return esock.AbstractAddr(string(b)) }),
		rapid.Custom(func(t *rapid.T) esock.Addr {
			return esock.PacketAddr(esock.LinkLayer{Protocol: rapid.Uint16().Draw(t, "protocol"), IfIndex: anySmall.Draw(t, "index"),
				PktType: rapid.Byte().Draw(t, "type"), HaType: rapid.Uint16().Draw(t, "hatype"),
				Hardware: net.HardwareAddr(anyBytes.Draw(t, "hw"))})
		}),
		rapid.Custom(func(t *rapid.T) esock.Addr {
			return esock.VSockAddr(rapid.OneOf(rapid.Uint32(), rapid.Uint32Range(0, 3)).Draw(t, "cid"), rapid.Uint32().Draw(t, "port"))
		}),
		rapid.Custom(func(t *rapid.T) esock.Addr {
			return esock.NetlinkAddr(rapid.Uint32().Draw(t, "port"), rapid.Uint32().Draw(t, "groups"))
		}),
		rapid.Custom(func(t *rapid.T) esock.Addr {
			return esock.RawAddr(esock.Domain(rapid.OneOf(rapid.IntRange(0, 50), rapid.IntRange(0, math.MaxUint16)).Draw(t, "family")),
				anyBytes.Draw(t, "data"))
		}),
		rapid.SampledFrom([]esock.Addr{esock.Any, esock.Loopback, esock.Broadcast}),
	)

	anyCounters = rapid.Custom(func(t *rapid.T) esock.Counters {
		var c esock.Counters
		fillCounts(t, reflect.ValueOf(&c).Elem())
		if rapid.Bool().Draw(t, "sendfile") {
			c.SendFile = new(esock.SendFileCounters)
			fillCounts(t, reflect.ValueOf(c.SendFile).Elem())
		}
		return c
	})

	anyLibraryInfo = rapid.Custom(func(t *rapid.T) esock.LibraryInfo {
		i := esock.LibraryInfo{IOBackend: anyText.Draw(t, "backend"), IOVMax: anySmall.Draw(t, "iov_max"),
			NumCntBits: rapid.IntRange(0, 64).Draw(t, "bits")}
		for _, b := range []*bool{&i.Debug, &i.SocketDebug, &i.EEI, &i.UseRegistry, &i.IOW} {
			*b = rapid.Bool().Draw(t, "switch")
		}
		g := reflect.ValueOf(&i.Gauges).Elem()
		for k := range g.NumField() {
			g.Field(k).SetInt(rapid.Int64Min(0).Draw(t, "gauge"))
		}
		return i
	})

	anySocketInfo = rapid.Custom(func(t *rapid.T) esock.SocketInfo {
		states := rapid.SliceOf(rapid.SampledFrom([]string{"bound", "selected", "connected"}))
		i := esock.SocketInfo{
			Domain: esock.Domain(rapid.IntRange(0, 50).Draw(t, "domain")), Type: esock.Type(rapid.IntRange(0, 10).Draw(t, "type")),
			Protocol: esock.Protocol(rapid.IntRange(0, 300).Draw(t, "protocol")), Owner: anyText.Draw(t, "owner"),
			RStates: states.Draw(t, "rstates"), WStates: states.Draw(t, "wstates"),
			Readable: rapid.Bool().Draw(t, "readable"), Writable: rapid.Bool().Draw(t, "writable"),
			FromFD: rapid.Bool().Draw(t, "fromfd"), DupOf: -1, Counters: anyCounters.Draw(t, "counters"),
			NumReaders: anySmall.Draw(t, "readers"), NumWriters: anySmall.Draw(t, "writers"), NumAcceptors: anySmall.Draw(t, "acceptors"),
			NumCompletions: anySmall.Draw(t, "completions"),
		}
		if i.FromFD {
			i.DupOf = rapid.IntRange(-1, 100).Draw(t, "dup")
		}
		return i
	})

	anyRow = rapid.Custom(func(t *rapid.T) esock.SocketRow {
		r := esock.SocketRow{FD: rapid.IntRange(-1, math.MaxInt32).Draw(t, "fd"), Recv: anyCount.Draw(t, "recv"), Sent: anyCount.Draw(t, "sent")}
		for _, s := range []*string{&r.Domain, &r.Type, &r.Protocol, &r.Owner, &r.LocalAddress, &r.RemoteAddress, &r.State} {
			*s = anyText.Draw(t, "text")
		}
		return r
	})

	anyTime = rapid.Custom(func(t *rapid.T) time.Time {
		if rapid.Bool().Draw(t, "none") {
			return time.Time{}
		}
		most := 33 // a timestamp of 32-bit machines has 32 bits
		if strconv.IntSize == 32 {
			most = 31
		}
		return time.Unix(rapid.Int64Range(-1<<most, 1<<most-1).Draw(t, "sec"), rapid.Int64Range(0, 999_999_999).Draw(t, "nsec"))
	})
	anyStamps = rapid.Custom(func(t *rapid.T) esock.Timestamps {
		return esock.Timestamps{Software: anyTime.Draw(t, "software"), Hardware: anyTime.Draw(t, "hardware")}
	})

	// Of each origin, types and codes with a name and without one.
	anyQueuedError = rapid.Custom(func(t *rapid.T) esock.ExtendedError {
		origin := esock.ErrorOrigin(rapid.OneOf(rapid.Byte(), rapid.ByteRange(0, 7)).Draw(t, "origin"))
		typ := esock.ErrorType(origin)<<8 | esock.ErrorType(rapid.OneOf(rapid.Byte(), rapid.ByteRange(0, 12)).Draw(t, "type"))
		e := esock.ExtendedError{Errno: syscall.Errno(rapid.Uint32Range(0, 200).Draw(t, "errno")), Origin: origin, Type: typ,
			Code: esock.ErrorCode(typ)<<8 | esock.ErrorCode(rapid.OneOf(rapid.Byte(), rapid.ByteRange(0, 12)).Draw(t, "code")),
			Info: rapid.Uint32().Draw(t, "info"), Data: rapid.Uint32().Draw(t, "data")}
		if rapid.Bool().Draw(t, "offender") {
			e.Offender = anyAddr.Draw(t, "offender")
		}
		return e
	})

	anyHardware = rapid.Custom(func(t *rapid.T) netdevice.HardwareAddr {
		return netdevice.HardwareAddr{Type: rapid.OneOf(rapid.IntRange(0, math.MaxUint16), rapid.SampledFrom([]int{1, 32, 770, 772})).Draw(t, "type"),
			Addr: net.HardwareAddr(rapid.SliceOfN(rapid.Byte(), 1, 14).Draw(t, "addr"))}
	})
	anyInterface = rapid.Custom(func(t *rapid.T) netdevice.InterfaceAddr {
		return netdevice.InterfaceAddr{Name: anyText.Draw(t, "name"), Addr: anyAddr.Draw(t, "addr")}
	})
	anyMapping = rapid.Custom(func(t *rapid.T) netdevice.Mapping {
		return netdevice.Mapping{MemStart: anyCount.Draw(t, "start"), MemEnd: anyCount.Draw(t, "end"), BaseAddr: rapid.Uint16().Draw(t, "base"),
			IRQ: rapid.Byte().Draw(t, "irq"), DMA: rapid.Byte().Draw(t, "dma"), Port: rapid.Byte().Draw(t, "port")}
	})

	anyName  = rapid.StringMatching(`[a-z]{1,8}`)
	anyBools = rapid.MapOf(anyName, rapid.Bool())
	anyTable = rapid.Custom(func(t *rapid.T) supports.Table {
		options := rapid.MapOf(anyName, rapid.Map(rapid.ByteRange(0, 3), func(b byte) supports.Option { return supports.Option(b) }))
		return supports.Table{IOCtlRequests: anyBools.Draw(t, "requests"), IOCtlFlags: anyBools.Draw(t, "flags"), MsgFlags: anyBools.Draw(t, "msg"),
			Protocols: anyBools.Draw(t, "protocols"), Options: rapid.MapOf(anyName, options).Draw(t, "options"),
			Features: rapid.MapOf(rapid.StringMatching(`has_[a-z]{1,8}`), rapid.Bool()).Draw(t, "features")}
	})
)

// fillCounts sets the fields of a structure that are uint64.
func fillCounts(t *rapid.T, v reflect.Value) {
	for i := range v.NumField() {
		if v.Field(i).Kind() == reflect.Uint64 {
			v.Field(i).SetUint(anyCount.Draw(t, v.Type().Field(i).Name))
		}
	}
}

// Control messages to send, one of each function and structure.
var anyControl = rapid.OneOf(
	rapid.Map(rapid.IntRange(1, 255), esock.TTL), rapid.Map(rapid.IntRange(0, 255), esock.TOS),
	rapid.Map(rapid.IntRange(-1, 255), esock.HopLimit), rapid.Map(rapid.IntRange(-1, 255), esock.TClass),
	rapid.Map(rapid.Uint32Range(0, 1<<28-1), esock.FlowInfo), rapid.Map(rapid.Uint32(), esock.Mark),
	rapid.Map(rapid.Uint32(), esock.Priority), rapid.Map(rapid.Uint32(), esock.TimestampID),
	rapid.Map(rapid.IntRange(0, math.MaxUint16), esock.UDPSegment),
	rapid.Map(rapid.Int64(), func(n int64) esock.ControlMessage { return esock.TxTime(time.Duration(n)) }),
	rapid.Map(rapid.Uint32(), func(n uint32) esock.ControlMessage { return esock.TimestampsFor(esock.TimestampFlags(n)) }),
	rapid.Map(anyTime.Filter(func(at time.Time) bool { return !at.IsZero() }), esock.Timestamp),
	rapid.Map(rapid.SliceOfN(rapid.IntRange(0, 1000), 0, 5), func(fds []int) esock.ControlMessage { return esock.Rights(fds...) }),
	rapid.Map(anyBytes, esock.RetOpts), rapid.Map(anyBytes, esock.HopOpts), rapid.Map(anyBytes, esock.DstOpts), rapid.Map(anyBytes, esock.RTHdr),
	rapid.Custom(func(t *rapid.T) esock.ControlMessage {
		return esock.Credentials{PID: anySmall.Draw(t, "pid"), UID: rapid.Uint32().Draw(t, "uid"), GID: rapid.Uint32().Draw(t, "gid")}.Control()
	}),
	rapid.Custom(func(t *rapid.T) esock.ControlMessage {
		ip := func(name string) netip.Addr {
			return netip.AddrFrom4([4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, name)))
		}
		return esock.PktInfo4{IfIndex: anySmall.Draw(t, "index"), SpecDst: ip("source"), Addr: ip("addr")}.Control()
	}),
	rapid.Custom(func(t *rapid.T) esock.ControlMessage {
		return esock.PktInfo6{IfIndex: anySmall.Draw(t, "index"),
			Addr: netip.AddrFrom16([16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "addr")))}.Control()
	}),
	rapid.Map(rapid.Make[esock.SCTPInit](), esock.SCTPInit.Control),
	rapid.Map(rapid.Make[esock.SCTPSndInfo](), esock.SCTPSndInfo.Control),
	rapid.Custom(func(t *rapid.T) esock.ControlMessage {
		return esock.SCTPSndRcv{Stream: rapid.Uint16().Draw(t, "stream"), PPID: rapid.Uint32().Draw(t, "ppid"), TSN: rapid.Uint32().Draw(t, "tsn"),
			AssocID: rapid.Int32().Draw(t, "assoc")}.Control()
	}),
)

// Control data as it may be received: any bytes of any type of the levels that have types.
var anyReceived = rapid.Custom(func(t *rapid.T) esock.ControlMessage {
	level := rapid.SampledFrom([]int{syscall.SOL_SOCKET, syscall.SOL_IP, syscall.SOL_IPV6, syscall.SOL_TCP, syscall.IPPROTO_UDP, 132, 263, 287, 999})
	return esock.ControlMessage{Level: level.Draw(t, "level"), Type: rapid.IntRange(0, 90).Draw(t, "type"),
		Data: rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "data")}
})

func controlComesBack(t *rapid.T) {
	c := anyControl.Draw(t, "to send")
	back, err := esock.ControlMessageFromMap(c.Map())
	require.NoError(t, err)
	assert.Equal(t, c.Map(), back.Map())
	if c.Data == nil { // bytes are decoded only once they are received, or come from a map
		sameControl(t, c)
	}

	var m esock.Msg
	require.NoError(t, m.SetControl(c, anyReceived.Draw(t, "received")))
	var got esock.Msg
	got.DecodeControl(rawControl(t, &m))
	got.TakeFDs() // numbers that nobody opened must not be closed
	for c := range got.Control() {
		sameControl(t, c)
	}
}

// rawControl is what a Msg sends.
func rawControl(t require.TestingT, m *esock.Msg) []byte {
	ctrl := []esock.ControlMessage{}
	for _, e := range m.Map()["ctrl"].([]any) {
		c, err := esock.ControlMessageFromMap(e.(map[string]any))
		require.NoError(t, err)
		ctrl = append(ctrl, c)
	}
	var raw []byte
	for _, c := range ctrl {
		b := make([]byte, syscall.CmsgSpace(len(c.Data)))
		h := syscall.Cmsghdr{Level: int32(c.Level), Type: int32(c.Type)}
		h.SetLen(syscall.CmsgLen(len(c.Data)))
		*(*syscall.Cmsghdr)(unsafe.Pointer(&b[0])) = h
		copy(b[syscall.CmsgLen(0):], c.Data)
		raw = append(raw, b...)
	}
	return raw
}

// sameControl checks that a control message comes back from its map with all that its methods tell.
func sameControl(t *rapid.T, c esock.ControlMessage) {
	m := c.Map()
	got, err := esock.ControlMessageFromMap(m)
	require.NoError(t, err, "%v", m)
	assert.Equal(t, m, got.Map())
	assert.Equal(t, told(c), told(got), "%v", m)
	assert.Equal(t, c.Data, got.Data)
}

// told is what the methods of a control message answer.
func told(c esock.ControlMessage) map[string]string {
	answers := map[string]string{}
	v := reflect.ValueOf(c)
	for i := range v.NumMethod() {
		if m := v.Method(i); m.Type().NumIn() == 0 {
			out := m.Call(nil)
			for _, o := range out {
				answers[v.Type().Method(i).Name] += fmt.Sprintf("%+v ", o.Interface())
			}
		}
	}
	return answers
}

// A Msg is compared by its map: the rest of it is for the next receive. What was received and what is to be sent come back.
func msgComesBack(t *rapid.T) {
	m := &esock.Msg{Iov: rapid.SliceOf(anyBytes).Draw(t, "iov"), Flags: esock.MsgFlags(rapid.Uint16().Draw(t, "flags"))}
	if rapid.Bool().Draw(t, "address") {
		m.Addr = anyAddr.Draw(t, "addr")
	}
	require.NoError(t, m.SetControl(append(rapid.SliceOfN(anyReceived, 0, 12).Draw(t, "ctrl"), anyControl.Draw(t, "to send"))...))
	back, err := esock.MsgFromMap(m.Map())
	require.NoError(t, err)
	assert.Equal(t, m.Map(), back.Map())

	var received esock.Msg
	received.DecodeControl(rawControl(t, m))
	received.TakeFDs()
	received.Iov, received.Addr, received.Flags = m.Iov, m.Addr, m.Flags
	back, err = esock.MsgFromMap(received.Map())
	require.NoError(t, err)
	assert.Equal(t, received.Map(), back.Map())
}

// What came is sent on, with the control messages that came.
func TestReceivedMessageIsSentOn(t *testing.T) {
	a, _ := udp(t)
	b, at := udp(t)
	for _, name := range []string{"recvttl", "recvtos", "pktinfo"} {
		require.NoError(t, sockopt.Set(b, "ip", name, true))
	}
	m := esock.Msg{Iov: [][]byte{[]byte("hello")}, Addr: at}
	require.NoError(t, m.SetControl(esock.TTL(7), esock.TOS(8)))
	_, err := a.SendMsg(&m, 0, esock.Within(patience))
	require.NoError(t, err)

	var got esock.Msg
	err = b.RecvMsg(&got, 0, esock.Within(patience))
	require.NoError(t, err)
	in := got.Map()
	require.Len(t, in["ctrl"], 3)
	on, err := esock.MsgFromMap(in)
	require.NoError(t, err)
	assert.Equal(t, in, on.Map())
	on.Addr = at
	_, err = b.SendMsg(on, 0, esock.Within(patience))
	require.NoError(t, err)
	err = b.RecvMsg(&got, 0, esock.Within(patience))
	require.NoError(t, err)
	var ttl, tos int
	for c := range got.Control() {
		if n, ok := c.TTL(); ok {
			ttl = n
		}
		if n, ok := c.TOS(); ok {
			tos = n
		}
	}
	assert.Equal(t, "hello", string(got.Data()))
	assert.Equal(t, []int{7, 8}, []int{ttl, tos}, "as they came")

	in["ctrl"] = append(in["ctrl"].([]any), "bad_data")
	_, err = esock.MsgFromMap(in)
	assert.ErrorContains(t, err, "bad_data stands for damaged control data")
}

// The zero Addr and RawAddr(Unspec, nil) share OTP's map, which Connect takes as the latter.
func TestTheAddressOfNobodyComesBackAsUnspec(t *testing.T) {
	got, err := esock.AddrFromMap(esock.Addr{}.Map())
	require.NoError(t, err)
	assert.Equal(t, esock.RawAddr(esock.Unspec, nil), got)
	assert.Equal(t, esock.Addr{}.Map(), got.Map())
}

// OTP: sockaddr_native().
func TestNativeAddresses(t *testing.T) {
	for _, family := range []any{2, 2.0, uint16(2), 10, 17, 38} {
		got, err := esock.AddrFromMap(map[string]any{"family": family, "addr": []byte{0, 80, 127, 0, 0, 1}})
		require.NoError(t, err)
		data, ok := got.RawData()
		assert.True(t, ok, "%v", family)
		assert.Equal(t, []byte{0, 80, 127, 0, 0, 1}, data)
	}
	got, err := esock.AddrFromMap(map[string]any{"family": 2, "addr": "127.0.0.1"})
	require.NoError(t, err)
	assert.Equal(t, netip.MustParseAddr("127.0.0.1"), got.IP(), "a text is no native address")
	_, err = esock.AddrFromMap(map[string]any{"family": "inet", "addr": []byte{127, 0, 0, 1}})
	assert.ErrorIs(t, err, invalid("sockaddr"))

	s := open(t, esock.Inet, esock.Dgram, esock.UDP)
	at := make([]byte, 14)
	copy(at[2:], []byte{127, 0, 0, 1})
	native, err := esock.AddrFromMap(map[string]any{"family": 2, "addr": at})
	require.NoError(t, err)
	require.NoError(t, s.Bind(native))
	name, err := s.SockName()
	require.NoError(t, err)
	assert.Equal(t, netip.MustParseAddr("127.0.0.1"), name.IP())
}

func TestPacketTypesHaveBothNamesOfSix(t *testing.T) {
	for _, name := range []string{"user", "fastroute"} {
		a, err := esock.AddrFromMap(map[string]any{"family": "packet", "pkttype": name})
		require.NoError(t, err)
		l, _ := a.LinkLayer()
		assert.Equal(t, uint8(6), l.PktType)
		assert.Equal(t, "user", a.Map()["pkttype"])
	}
}
