package sockopt

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"net"
	"reflect"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/zerocall"
)

//go:embed *.go
var source embed.FS

// Nothing panics that is called with zero values, and on nil pointers. A call on a socket that is none, and has an error to
// answer with, does.
func TestZeroValuesAreHarmless(t *testing.T) {
	zerocall.Package{
		Source: source,
		Types:  []any{CANFilter{}, CANFilters{}, CANRawVCIDOptions{}, TIPCGroupReq{}, XDPMMapOffsetsValue{}, XDPUMemRegValue{}, XDPStatisticsValue{}, FilterMode(0), FlowLabelReq{}, GroupFilter{}, GroupReq{}, GroupSourceReq{}, IPMreqSource{}, IPMreq{}, IPSourceFilter{}, IPv6Mreq{}, Info{}, Kinds(0), Linger{}, MPTCPFullInfoValue{}, MPTCPInfoValue{}, MPTCPSubflowData{}, MTUInfo{}, MemInfo{}, Other{}, PMTUDiscover(0), PacketMreq{}, PacketRing{}, PacketRollovers{}, PacketStats{}, ProbeAnswer{}, ProbeResult(0), Probe{}, SCTPAddStreamsValue{}, SCTPAssocIDs{}, SCTPAssocParams{}, SCTPAssocStats{}, SCTPAssocValue{}, SCTPAuthChunkValue{}, SCTPAuthChunks{}, SCTPAuthKeyID{}, SCTPAuthKeyValue{}, SCTPDefaultPrInfoValue{}, SCTPEventSubscribe{}, SCTPEventValue{}, SCTPHMACAlgo{}, SCTPPeerAddrInfo{}, SCTPPeerAddrParamsValue{}, SCTPPeerAddrThldsV2Value{}, SCTPPeerAddrThldsValue{}, SCTPPrStatus{}, SCTPPrim{}, SCTPProbeInterval{}, SCTPRTOInfoValue{}, SCTPResetStreamsValue{}, SCTPSACKInfo{}, SCTPSetAdaptation{}, SCTPSetPeerPrim{}, SCTPStatusValue{}, SCTPStreamValue{}, SCTPUDPEncaps{}, Setting{}, SockFilter{}, TCPInfoValue{}, TCPMD5SigValue{}, TCPRepairOpt{}, TCPRepairWindowValue{}, TCPZeroCopyReceiveValue{}, TLSCryptoInfo{}, TXTimeConfig{}, TimestampingConfig{}},
		Values: map[string]any{"all": Kinds(0xFFFF), "result 255": ProbeResult(255), "7": PMTUDiscover(7), "9": FilterMode(9)},
		Funcs: map[string]any{"All": All, "AllKinds": AllKinds, "Ask": Ask, "Get": Get, "GetAll": GetAll, "GetNative": GetNative, "OptionByName": OptionByName, "ParseFilterMode": ParseFilterMode,
			"ParseKinds": ParseKinds, "ParseLevel": ParseLevel, "ParsePMTUDiscover": ParsePMTUDiscover, "ParseProbeResult": ParseProbeResult,
			"SetNative": SetNative, "OTPNames": OTPNames,
			"Others": Others, "ProbeAll": func(...string) any { return ProbeAll("none") }, "ProbeResults": ProbeResults, "Set": Set,
			"SetAll": SetAll},
		After: func(name string, results []reflect.Value) {
			for _, r := range results {
				if s, ok := r.Interface().(*esock.Socket); ok && s != nil {
					s.Close()
				}
			}
		},
	}.Run(t)
}

// closed are sockets that are not open.
func closed(t *testing.T) []*esock.Socket {
	s, err := esock.Open(esock.Local, esock.Dgram, esock.Default)
	require.NoError(t, err)
	require.NoError(t, s.Close())
	return []*esock.Socket{nil, new(esock.Socket), s}
}

func refused(t *testing.T, err error, what string, args ...any) {
	t.Helper()
	var invalid *esock.InvalidError
	assert.True(t, errors.As(err, &invalid) || errors.Is(err, net.ErrClosed), "%s: %v", fmt.Sprintf(what, args...), err)
}

