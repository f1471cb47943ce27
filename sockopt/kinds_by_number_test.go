package sockopt

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/sourcetree"
)

// openKind opens a socket, and skips the test where the kernel has none of the kind.
func openKind(t *testing.T, kind Kinds) *esock.Socket {
	t.Helper()
	s, err := kind.Open()
	if err != nil {
		t.Skipf("no socket of kind %v: %v", kind, err)
	}
	t.Cleanup(func() { s.Close() })
	assert.Equal(t, kind, kindOf(s))
	return s
}

func TestCANFilters(t *testing.T) {
	s := openKind(t, KindCAN)
	got, err := CANRawFilter.Get(s)
	require.NoError(t, err)
	assert.Equal(t, CANFilters{Filters: []CANFilter{{}}}, got, "all frames")
	for _, want := range []CANFilters{
		{Filters: []CANFilter{{ID: 0x123, Mask: 0x7FF}, {ID: 1 << 31, Mask: 1<<32 - 1}}},
		{Filters: make([]CANFilter, 512)},
		{Filters: []CANFilter{}},
	} {
		require.NoError(t, CANRawFilter.Set(s, want))
		got, err = CANRawFilter.Get(s)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	assert.ErrorIs(t, CANRawFilter.Set(s, CANFilters{Filters: make([]CANFilter, 513)}), syscall.EINVAL)

	filters := map[string]any{"filters": []any{map[string]any{"id": 5, "mask": 7}}}
	require.NoError(t, Set(s, "can_raw", "filter", filters))
	plain, err := Get(s, "can_raw", "filter")
	require.NoError(t, err)
	assert.Equal(t, filters, plain)
}

// The form of filters needs no socket.
func TestCANFiltersByName(t *testing.T) {
	sh := shapes()["can_filters"]
	for _, filter := range []any{map[string]any{"id": 1, "mask": uint32(1<<32 - 1)}, CANFilter{1, 1<<32 - 1}} {
		data, cause := sh.fromPlain(map[string]any{"filters": []any{filter}}, false)
		require.Empty(t, cause)
		want := binary.NativeEndian.AppendUint32(binary.NativeEndian.AppendUint32(nil, 1), 1<<32-1)
		assert.Equal(t, want, data)
		assert.Equal(t, CANFilters{[]CANFilter{{1, 1<<32 - 1}}}, codecOfCANFilters.decode(0, data))
		_, again, cause := codecOfCANFilters.encode(CANFilters{[]CANFilter{{1, 1<<32 - 1}}})
		assert.Empty(t, cause)
		assert.Equal(t, want, again)
	}
	for filter, cause := range map[any]string{
		7: "filters: not a filter", "x": "filters: not a filter",
	} {
		_, got := sh.fromPlain(map[string]any{"filters": []any{filter}}, false)
		assert.Contains(t, got, cause)
	}
	for _, m := range []map[string]any{{"id": 1}, {"mask": 1}, {"id": -1, "mask": 1}, {"id": 1, "mask": int64(1 << 32)},
		{"id": 1, "mask": 1, "more": 1}} {
		_, cause := sh.fromPlain(map[string]any{"filters": []any{m}}, false)
		assert.NotEmpty(t, cause, "%v", m)
	}
}

func TestTIPCGroup(t *testing.T) {
	s := openKind(t, KindTIPC)
	require.NoError(t, TIPCMcastReplicast.Set(s, nil))
	assert.ErrorIs(t, TIPCGroupLeave.Set(s, nil), syscall.EINVAL, "it is in none")
	require.NoError(t, TIPCGroupJoin.Set(s, TIPCGroupReq{Type: 4711, Instance: 1, Scope: 3}))
	require.NoError(t, TIPCGroupLeave.Set(s, nil))
	n, err := TIPCSockRecvQDepth.Get(s)
	require.NoError(t, err)
	assert.Zero(t, n)
}

// algorithm is struct sockaddr_alg after the family.
func algorithm(typ, name string) esock.Addr {
	b := make([]byte, 14+4+4+64)
	copy(b, typ)
	copy(b[22:], name)
	return esock.RawAddr(familyALG, b)
}

func TestALGKeys(t *testing.T) {
	s := openKind(t, KindALG)
	assert.ErrorIs(t, ALGSetKey.Set(s, make([]byte, 16)), syscall.ENOPROTOOPT, "it has no algorithm yet")
	if err := s.Bind(algorithm("aead", "gcm(aes)")); err != nil {
		t.Skip("the kernel has no gcm(aes): ", err)
	}
	require.NoError(t, ALGSetKey.Set(s, make([]byte, 16)))
	assert.ErrorIs(t, ALGSetKey.Set(s, make([]byte, 15)), syscall.EINVAL)
	require.NoError(t, ALGSetAEADAuthSize.Set(s, 12))
	assert.ErrorIs(t, ALGSetAEADAuthSize.Set(s, 17), syscall.EINVAL, "the tag has 16 bytes")
}

// crypts has the kernel encrypt or decrypt, by control messages as they go by name.
func crypts(t *testing.T, s *esock.Socket, op string, iv, data []byte, more ...map[string]any) []byte {
	t.Helper()
	worker, err := s.Accept(esock.Within(time.Minute))
	require.NoError(t, err)
	defer worker.Close()
	var list []esock.ControlMessage
	for _, m := range append([]map[string]any{{"type": "set_op", "value": op}, {"type": "set_iv", "value": iv}}, more...) {
		m["level"] = "alg"
		c, err := esock.ControlMessageFromMap(m)
		require.NoError(t, err)
		list = append(list, c)
	}
	m := esock.Msg{Iov: [][]byte{data}}
	require.NoError(t, m.SetControl(list...))
	n, err := worker.SendMsg(&m, 0, esock.Within(time.Minute))
	require.NoError(t, err)
	require.Equal(t, len(data), n)
	got := make([]byte, len(data)+32)
	n, err = worker.Recv(got, 0, esock.Within(time.Minute))
	require.NoError(t, err)
	return got[:n]
}

// What the kernel encrypts is what Go encrypts.
func TestALGEncrypts(t *testing.T) {
	key, iv, text := []byte("0123456789abcdef"), []byte("fedcba9876543210"), []byte("two blocks of text, 32 bytes ...")
	block, err := aes.NewCipher(key)
	require.NoError(t, err)

	t.Run("cbc", func(t *testing.T) {
		s := openKind(t, KindALG)
		if err := s.Bind(algorithm("skcipher", "cbc(aes)")); err != nil {
			t.Skip("the kernel has no cbc(aes): ", err)
		}
		require.NoError(t, ALGSetKey.Set(s, key))
		want := make([]byte, len(text))
		cipher.NewCBCEncrypter(block, iv).CryptBlocks(want, text)
		assert.Equal(t, want, crypts(t, s, "encrypt", iv, text))
		assert.Equal(t, text, crypts(t, s, "decrypt", iv, want))
	})
	t.Run("gcm", func(t *testing.T) {
		s := openKind(t, KindALG)
		if err := s.Bind(algorithm("aead", "gcm(aes)")); err != nil {
			t.Skip("the kernel has no gcm(aes): ", err)
		}
		require.NoError(t, ALGSetKey.Set(s, key))
		require.NoError(t, ALGSetAEADAuthSize.Set(s, 16))
		aead, err := cipher.NewGCM(block)
		require.NoError(t, err)
		known := []byte("associated")
		sealed := aead.Seal(bytes.Clone(known), iv[:12], text, known)
		assoc := func() map[string]any { return map[string]any{"type": "set_aead_assoclen", "value": len(known)} }
		got := crypts(t, s, "encrypt", iv[:12], append(bytes.Clone(known), text...), assoc())
		assert.Equal(t, sealed, got, "what is associated comes first, and the tag last")
		assert.Equal(t, append(bytes.Clone(known), text...), crypts(t, s, "decrypt", iv[:12], sealed, assoc()))
	})
}

func TestXDPRings(t *testing.T) {
	s := openKind(t, KindXDP)
	require.NoError(t, XDPRXRing.Set(s, 64))
	assert.ErrorIs(t, XDPTXRing.Set(s, 63), syscall.EINVAL, "no power of two")
	offsets, err := XDPMMapOffsets.Get(s)
	require.NoError(t, err)
	assert.NotZero(t, offsets.RXDesc)
	assert.NotEqual(t, offsets.RXProducer, offsets.RXConsumer)
	assert.NotZero(t, offsets.CompletionFlags)
	statistics, err := XDPStatistics.Get(s)
	require.NoError(t, err)
	assert.Zero(t, statistics.RXDropped)
	options, err := XDPOptions.Get(s)
	require.NoError(t, err)
	assert.Zero(t, options)
}

// docs/options.md says how each kind of socket is opened.
func TestTheDocumentSaysWhatTheKindsAre(t *testing.T) {
	sourcetree.Need(t)
	page, err := os.ReadFile("../docs/options.md")
	require.NoError(t, err)
	for i, kind := range AllKinds() {
		a := kindArguments[i]
		protocol := a.protocol.String()
		if a.protocol != esock.Default && a.domain != esock.Inet && a.domain != esock.Inet6 {
			protocol = strconv.Itoa(int(a.protocol))
		}
		assert.Contains(t, string(page), fmt.Sprintf("\n| `%v` | %v, %v, %s |\n", kind, a.domain, a.typ, protocol))
	}
}

// The budget is one of a ring, and has its bounds from it.
func TestXDPBudget(t *testing.T) {
	s := openKind(t, KindXDP)
	if err := XDPMaxTXSKBBudget.Set(s, 64); errors.Is(err, syscall.ENOPROTOOPT) {
		t.Skip("this kernel is before 6.17: ", err)
	}
	assert.ErrorIs(t, XDPMaxTXSKBBudget.Set(s, 64), syscall.EACCES, "it has no ring to send through")
	require.NoError(t, XDPTXRing.Set(s, 64))
	require.NoError(t, XDPMaxTXSKBBudget.Set(s, 64))
	require.NoError(t, XDPMaxTXSKBBudget.Set(s, 32))
	assert.ErrorIs(t, XDPMaxTXSKBBudget.Set(s, 65), syscall.EACCES, "more than the ring has")
}
