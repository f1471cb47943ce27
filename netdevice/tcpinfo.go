package netdevice

import (
	"encoding/binary"
	"errors"
	"math"
	"net"
	"sync"
	"syscall"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/corecall"
	"github.com/esock-go/esock/internal/plain"
)

// OTP's request tcp_info is an option on Linux. It is read here as bytes, because their number says which fields this kernel
// has; sockopt.TCPInfo has 0 for the others. The core says where the fields are, as for package sockopt.

// The states of struct tcp_info, by OTP's names; <netinet/tcp.h>.
var tcpStates = plain.Names{
	{7, "closed"}, {10, "listen"}, {2, "syn_sent"}, {3, "syn_rcvd"}, {1, "established"}, {4, "fin_wait_1"},
	{5, "fin_wait_2"}, {8, "close_wait"}, {11, "closing"}, {9, "last_ack"}, {6, "time_wait"}, {12, "syn_rcvd"},
}

// tcpInfoKeys are the keys of OTP and the fields that have their numbers.
var tcpInfoKeys = []struct{ key, field string }{
	{"mss", "snd_mss"}, {"rtt", "rtt"}, {"bytes_in", "bytes_received"}, {"min_rtt", "min_rtt"}, {"bytes_out", "bytes_sent"},
	{"bytes_retrans", "bytes_retrans"}, {"snd_wnd", "snd_wnd"}, {"rcv_wnd", "rcv_wnd"},
	{"timeout_episodes", "total_rto_recoveries"},
}

var tcpInfoFields = sync.OnceValue(func() map[string]corecall.OptionField { return corecall.OptionFields("tcp", "info") })

func tcpInfo(s *esock.Socket) (any, error) {
	info := make([]byte, 512)
	n, err := s.GetOptionNative(syscall.SOL_TCP, syscall.TCP_INFO, info)
	if err != nil {
		return nil, ioctlError(s, err)
	}
	rcvBuf, err := s.GetOptionNativeInt(syscall.SOL_SOCKET, syscall.SO_RCVBUF)
	if err != nil {
		return nil, ioctlError(s, err)
	}
	queued, err := s.NWrite()
	if errors.Is(err, net.ErrClosed) { // others: a listener has no such queue
		return nil, err
	}
	return tcpInfoMap(info[:min(n, len(info))], queued, rcvBuf), nil
}

// ioctlError gives the error of an operation that stands for a request the form of a request's error.
func ioctlError(s *esock.Socket, err error) error {
	if e, ok := err.(*esock.Error); ok {
		err = e.Reason
	}
	return fail(s, err)
}

// tcpInfoMap returns OTP's map of what Linux reports. Older kernels have only the beginning of info. queued is the number of
// bytes sent and not acknowledged.
func tcpInfoMap(info []byte, queued, rcvBuf int) map[string]any {
	fields := tcpInfoFields()
	number := func(name string) (n uint64, ok bool) {
		f := fields[name]
		if len(info) < f.Offset+f.Size {
			return 0, false
		}
		switch b := info[f.Offset:]; f.Size {
		case 1:
			return uint64(b[0]), true
		case 2:
			return uint64(binary.NativeEndian.Uint16(b)), true
		case 4:
			return uint64(binary.NativeEndian.Uint32(b)), true
		case 8:
			return binary.NativeEndian.Uint64(b), true
		}
		return 0, false
	}
	m := map[string]any{"rcv_buf": uint64(rcvBuf)}
	if state, ok := number("state"); ok {
		m["state"] = tcpStates.Value(int(state))
	}
	if options, ok := number("options"); ok {
		m["timestamp_enabled"] = options&1 != 0
	}
	for _, k := range tcpInfoKeys {
		n, ok := number(k.field)
		if k.key == "min_rtt" && n == math.MaxUint32 {
			ok = false // no sample yet
		}
		if ok {
			m[k.key] = n
		}
	}
	mss, _ := number("snd_mss")
	if segments, ok := number("snd_cwnd"); ok {
		m["cwnd"] = segments * mss
	}
	if unsent, ok := number("notsent_bytes"); ok {
		m["bytes_in_flight"] = uint64(max(queued-int(unsent), 0))
	}
	return m
}