// An option of each codec, on sockets that are not open, with the zero value.
func TestOptionsOfNoSocket(t *testing.T) {
	for name, option := range oneOfEachCodec {
		o := reflect.ValueOf(option)
		for _, s := range closed(t) {
			for i := range o.NumMethod() {
				m := o.Method(i)
				if m.Type().NumIn() == 0 { // Info and String, which take no socket
					continue
				}
				in := []reflect.Value{reflect.ValueOf(s)}
				if m.Type().NumIn() > 1 {
					in = append(in, reflect.Zero(m.Type().In(1)))
				}
				out := m.Call(in)
				err, _ := out[len(out)-1].Interface().(error)
				refused(t, err, "%s.%s", name, o.Type().Method(i).Name)
			}
		}
	}
}

// Every option by name, with values that are none.
func TestNamesOfNoSocket(t *testing.T) {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	values := []any{nil, 0, -1, int64(1 << 40), "", "x", true, []byte{}, []byte(nil), map[string]any{}, []any{nil}, 1.5, struct{}{}, ended,
		(*esock.Mailbox)(nil), (*int)(nil), func() {}}
	for o := range All() {
		for _, s := range closed(t) {
			_, err := Get(s, o.Level, o.Name)
			refused(t, err, "get %s.%s", o.Level, o.Name)
			for _, v := range values {
				_, err := Ask(s, o.Level, o.Name, v)
				refused(t, err, "ask %s.%s %v", o.Level, o.Name, v)
				refused(t, Set(s, o.Level, o.Name, v), "set %s.%s %v", o.Level, o.Name, v)
				assert.Error(t, SetAll(s, []Setting{{o.Level, o.Name, v, nil}}))
				assert.Error(t, GetAll(s, []Setting{{o.Level, o.Name, v, nil}}))
			}
		}
	}
	open, _ := pair(t, esock.Dgram)
	for _, name := range OTPNames() {
		for _, v := range values {
			_ = Set(open, "otp", name, v) // some are values
			_, _ = Get(open, "otp", name)
			for _, s := range closed(t) {
				refused(t, Set(s, "otp", name, v), "set otp.%s %v", name, v)
			}
		}
	}
}

// The list below has an option of each codec that the variables have.
func TestOneOfEachCodecIsComplete(t *testing.T) {
	text, err := source.ReadFile("vars.go")
	require.NoError(t, err)
	file, err := parser.ParseFile(token.NewFileSet(), "vars.go", text, parser.SkipObjectResolution)
	require.NoError(t, err)
	codecs := map[string]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		if c, ok := n.(*ast.CompositeLit); ok { // Option[T]{row, &codec}
			codecs[fmt.Sprint(c.Elts[1].(*ast.UnaryExpr).X)] = true
		}
		return true
	})
	assert.Equal(t, slices.Sorted(maps.Keys(codecs)), slices.Sorted(maps.Keys(oneOfEachCodec)))
}

