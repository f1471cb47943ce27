package esock

import (
	"math"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/esock-go/esock/internal/testint"
)

// corePair is two connected unix sockets, as the core has them.
func corePair(t *testing.T, typ int) (a, b *handle) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, typ|syscall.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	var hs [2]*handle
	for i, fd := range fds {
		m := cAdopt(fd, adoptDup, -1, -1, -1, nil)
		require.NoError(t, errnoOf(int(m.r)))
		require.NoError(t, syscall.Close(fd))
		t.Cleanup(func() { cClose(m.h, 0) })
		hs[i] = m.h
	}
	return hs[0], hs[1]
}

func sendMsg(t *testing.T, h *handle, m *Msg) {
	t.Helper()
	to, ctrl, err := m.sendParts(1 << 20)
	require.NoError(t, err)
	require.NoError(t, errnoOf(cSendMsg(h, m.Data(), 0, 0, to, ctrl)))
}

func recvMsg(t *testing.T, h *handle, m *Msg, flags MsgFlags, ctrlSize int) {
	t.Helper()
	buf, ctrl, recs, out := m.recvBuffers(256, ctrlSize)
	n := cRecvMsg(h, buf, int(flags), 0, ctrl, recs, out)
	require.NoError(t, errnoOf(n))
	m.received(n)
}

func TestMsgIsReceivedIntoTheCallersBufferOrItsOwn(t *testing.T) {
	a, b := corePair(t, syscall.SOCK_DGRAM)
	out := Msg{Iov: [][]byte{[]byte("hello")}}
	var own Msg
	sendMsg(t, a, &out)
	recvMsg(t, b, &own, 0, 1024)
	assert.Equal(t, "hello", string(own.Data()))
	assert.Nil(t, own.Buf)
	assert.Len(t, own.Iov, 1)
	assert.Equal(t, 5, own.FullLen)

	buf := make([]byte, 16)
	given := Msg{Buf: buf}
	sendMsg(t, a, &out)
	recvMsg(t, b, &given, 0, 1024)
	assert.Same(t, &buf[0], &given.Data()[0])
}

// OTP handed out memory behind the buffer when the kernel reported the full length of a cut datagram.
func TestCutMessageIsClippedToTheBuffer(t *testing.T) {
	a, b := corePair(t, syscall.SOCK_DGRAM)
	sendMsg(t, a, &Msg{Iov: [][]byte{make([]byte, 100)}})
	m := Msg{Buf: make([]byte, 10)}
	recvMsg(t, b, &m, MsgTrunc, 1024)
	assert.Len(t, m.Data(), 10)
	assert.Equal(t, 100, m.FullLen)
	assert.NotZero(t, m.Flags&MsgTrunc)

	m.received(100)
	assert.Len(t, m.Data(), 10, "whatever the kernel says")
}

func TestDescriptorsNotTakenAreClosed(t *testing.T) {
	a, b := corePair(t, syscall.SOCK_DGRAM)
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	defer w.Close()
	rights, err := RightsOf(r, w)
	require.NoError(t, err)
	var out, in Msg
	require.NoError(t, out.SetControl(rights, rights))
	before := len(descriptors())

	for range 3 {
		sendMsg(t, a, &out)
		recvMsg(t, b, &in, 0, 1024)
		assert.Equal(t, before+4, len(descriptors()), "the last message's are closed")
	}
	in.Reset()
	assert.Equal(t, before, len(descriptors()))
	in.Reset()

	sendMsg(t, a, &out)
	recvMsg(t, b, &in, 0, 1024)
	fds := in.TakeFDs()
	assert.Len(t, fds, 4)
	assert.Empty(t, in.TakeFDs())
	in.Reset()
	assert.Equal(t, before+4, len(descriptors()), "taken ones are the caller's")
	for _, fd := range fds {
		flags, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_GETFD, 0)
		assert.Zero(t, errno)
		assert.NotZero(t, flags&syscall.FD_CLOEXEC)
		require.NoError(t, syscall.Close(fd))
	}

	sendMsg(t, a, &out)
	recvMsg(t, b, &in, 0, 1024)
	files := in.TakeFiles()
	require.Len(t, files, 4)
	_, err = files[1].WriteString("through")
	require.NoError(t, err)
	text := make([]byte, 7)
	_, err = r.Read(text)
	require.NoError(t, err)
	assert.Equal(t, "through", string(text))
	for _, f := range files {
		require.NoError(t, f.Close())
	}
	assert.Equal(t, before, len(descriptors()))
}

func TestDescriptorsOfCutControlDataAreClosedOnce(t *testing.T) {
	a, b := corePair(t, syscall.SOCK_DGRAM)
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	defer w.Close()
	rights, err := RightsOf(r, w, r, w)
	require.NoError(t, err)
	var out, in Msg
	require.NoError(t, out.SetControl(rights))
	before := len(descriptors())
	sendMsg(t, a, &out)
	recvMsg(t, b, &in, 0, 16+2*4)
	assert.NotZero(t, in.Flags&MsgCTrunc)
	assert.Equal(t, before, len(descriptors()))
	assert.Empty(t, in.TakeFDs())
}

