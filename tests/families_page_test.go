package tests

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"math"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/sourcetree"
	"github.com/esock-go/esock/netdevice"
	"github.com/esock-go/esock/sockopt"
)

// The programs of docs/families.md are pieces of this file, so that they compile, and run where the kernel has the family.

func exampleVSock() (*esock.Socket, error) {
	l, err := esock.Open(esock.VSock, esock.Stream, esock.Default) // or esock.SeqPacket
	if err != nil {
		return nil, err
	}
	if err := l.Bind(esock.VSockAddr(esock.VSockLocal, math.MaxUint32)); err != nil { // any port
		return l, err
	}
	return l, l.Listen(128)
}

func exampleMPTCP(s *esock.Socket) (addrs []byte, err error) {
	info, err := sockopt.MPTCPInfo.Get(s)
	if errors.Is(err, syscall.EOPNOTSUPP) || err == nil && info.Flags&1 != 0 {
		return nil, nil // the peer speaks TCP only
	}
	question := sockopt.MPTCPSubflowData{SizeSubflowData: 16, SizeUser: 256}
	answer, err := sockopt.MPTCPSubflowAddrs.Ask(s, question)
	// Of each of answer.NumSubflows, Data has answer.SizeUser bytes: two structures sockaddr_storage, local and remote.
	return answer.Data, err
}

func exampleTLS(s *esock.Socket, send, recv sockopt.TLSCryptoInfo) error {
	if err := sockopt.TCPULP.Set(s, "tls"); err != nil { // of a connected socket
		return err
	}
	if err := sockopt.TLSTX.Set(s, send); err != nil {
		return err
	}
	return sockopt.TLSRX.Set(s, recv)
}

func exampleTLSRecords(s *esock.Socket) error {
	var m esock.Msg
	if err := s.RecvMsg(&m, 0, esock.Forever); err != nil {
		return err
	}
	kind := byte(23) // data
	for c := range m.Control() {
		if c.Level == 282 && c.Type == 2 { // SOL_TLS, TLS_GET_RECORD_TYPE
			kind = c.Data[0]
		}
	}
	if kind != 21 { // no alert
		return nil
	}
	closing := esock.Msg{Iov: [][]byte{{1, 0}}} // close_notify
	alert := esock.ControlMessage{Level: 282, Type: 1, Data: []byte{21}}
	if err := closing.SetControl(alert); err != nil { // TLS_SET_RECORD_TYPE
		return err
	}
	_, err := s.SendMsg(&closing, 0, esock.Forever)
	return err
}

func exampleCAN(name string) (*esock.Socket, error) {
	const can, raw = esock.Domain(29), esock.Protocol(1) // AF_CAN, CAN_RAW
	s, err := esock.Open(can, esock.Raw, raw)
	if err != nil {
		return nil, err
	}
	index, err := netdevice.Index(s, name)
	if err != nil {
		return s, err
	}
	addr := make([]byte, 22) // struct sockaddr_can: padding, the interface, 16 bytes that other protocols use
	binary.NativeEndian.PutUint32(addr[2:], uint32(index))
	if err := s.Bind(esock.RawAddr(can, addr)); err != nil {
		return s, err
	}
	filters := []sockopt.CANFilter{{ID: 0x123, Mask: 0x7ff}}
	if err := sockopt.CANRawFilter.Set(s, sockopt.CANFilters{Filters: filters}); err != nil {
		return s, err
	}
	frame := make([]byte, 16) // struct can_frame: the identifier, the length, three bytes, the data
	binary.NativeEndian.PutUint32(frame, 0x123)
	frame[4] = byte(copy(frame[8:], "data"))
	_, err = s.Send(frame, 0, esock.Forever)
	return s, err
}

func exampleTIPC() (*esock.Socket, error) {
	const tipc = esock.Domain(30) // AF_TIPC
	s, err := esock.Open(tipc, esock.RDM, esock.Default)
	if err != nil {
		return nil, err
	}
	service := func(kind byte, instance, more uint32) esock.Addr { // struct sockaddr_tipc
		addr := []byte{kind, 2} // 1 a range of instances, 2 one of them; in the cluster
		addr = binary.NativeEndian.AppendUint32(addr, 18888)
		addr = binary.NativeEndian.AppendUint32(addr, instance)
		return esock.RawAddr(tipc, binary.NativeEndian.AppendUint32(addr, more))
	}
	if err := s.Bind(service(1, 17, 17)); err != nil { // instances 17 to 17
		return s, err
	}
	_, err = s.SendTo([]byte("hello"), service(2, 17, 0), 0, esock.Forever)
	return s, err
}

func exampleALG(data []byte) ([]byte, error) {
	const alg = esock.Domain(38) // AF_ALG
	s, err := esock.Open(alg, esock.SeqPacket, esock.Default)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	addr := make([]byte, 86) // struct sockaddr_alg: 14 bytes of the type, two numbers, 64 bytes of the name
	copy(addr, "hash")
	copy(addr[22:], "sha256")
	if err := s.Bind(esock.RawAddr(alg, addr)); err != nil {
		return nil, err
	}
	op, err := s.Accept(esock.Forever) // an operation; ciphers and keyed hashes need sockopt.ALGSetKey before it
	if err != nil {
		return nil, err
	}
	defer op.Close()
	if _, err := op.Send(data, 0, esock.Forever); err != nil { // with esock.MsgMore, more follows
		return nil, err
	}
	sum := make([]byte, 32)
	_, err = op.Recv(sum, 0, esock.Forever)
	return sum, err
}

