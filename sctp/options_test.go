package sctp

import (
	"errors"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/kernel"
	"github.com/esock-go/esock/internal/machine"
	"github.com/esock-go/esock/sockopt"
)

// keeps sets an option and reads it back.
func keeps[T any](o sockopt.Option[T], s *esock.Socket, v T) func(t *testing.T) {
	return func(t *testing.T) {
		lacks(t, o, o.Set(s, v))
		got, err := o.Get(s)
		require.NoError(t, err)
		assert.Equal(t, v, got)
	}
}

// keepsAsked sets an option and asks for it; the kernel adds what the question does not say.
func keepsAsked[T any](o sockopt.Option[T], s *esock.Socket, v, question T) func(t *testing.T) {
	return func(t *testing.T) {
		lacks(t, o, o.Set(s, v))
		got, err := o.Ask(s, question)
		require.NoError(t, err)
		assert.Equal(t, v, got)
	}
}

// says asks for an option and looks at the answer.
func says[T any](o sockopt.Option[T], s *esock.Socket, question T, look func(t *testing.T, v T)) func(t *testing.T) {
	return func(t *testing.T) {
		got, err := o.Ask(s, question)
		lacks(t, o, err)
		look(t, got)
	}
}

// lacks requires no error, and skips the test where the kernel is older than the option.
func lacks[T any](t *testing.T, o sockopt.Option[T], err error) {
	t.Helper()
	var major, minor int
	fmt.Sscanf(o.Info().Since, "%d.%d", &major, &minor)
	if errors.Is(err, syscall.ENOPROTOOPT) && !kernel.From(major, minor) {
		t.Skip("this kernel is older than Linux", o.Info().Since)
	}
	require.NoError(t, err)
}

// value is an SCTPAssocValue, which most options of associations have.
func value(id int32, v uint32) sockopt.SCTPAssocValue {
	return sockopt.SCTPAssocValue{AssocID: id, Value: v}
}