// Linux puts one SCM_RIGHTS together, so control data with many messages is made here.
func TestMoreControlMessagesThanRecordsAreNotLost(t *testing.T) {
	var many []ControlMessage
	for i := range 3 * msgRecords {
		many = append(many, TOS(i))
	}
	var m Msg
	require.NoError(t, m.SetControl(many...))
	_, ctrl, recs, out := m.recvBuffers(16, len(m.send))
	copy(ctrl, m.send)
	out.control_len, out.cmsgs = cU32(len(m.send)), cU32(len(many))
	var pos uintptr
	for i := range recs {
		require.Equal(t, 1, cCmsgNext(ctrl, &pos, &recs[i]))
	}
	m.received(0)
	var got []int
	for c := range m.Control() {
		n, ok := c.TOS()
		require.True(t, ok)
		got = append(got, n)
	}
	require.Len(t, got, len(many))
	for i, n := range got {
		assert.Equal(t, i, n)
	}
	for c := range m.Control() { // ending early is fine in both halves
		if n, _ := c.TOS(); n == msgRecords+1 {
			break
		}
	}
}

func TestControlThatCannotBeSentIsRefused(t *testing.T) {
	var m Msg
	refused := []ControlMessage{TTL(-1)}
	if tooLong := int64(math.MaxInt32 + 1); int64(int(tooLong)) == tooLong {
		refused = append(refused, TTL(int(tooLong)), ControlMessage{Level: int(tooLong)}, ControlMessage{Type: int(-1 - tooLong)})
	}
	for _, c := range refused {
		assert.ErrorIs(t, m.SetControl(TTL(1), c), &InvalidError{What: "msg"})
		_, ctrl, err := m.sendParts(1024)
		assert.NoError(t, err)
		assert.Empty(t, ctrl)
	}
	require.NoError(t, m.SetControl(TTL(1), TTL(2)))
	_, _, err := m.sendParts(2*unix.CmsgSpace(4) - 1)
	assert.ErrorIs(t, err, &InvalidError{What: "msg"})
	assert.ErrorContains(t, err, "sndctrlbuf")
	_, ctrl, err := m.sendParts(2 * unix.CmsgSpace(4))
	require.NoError(t, err)
	assert.Len(t, ctrl, 2*unix.CmsgSpace(4))
	require.NoError(t, m.SetControl())
	to, ctrl, err := m.sendParts(0)
	require.NoError(t, err)
	assert.Nil(t, to)
	assert.Empty(t, ctrl)
	m.Addr = Inet4Addr(ip6, 1)
	_, _, err = m.sendParts(1024)
	assert.ErrorIs(t, err, &InvalidError{What: "sockaddr"})
}

func TestReceivedControlCanBeSentOn(t *testing.T) {
	a, b := corePair(t, syscall.SOCK_DGRAM)
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	defer w.Close()
	rights, err := RightsOf(w)
	require.NoError(t, err)
	var out, in, on Msg
	require.NoError(t, out.SetControl(rights))
	before := len(descriptors())
	sendMsg(t, a, &out)
	recvMsg(t, b, &in, 0, 1024)
	for c := range in.Control() {
		require.NoError(t, on.SetControl(c))
	}
	sendMsg(t, b, &on)
	in.Reset()
	recvMsg(t, a, &in, 0, 1024)
	assert.Equal(t, before+1, len(descriptors()))
	in.Reset()
	assert.Equal(t, before, len(descriptors()))
}

func TestEmptyMsgHasNothing(t *testing.T) {
	var m Msg
	assert.Nil(t, m.Data())
	assert.Empty(t, m.TakeFDs())
	assert.False(t, m.ControlDamaged())
	for range m.Control() {
		t.Fatal("a control message")
	}
	m.Reset()
	assert.Equal(t, map[string]any{"iov": [][]byte{}, "ctrl": []any{}, "flags": []any{}}, m.Map())
}

func TestMsgMapsHaveOTPsKeys(t *testing.T) {
	in := map[string]any{
		"iov":   []any{[]byte("one"), "two"},
		"addr":  map[string]any{"family": "inet", "addr": "127.0.0.1", "port": 80},
		"ctrl":  []any{map[string]any{"level": "ip", "type": "ttl", "value": 5}},
		"flags": []any{"peek", 0x40},
	}
	m, err := MsgFromMap(in)
	require.NoError(t, err)
	out := m.Map()
	assert.Equal(t, [][]byte{[]byte("one"), []byte("two")}, out["iov"])
	assert.Equal(t, in["addr"], out["addr"])
	assert.Equal(t, in["flags"], out["flags"])
	ctrl := out["ctrl"].([]any)
	require.Len(t, ctrl, 1)
	assert.Equal(t, 5, ctrl[0].(map[string]any)["value"])

	m.Reset()
	m.Buf = make([]byte, 4)
	_, _, _, c := m.recvBuffers(0, 0)
	c.bad = 1
	m.received(0)
	assert.Equal(t, []any{"bad_data"}, m.Map()["ctrl"])
	assert.NotContains(t, m.Map(), "addr")
}