func exampleXDP(memory []byte) (*esock.Socket, error) {
	const xdp = esock.Domain(44) // AF_XDP
	s, err := esock.Open(xdp, esock.Raw, esock.Default)
	if err != nil {
		return nil, err
	}
	umem := sockopt.XDPUMemRegValue{Addr: uint64(uintptr(unsafe.Pointer(&memory[0]))), Len: uint64(len(memory)), ChunkSize: 4096}
	if err := sockopt.XDPUMemReg.Set(s, umem); err != nil {
		return s, err
	}
	for _, ring := range []sockopt.Option[uint]{sockopt.XDPUMemFillRing, sockopt.XDPUMemCompletionRing, sockopt.XDPRXRing, sockopt.XDPTXRing} {
		if err := ring.Set(s, 64); err != nil {
			return s, err
		}
	}
	_, err = sockopt.XDPMMapOffsets.Get(s) // where the rings are in the mappings of s.FD()
	return s, err
}

// hasFamily skips the test if the kernel lacks the family, or the process a privilege.
func hasFamily(t *testing.T, s *esock.Socket, err error) {
	t.Helper()
	for _, e := range []syscall.Errno{syscall.EAFNOSUPPORT, syscall.EPROTONOSUPPORT, syscall.ESOCKTNOSUPPORT, syscall.EPERM, syscall.EADDRNOTAVAIL,
		syscall.ENODEV, syscall.ENOENT} {
		if errors.Is(err, e) {
			if s != nil {
				s.Close()
			}
			t.Skip("not here: ", err)
		}
	}
	require.NoError(t, err)
	if s != nil {
		closeAtEnd(t, s)
	}
}

func TestTheProgramsAboutFamiliesRun(t *testing.T) {
	t.Run("vsock", func(t *testing.T) {
		l, err := exampleVSock()
		hasFamily(t, l, err)
		c := kindSocket(t, sockopt.KindVSock)
		require.NoError(t, c.Connect(sockName(t, l), esock.Within(patience)))
		s, err := l.Accept(esock.Within(patience))
		require.NoError(t, err)
		closeAtEnd(t, s)
		echoes(t, c, s)
	})
	t.Run("mptcp", func(t *testing.T) {
		for _, kind := range []sockopt.Kinds{sockopt.KindMPTCP, sockopt.KindTCP4} {
			l, c := kindSocket(t, sockopt.KindMPTCP), kindSocket(t, kind)
			require.NoError(t, l.Bind(esock.Loopback))
			require.NoError(t, l.Listen(1))
			require.NoError(t, c.Connect(sockName(t, l), esock.Within(patience)))
			s, err := l.Accept(esock.Within(patience))
			require.NoError(t, err)
			closeAtEnd(t, s)
			addrs, err := exampleMPTCP(s)
			require.NoError(t, err)
			assert.Len(t, addrs, map[sockopt.Kinds]int{sockopt.KindMPTCP: 256}[kind])
		}
	})
	t.Run("tls", func(t *testing.T) {
		a, b := tcpPair(t)
		there, here := known(1), known(2)
		hasFamily(t, nil, exampleTLS(a, there.info(), here.info()))
		require.NoError(t, exampleTLS(b, here.info(), there.info()))
		m := esock.Msg{Iov: [][]byte{{1, 0}}}
		require.NoError(t, m.SetControl(esock.ControlMessage{Level: levelTLS, Type: 1, Data: []byte{recordAlert}}))
		_, err := a.SendMsg(&m, 0, esock.Within(patience))
		require.NoError(t, err)
		require.NoError(t, exampleTLSRecords(b))
		var back esock.Msg
		require.NoError(t, a.RecvMsg(&back, 0, esock.Within(patience)))
		assert.Equal(t, []byte{1, 0}, back.Data())
		_, err = b.SendMsg(&m, 0, esock.Within(patience))
		require.NoError(t, err)
		_, err = a.Recv(make([]byte, 9), 0, esock.Within(patience))
		assert.ErrorIs(t, err, syscall.EIO, "a record that is no data")
	})
	t.Run("can", func(t *testing.T) {
		if _, err := net.InterfaceByName("vcan0"); err != nil {
			t.Skip("there is no vcan0: ", err)
		}
		s, err := exampleCAN("vcan0")
		hasFamily(t, s, err)
	})
	t.Run("tipc", func(t *testing.T) {
		s, err := exampleTIPC()
		hasFamily(t, s, err)
		data, err := s.RecvBytes(0, 0, esock.Within(patience))
		require.NoError(t, err)
		assert.Equal(t, "hello", string(data))
	})
	t.Run("alg", func(t *testing.T) {
		sum, err := exampleALG([]byte("abc"))
		hasFamily(t, nil, err)
		want := sha256.Sum256([]byte("abc"))
		assert.Equal(t, want[:], sum)
	})
	t.Run("xdp", func(t *testing.T) {
		memory, err := syscall.Mmap(-1, 0, 64*4096, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
		require.NoError(t, err)
		defer syscall.Munmap(memory)
		s, err := exampleXDP(memory)
		hasFamily(t, s, err)
	})
}

// Each block of Go on the page is in this file.
func TestThePageAboutFamiliesHasProgramsThatCompile(t *testing.T) {
	sourcetree.Need(t)
	page, err := os.ReadFile("../docs/families.md")
	require.NoError(t, err)
	here, err := os.ReadFile("families_page_test.go")
	require.NoError(t, err)
	plain := func(code string) string { return strings.Join(strings.Fields(code), " ") }
	blocks := strings.Split(string(page), "```go\n")[1:]
	require.NotEmpty(t, blocks)
	for _, block := range blocks {
		code, _, ok := strings.Cut(block, "```")
		require.True(t, ok)
		assert.Contains(t, plain(string(here)), plain(code))
	}
}