// Each option of level sctp does on an association what it says.
func TestEachOptionWithAnAssociation(t *testing.T) {
	var at, from [2]esock.Addr
	client, server, cid, sid := oneToMany(t, func(client, server *esock.Socket) {
		for i, s := range []*esock.Socket{client, server} {
			require.NoError(t, sockopt.SCTPAuthSupported.Set(s, value(0, 1)))
			require.NoError(t, sockopt.SCTPASCONFSupported.Set(s, value(0, 1)))
			require.NoError(t, sockopt.SCTPReconfigSupported.Set(s, value(0, 1)))
			require.NoError(t, sockopt.SCTPPRSupported.Set(s, value(0, 1)))
			require.NoError(t, sockopt.SCTPEnableStreamReset.Set(s, value(0, mayAll)))
			require.NoError(t, sockopt.SCTPAuthChunk.Set(s, sockopt.SCTPAuthChunkValue{Chunk: chunkData}))
			require.NoError(t, Subscribe(s, AllAssoc, append(reconfigEvents, EventPeerAddrChange)...))
			if i == 0 {
				require.NoError(t, s.Bind(local(7, 0)))
			}
			require.NoError(t, BindX(s, local(8+byte(i), 0)))
		}
	})
	for i, s := range []*esock.Socket{client, server} {
		names, err := SockNames(s, []int32{cid, sid}[i])
		require.NoError(t, err)
		require.Len(t, names, 2)
		*[]*[2]esock.Addr{&from, &at}[i] = [2]esock.Addr(names)
	}
	never := func(t *testing.T) *esock.Socket { return open(t, esock.SeqPacket) } // a socket that is bound to no address

	tests := map[string]func(t *testing.T){
		"rtoinfo": keepsAsked(sockopt.SCTPRTOInfo, client, sockopt.SCTPRTOInfoValue{AssocID: cid, Initial: 200 * time.Millisecond,
			Max: 400 * time.Millisecond, Min: 100 * time.Millisecond}, sockopt.SCTPRTOInfoValue{AssocID: cid}),
		"associnfo": func(t *testing.T) {
			require.NoError(t, sockopt.SCTPAssocInfo.Set(client, sockopt.SCTPAssocParams{AssocID: cid, AsocMaxRxt: 7,
				CookieLife: 30 * time.Second}))
			got, err := sockopt.SCTPAssocInfo.Ask(client, sockopt.SCTPAssocParams{AssocID: cid})
			require.NoError(t, err)
			assert.EqualValues(t, 7, got.AsocMaxRxt)
			assert.Equal(t, 30*time.Second, got.CookieLife)
			assert.EqualValues(t, 2, got.NumberPeerDestinations)
			assert.NotZero(t, got.PeerRwnd)
		},
		"initmsg": keeps(sockopt.SCTPInitMsg, client, esock.SCTPInit{NumOStreams: 5, MaxInStreams: 6, MaxAttempts: 7,
			MaxInitTimeout: 8000}),
		"nodelay":   keeps(sockopt.SCTPNoDelay, client, true),
		"autoclose": keeps(sockopt.SCTPAutoClose, client, 1000),
		"set_peer_primary_addr": func(t *testing.T) {
			require.NoError(t, sockopt.SCTPSetPeerPrimaryAddr.Set(client, sockopt.SCTPSetPeerPrim{AssocID: cid, Addr: from[1]}))
			for {
				if n := next[PeerAddrChange](t, server); n.State == AddrMadePrim && n.Addr == from[1] {
					break
				}
			}
			got, err := sockopt.SCTPPrimaryAddr.Ask(server, sockopt.SCTPPrim{AssocID: sid})
			require.NoError(t, err)
			assert.Equal(t, from[1], got.Addr)
		},
		"primary_addr": keepsAsked(sockopt.SCTPPrimaryAddr, client, sockopt.SCTPPrim{AssocID: cid, Addr: at[1]},
			sockopt.SCTPPrim{AssocID: cid}),
		"adaption_layer":    keeps(sockopt.SCTPAdaptionLayer, client, sockopt.SCTPSetAdaptation{AdaptationInd: 1 << 31}),
		"disable_fragments": keeps(sockopt.SCTPDisableFragments, client, true),
		"peer_addr_params": func(t *testing.T) {
			const heartbeats = 1 // SPP_HB_ENABLE
			require.NoError(t, sockopt.SCTPPeerAddrParams.Set(client, sockopt.SCTPPeerAddrParamsValue{AssocID: cid, Address: at[0],
				HBInterval: 5 * time.Second, PathMaxRxt: 3, Flags: heartbeats}))
			got, err := sockopt.SCTPPeerAddrParams.Ask(client, sockopt.SCTPPeerAddrParamsValue{AssocID: cid, Address: at[0]})
			require.NoError(t, err)
			assert.Equal(t, 5*time.Second, got.HBInterval)
			assert.EqualValues(t, 3, got.PathMaxRxt)
			assert.NotZero(t, got.Flags&heartbeats)
			assert.NotZero(t, got.PathMTU)
		},
		"default_send_params": keepsAsked(sockopt.SCTPDefaultSendParams, client,
			esock.SCTPSndRcv{Stream: 2, PPID: 7, TimeToLive: 60_000, AssocID: cid}, esock.SCTPSndRcv{AssocID: cid}),
		"events": keeps(sockopt.SCTPEvents, never(t), sockopt.SCTPEventSubscribe{Association: true, SenderDry: true,
			StreamReset: true, AssocReset: true, StreamChange: true, SendFailureEvent: true}),
		"i_want_mapped_v4_addr": func(t *testing.T) {
			machine.NeedIPv6(t)
			s, err := esock.Open(esock.Inet6, esock.SeqPacket, esock.SCTP)
			require.NoError(t, err)
			closes(t, s)
			keeps(sockopt.SCTPIWantMappedV4Addr, s, false)(t)
		},
		"maxseg": keepsAsked(sockopt.SCTPMaxSeg, client, value(cid, 600), value(cid, 0)),
		"status": says(sockopt.SCTPStatus, server, sockopt.SCTPStatusValue{AssocID: sid},
			func(t *testing.T, v sockopt.SCTPStatusValue) {
				const established = 4
				assert.EqualValues(t, established, v.State)
				assert.NotZero(t, v.OutStrms)
				assert.Contains(t, from, v.PrimaryAddress)
			}),
		"get_peer_addr_info": says(sockopt.SCTPGetPeerAddrInfo, client, sockopt.SCTPPeerAddrInfo{AssocID: cid, Address: at[0]},
			func(t *testing.T, v sockopt.SCTPPeerAddrInfo) {
				const active = 2
				assert.EqualValues(t, active, v.State)
				assert.Equal(t, at[0], v.Address)
				assert.NotZero(t, v.MTU)
			}),
		"delayed_ack_time": keepsAsked(sockopt.SCTPDelayedACKTime, client, sockopt.SCTPSACKInfo{AssocID: cid,
			Delay: 200 * time.Millisecond, Freq: 3}, sockopt.SCTPSACKInfo{AssocID: cid}),
		"context":                keepsAsked(sockopt.SCTPContext, client, value(cid, 77), value(cid, 0)),
		"fragment_interleave":    keeps(sockopt.SCTPFragmentInterleave, client, 1),
		"partial_delivery_point": keeps(sockopt.SCTPPartialDeliveryPoint, client, 1000),
		"maxburst":               keepsAsked(sockopt.SCTPMaxBurst, client, value(cid, 3), value(cid, 0)),
		"auth_chunk": func(t *testing.T) {
			require.NoError(t, sockopt.SCTPAuthChunk.Set(client, sockopt.SCTPAuthChunkValue{Chunk: 3}))
			got, err := sockopt.SCTPLocalAuthChunks.Ask(client, sockopt.SCTPAuthChunks{})
			require.NoError(t, err)
			assert.Contains(t, got.Chunks, byte(3))
		},
		"hmac_ident": keeps(sockopt.SCTPHMACIdent, client, sockopt.SCTPHMACAlgo{Idents: []uint16{3, 1}}),
		"auth_key": func(t *testing.T) {
			id := sockopt.SCTPAuthKeyID{AssocID: cid, KeyNumber: 9}
			require.Error(t, sockopt.SCTPAuthActiveKey.Set(client, id))
			require.NoError(t, sockopt.SCTPAuthKey.Set(client, sockopt.SCTPAuthKeyValue{AssocID: cid, KeyNumber: 9, Key: []byte("k")}))
			require.NoError(t, sockopt.SCTPAuthActiveKey.Set(client, id))
			require.NoError(t, sockopt.SCTPAuthActiveKey.Set(client, sockopt.SCTPAuthKeyID{AssocID: cid}))
		},
		"auth_active_key": keepsAsked(sockopt.SCTPAuthActiveKey, client, sockopt.SCTPAuthKeyID{AssocID: cid},
			sockopt.SCTPAuthKeyID{AssocID: cid}),
		"auth_delete_key":     removesKey(client, cid, sockopt.SCTPAuthDeleteKey),
		"auth_deactivate_key": removesKey(client, cid, sockopt.SCTPAuthDeactivateKey),
		"peer_auth_chunks": says(sockopt.SCTPPeerAuthChunks, client, sockopt.SCTPAuthChunks{AssocID: cid},
			func(t *testing.T, v sockopt.SCTPAuthChunks) { assert.Contains(t, v.Chunks, byte(chunkData)) }),
		"local_auth_chunks": says(sockopt.SCTPLocalAuthChunks, client, sockopt.SCTPAuthChunks{AssocID: cid},
			func(t *testing.T, v sockopt.SCTPAuthChunks) { assert.Contains(t, v.Chunks, byte(chunkData)) }),
		"get_assoc_number": func(t *testing.T) {
			n, err := sockopt.SCTPGetAssocNumber.Get(client)
			require.NoError(t, err)
			assert.EqualValues(t, 1, n)
		},
		"get_assoc_id_list": func(t *testing.T) { assert.Equal(t, []int32{cid}, assocs(t, client)) },
		"auth_asconf": func(t *testing.T) {
			s := never(t)
			require.NoError(t, s.Bind(esock.Any))
			keeps(sockopt.SCTPAuthASCONF, s, true)(t)
		},
		"peer_addr_thlds": keepsAsked(sockopt.SCTPPeerAddrThlds, client, sockopt.SCTPPeerAddrThldsValue{AssocID: cid, Address: at[0],
			PathMaxRxt: 6, PathPFThld: 4}, sockopt.SCTPPeerAddrThldsValue{AssocID: cid, Address: at[0]}),
		"peer_addr_thlds_v2": keepsAsked(sockopt.SCTPPeerAddrThldsV2, client, sockopt.SCTPPeerAddrThldsV2Value{AssocID: cid,
			Address: at[0], PathMaxRxt: 6, PathPFThld: 4, PathCPThld: 5}, sockopt.SCTPPeerAddrThldsV2Value{AssocID: cid, Address: at[0]}),
		"recvrcvinfo": keeps(sockopt.SCTPRecvRcvInfo, client, true),
		"recvnxtinfo": keeps(sockopt.SCTPRecvNxtInfo, client, true),
		"default_sndinfo": keepsAsked(sockopt.SCTPDefaultSndInfo, client, esock.SCTPSndInfo{SID: 1, PPID: 8, AssocID: cid},
			esock.SCTPSndInfo{AssocID: cid}),
		"reuse_port": keeps(sockopt.SCTPReusePort, open(t, esock.Stream), true),
		"get_assoc_stats": says(sockopt.SCTPGetAssocStats, client, sockopt.SCTPAssocStats{AssocID: cid},
			func(t *testing.T, v sockopt.SCTPAssocStats) {
				assert.Equal(t, cid, v.AssocID)
				assert.NotZero(t, v.OPackets)
				assert.NotZero(t, v.IPackets)
				assert.NotZero(t, v.OCtrlChunks)
				assert.NotZero(t, v.ICtrlChunks)
			}),
		"pr_assoc_status": says(sockopt.SCTPPRAssocStatus, client, sockopt.SCTPPrStatus{AssocID: cid, Policy: uint16(PrTTL)},
			noneGivenUp),
		"pr_stream_status": says(sockopt.SCTPPRStreamStatus, client, sockopt.SCTPPrStatus{AssocID: cid, SID: 1,
			Policy: uint16(PrTTL)}, noneGivenUp),
		"pr_supported": says(sockopt.SCTPPRSupported, client, value(cid, 0), isOn),
		"default_prinfo": keepsAsked(sockopt.SCTPDefaultPrInfo, client, sockopt.SCTPDefaultPrInfoValue{AssocID: cid, Value: 100,
			Policy: uint16(PrTTL)}, sockopt.SCTPDefaultPrInfoValue{AssocID: cid}),
		"reconfig_supported":  says(sockopt.SCTPReconfigSupported, client, value(cid, 0), isOn),
		"enable_stream_reset": keepsAsked(sockopt.SCTPEnableStreamReset, client, value(cid, mayAll), value(cid, 0)),
		"reset_streams": func(t *testing.T) {
			require.NoError(t, sockopt.SCTPResetStreams.Set(server, sockopt.SCTPResetStreamsValue{AssocID: sid, Flags: 2,
				Streams: []uint16{1}}))
			assert.Equal(t, []uint16{1}, next[StreamReset](t, client).Streams)
			next[StreamReset](t, server)
		},
		"reset_assoc": func(t *testing.T) {
			require.NoError(t, sockopt.SCTPResetAssoc.Set(server, int(sid)))
			assert.Equal(t, cid, next[AssocReset](t, client).AssocID)
			next[AssocReset](t, server)
		},
		"add_streams": func(t *testing.T) {
			require.NoError(t, sockopt.SCTPAddStreams.Set(server, sockopt.SCTPAddStreamsValue{AssocID: sid, OutStrms: 2}))
			assert.EqualValues(t, 2, next[StreamChange](t, client).InboundStreams)
			next[StreamChange](t, server)
		},
		"stream_scheduler": keepsAsked(sockopt.SCTPStreamScheduler, client, value(cid, 1), value(cid, 0)),
		"stream_scheduler_value": func(t *testing.T) {
			require.NoError(t, sockopt.SCTPStreamScheduler.Set(client, value(cid, 1)))
			keepsAsked(sockopt.SCTPStreamSchedulerValue, client, sockopt.SCTPStreamValue{AssocID: cid, StreamID: 1, Value: 5},
				sockopt.SCTPStreamValue{AssocID: cid, StreamID: 1})(t)
		},
		"interleaving_supported": func(t *testing.T) {
			s := never(t)
			require.NoError(t, sockopt.SCTPFragmentInterleave.Set(s, 1))
			if machine.Sysctl("net/sctp/intl_enable") != "1" {
				assert.ErrorIs(t, sockopt.SCTPInterleavingSupported.Set(s, value(0, 1)), syscall.EPERM)
				t.Skip("net.sctp.intl_enable is off")
			}
			keepsAsked(sockopt.SCTPInterleavingSupported, s, value(0, 1), value(0, 0))(t)
		},
		"event": keepsAsked(sockopt.SCTPEvent, client, sockopt.SCTPEventValue{AssocID: cid, Type: uint16(EventShutdown), On: true},
			sockopt.SCTPEventValue{AssocID: cid, Type: uint16(EventShutdown)}),
		"asconf_supported": says(sockopt.SCTPASCONFSupported, client, value(cid, 0), isOn),
		"auth_supported":   says(sockopt.SCTPAuthSupported, client, value(cid, 0), isOn),
		"ecn_supported": func(t *testing.T) {
			keepsAsked(sockopt.SCTPECNSupported, never(t), value(0, 0), value(0, 1))(t)
		},
		"expose_pf_state": keepsAsked(sockopt.SCTPExposePFState, client, value(cid, 2), value(cid, 0)),
		"remote_udp_encaps_port": keepsAsked(sockopt.SCTPRemoteUDPEncapsPort, client, sockopt.SCTPUDPEncaps{AssocID: cid,
			Address: at[1], Port: 9899}, sockopt.SCTPUDPEncaps{AssocID: cid, Address: at[1]}),
		"plpmtud_probe_interval": keepsAsked(sockopt.SCTPPLPMTUDProbeInterval, client, sockopt.SCTPProbeInterval{AssocID: cid,
			Address: at[0], Interval: 6 * time.Second}, sockopt.SCTPProbeInterval{AssocID: cid, Address: at[0]}),
	}
	for o := range sockopt.All() {
		if o.Level != "sctp" {
			continue
		}
		if assert.Contains(t, tests, o.Name, "the option has no test") {
			t.Run(o.Name, tests[o.Name])
			delete(tests, o.Name)
		}
	}
	assert.Empty(t, tests, "tests of options that are not there")
}