var oneOfEachCodec = map[string]any{
	"bitsCodec":                       SocketBufLock,
	"boolCodec":                       SocketReuseAddr,
	"bytesCodec":                      IPOptions,
	"codecOfFlowLabelReq":             IPv6FlowLabelMgr,
	"codecOfGroupFilter":              IPGroupFilter,
	"codecOfGroupReq":                 IPJoinGroup,
	"codecOfGroupSourceReq":           IPBlockGroupSource,
	"codecOfIPMreq":                   IPAddMembership,
	"codecOfIPMreqSource":             IPUnblockSource,
	"codecOfIPSourceFilter":           IPMsFilter,
	"codecOfIPv6Mreq":                 IPv6AddMembership,
	"codecOfMPTCPFullInfoValue":       MPTCPFullInfo,
	"codecOfMPTCPInfoValue":           MPTCPInfo,
	"codecOfMPTCPSubflowData":         MPTCPTCPInfo,
	"codecOfMTUInfo":                  IPv6PathMTU,
	"codecOfMemInfo":                  SocketMemInfo,
	"codecOfPacketMreq":               PacketAddMembership,
	"codecOfPacketRing":               PacketRXRing,
	"codecOfPacketRollovers":          PacketRolloverStats,
	"codecOfPacketStats":              PacketStatistics,
	"codecOfSCTPAddStreamsValue":      SCTPAddStreams,
	"codecOfSCTPAssocIDs":             SCTPGetAssocIDList,
	"codecOfSCTPAssocParams":          SCTPAssocInfo,
	"codecOfSCTPAssocStats":           SCTPGetAssocStats,
	"codecOfSCTPAssocValue":           SCTPMaxSeg,
	"codecOfSCTPAuthChunks":           SCTPPeerAuthChunks,
	"codecOfSCTPAuthChunkValue":       SCTPAuthChunk,
	"codecOfSCTPAuthKeyID":            SCTPAuthActiveKey,
	"codecOfSCTPAuthKeyValue":         SCTPAuthKey,
	"codecOfSCTPDefaultPrInfoValue":   SCTPDefaultPrInfo,
	"codecOfSCTPEventSubscribe":       SCTPEvents,
	"codecOfSCTPEventValue":           SCTPEvent,
	"codecOfSCTPHMACAlgo":             SCTPHMACIdent,
	"codecOfSCTPPeerAddrInfo":         SCTPGetPeerAddrInfo,
	"codecOfSCTPPeerAddrParamsValue":  SCTPPeerAddrParams,
	"codecOfSCTPPeerAddrThldsV2Value": SCTPPeerAddrThldsV2,
	"codecOfSCTPPeerAddrThldsValue":   SCTPPeerAddrThlds,
	"codecOfSCTPPrStatus":             SCTPPRAssocStatus,
	"codecOfSCTPPrim":                 SCTPPrimaryAddr,
	"codecOfSCTPProbeInterval":        SCTPPLPMTUDProbeInterval,
	"codecOfSCTPRTOInfoValue":         SCTPRTOInfo,
	"codecOfSCTPResetStreamsValue":    SCTPResetStreams,
	"codecOfSCTPSACKInfo":             SCTPDelayedACKTime,
	"codecOfSCTPSetAdaptation":        SCTPAdaptionLayer,
	"codecOfSCTPSetPeerPrim":          SCTPSetPeerPrimaryAddr,
	"codecOfSCTPStatusValue":          SCTPStatus,
	"codecOfSCTPStreamValue":          SCTPStreamSchedulerValue,
	"codecOfSCTPUDPEncaps":            SCTPRemoteUDPEncapsPort,
	"codecOfTCPInfoValue":             TCPInfo,
	"codecOfTCPMD5SigValue":           TCPMD5Sig,
	"codecOfTCPRepairOpt":             TCPRepairOptions,
	"codecOfTCPRepairWindowValue":     TCPRepairWindow,
	"codecOfTCPZeroCopyReceiveValue":  TCPZeroCopyReceive,
	"codecOfTLSCryptoInfo":            TLSTX,
	"codecOfTXTimeConfig":             SocketTXTime,
	"codecOfTimestampingConfig":       SocketTimestamping,
	"codecOfCANFilters":               CANRawFilter,
	"codecOfCANRawVCIDOptions":        CANRawXLVCIDOpts,
	"codecOfTIPCGroupReq":             TIPCGroupJoin,
	"codecOfXDPMMapOffsetsValue":      XDPMMapOffsets,
	"codecOfXDPStatisticsValue":       XDPStatistics,
	"codecOfXDPUMemRegValue":          XDPUMemReg,
	"controlCodec":                    IPPktOptions,
	"domainCodec":                     SocketDomain,
	"errnoCodec":                      SocketError,
	"filterCodec":                     SocketAttachFilter,
	"gidsCodec":                       SocketPeerGroups,
	"groupsCodec":                     NetlinkListMemberships,
	"inAddrCodec":                     IPMulticastIf,
	"intCodec":                        SocketDebug,
	"intSeconds":                      TCPKeepIdle,
	"lingerCodec":                     SocketLinger,
	"microseconds":                    SocketRcvTimeo,
	"pktInfo6Codec":                   IPv6PktInfo,
	"pmtuCodec":                       IPMTUDiscover,
	"protocolCodec":                   SocketProtocol,
	"sctpInitCodec":                   SCTPInitMsg,
	"sctpSndInfoCodec":                SCTPDefaultSndInfo,
	"sctpSndRcvCodec":                 SCTPDefaultSendParams,
	"stringCodec":                     SocketBindToDevice,
	"typeCodec":                       SocketType,
	"ucredCodec":                      SocketPeerCred,
	"uint16Codec":                     TLSTXMaxPayloadLen,
	"uint64Codec":                     SocketMaxPacingRate,
	"uintCodec":                       SocketMark,
	"uintMicroseconds":                TCPTXDelay,
	"uintMilliseconds":                TCPUserTimeout,
}