// Every unknown or missing key has its name in the error.
func TestMsgMapsAreRefusedByName(t *testing.T) {
	for cause, m := range map[string]map[string]any{
		"iov is missing":     {"ctrl": []any{}},
		"unknown keys: iow":  {"iov": []any{}, "iow": 1},
		"level is missing":   {"iov": []any{}, "ctrl": []any{map[string]any{"type": "ttl", "value": 1}}},
		"element 2: not a":   {"iov": []any{}, "ctrl": []any{TTL(1), 5}},
		"ctrl is not a list": {"iov": []any{}, "ctrl": 5},
		"element 1 is not":   {"iov": []any{5}},
		"not a list of byte": {"iov": 5},
		"addr is not":        {"iov": []any{}, "addr": 5},
		"unknown keys: prot": {"iov": []any{}, "addr": map[string]any{"family": "inet", "prot": 1}},
		"msg_flag":           {"iov": []any{}, "flags": []any{"peak"}},
	} {
		_, err := MsgFromMap(m)
		var invalid *InvalidError
		require.ErrorAs(t, err, &invalid, "%v", m)
		assert.ErrorContains(t, err, cause)
	}
}

func TestMsgAllocatesNothingInSteadyState(t *testing.T) {
	a, b := corePair(t, syscall.SOCK_DGRAM)
	require.NoError(t, errnoOf(cSetOptNative(b, syscall.SOL_SOCKET, syscall.SO_PASSCRED, cIntOf(1))))
	require.NoError(t, errnoOf(cSetOptNative(b, syscall.SOL_SOCKET, syscall.SO_TIMESTAMP, cIntOf(1))))
	name := AbstractAddr("esock msg test")
	var c cAddr
	require.NoError(t, name.toC(&c))
	require.NoError(t, errnoOf(cBind(a, &c)))
	out := Msg{Iov: [][]byte{[]byte("hello")}}
	var in Msg
	creds := Credentials{PID: os.Getpid(), UID: uint32(os.Getuid()), GID: uint32(os.Getgid())}
	seen := 0
	step := func() {
		if out.SetControl(creds.Control()) != nil {
			t.Fatal("SetControl")
		}
		to, ctrl, err := out.sendParts(1024)
		if err != nil || cSendMsg(a, out.Data(), 0, 0, to, ctrl) != 5 {
			t.Fatal("send")
		}
		buf, ctrl, recs, o := in.recvBuffers(256, 1024)
		n := cRecvMsg(b, buf, 0, 0, ctrl, recs, o)
		if n != 5 {
			t.Fatal("receive", n)
		}
		in.received(n)
		for c := range in.Control() {
			if got, ok := c.Credentials(); ok && got == creds {
				seen++
			}
			if _, ok := c.Time(); ok {
				seen++
			}
		}
	}
	step()
	seen = 0
	assert.Zero(t, allocsPerRun(100, step))
	assert.Equal(t, 2*101, seen)
	assert.Equal(t, name, in.Addr)
}

// What cannot be a control message is refused where it is set, with the reason, and not by a send's EINVAL or EBADF.
func TestSetControlRefusesWhatCannotBeSent(t *testing.T) {
	refused := map[string]ControlMessage{
		"the zero ControlMessage":                                     {},
		"rights: more than 253 descriptors, or a number that is none": Rights(0, -1),
		"rights: more than 253 descriptors, or a number":              Rights(make([]int, 254)...),
		"the time is zero":                                            Timestamp(time.Time{}),
	}
	for _, n := range testint.Wide() {
		refused["a number that is none"] = Rights(n)
	}
	for want, c := range refused {
		var m Msg
		err := m.SetControl(TTL(1), c)
		assert.ErrorIs(t, err, &InvalidError{What: "msg"})
		assert.ErrorContains(t, err, want)
		assert.Empty(t, m.send)
	}
	var m Msg
	require.NoError(t, m.SetControl(Rights(make([]int, 253)...), Rights(), Timestamp(time.Unix(0, 0)), ControlMessage{Type: 1}, ControlMessage{Data: []byte{}}))
}

func TestMsgFromMapTakesIovInAnyForm(t *testing.T) {
	for _, iov := range []any{"ab", []byte("ab"), []string{"ab"}, []any{"ab"}, []any{[]byte("ab")}, [][]byte{[]byte("ab")}} {
		m, err := MsgFromMap(map[string]any{"iov": iov})
		require.NoError(t, err, "%T", iov)
		assert.Equal(t, [][]byte{[]byte("ab")}, m.Iov, "%T", iov)
	}
	_, err := MsgFromMap(map[string]any{"iov": []int{1}})
	assert.ErrorIs(t, err, &InvalidError{What: "iov"})
}