// removesKey removes a key that is there, and does not know another.
func removesKey(s *esock.Socket, id int32, o sockopt.Option[sockopt.SCTPAuthKeyID]) func(t *testing.T) {
	return func(t *testing.T) {
		require.NoError(t, sockopt.SCTPAuthKey.Set(s, sockopt.SCTPAuthKeyValue{AssocID: id, KeyNumber: 11, Key: []byte("k")}))
		require.NoError(t, o.Set(s, sockopt.SCTPAuthKeyID{AssocID: id, KeyNumber: 11}))
		assert.Error(t, sockopt.SCTPAuthActiveKey.Set(s, sockopt.SCTPAuthKeyID{AssocID: id, KeyNumber: 11}))
		assert.Error(t, o.Set(s, sockopt.SCTPAuthKeyID{AssocID: id, KeyNumber: 12}))
	}
}

func isOn(t *testing.T, v sockopt.SCTPAssocValue) { assert.EqualValues(t, 1, v.Value) }

// noneGivenUp is about messages that wait for nothing: none was given up, and the kernel kept the question.
func noneGivenUp(t *testing.T, v sockopt.SCTPPrStatus) {
	assert.NotZero(t, v.AssocID)
	assert.EqualValues(t, PrTTL, v.Policy)
	assert.Zero(t, v.AbandonedUnsent)
	assert.Zero(t, v.AbandonedSent)
}
