package esock

import (
	"fmt"
	"iter"
	"math"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"unsafe"
)

// Msg is a message for Socket.SendMsg and Socket.RecvMsg: data, address and control messages. The zero Msg is ready
// for use, and reusing one avoids allocation. A Msg serves one call at a time and must not be copied once
// used.
//
// To send, set Iov and, where needed, Addr and SetControl. After a receive, Iov has one element, the data; Addr is the
// sender; Control yields the control messages. Sending the Msg again then returns the data to the sender, with the
// control messages of SetControl or SetRawControl alone.
//
// Received descriptors (SCM_RIGHTS, SCM_PIDFD) that TakeFDs or TakeFiles do not take are closed by the next receive into the
// Msg, by Reset, or by the garbage collector with the Msg. So no peer can fill the process with them.
type Msg struct {
	_ noCopy

	// Buf receives the data. If nil, the Msg makes a buffer of {otp,rcvbuf} bytes and keeps it. Empty and not nil is for
	// MsgPeek|MsgTrunc, which only asks for FullLen.
	Buf      []byte
	Iov      [][]byte // the data, to send or received
	Addr     Addr     // the destination or the sender; the zero Addr if connected, or if the kernel gives none
	Flags    MsgFlags // received: MsgTrunc if data was cut, MsgCTrunc if control messages were
	FullLen  int      // the length of a received message; of one that was cut it exceeds the data only with MsgTrunc
	CtrlSize int      // the room in bytes for control messages to receive; 0: {otp,rcvctrlbuf}

	// Receiving.
	data []byte    // where the data goes: Buf, or own
	own  []byte    // the buffer that the Msg made
	iov  [1][]byte // Iov's array
	ctrl []byte    // control data as received
	recs []cCmsg   // the decoded records of it
	out  cMsg
	came bool     // holds a received message
	held *heldFDs // the descriptors that came and are the Msg's to close; nil: none

	// Sending.
	to       cAddr
	send     []byte  // encoded control messages
	sendRecs []cCmsg // scratch of SetControl
	sendData []byte
}

// noCopy makes go vet report copies of what has it.
type noCopy struct{}

func (*noCopy) Lock()   {}
func (*noCopy) Unlock() {}

// msgRecords is how many control messages a receive decodes. More are decoded by further calls into the core.
const msgRecords = 8

// Data returns the received data. The next receive overwrites it.
func (m *Msg) Data() []byte {
	m = orZero(m)
	if len(m.Iov) == 0 {
		return nil
	}
	return m.Iov[0]
}

func (m *Msg) String() string {
	if m == nil {
		return "<nil>"
	}
	const most = 64 // bytes that are shown
	data := fmt.Sprintf("%d bytes", total(m.Iov))
	if len(m.Iov) == 1 && len(m.Iov[0]) <= most {
		data = strconv.Quote(string(m.Iov[0]))
	}
	parts := []string{data}
	if a := m.Addr.String(); a != "" {
		parts = append(parts, a)
	}
	if m.Flags != 0 {
		parts = append(parts, m.Flags.String())
	}
	m.eachControl(func(c ControlMessage) bool {
		parts = append(parts, c.name())
		return true
	})
	return "{" + strings.Join(parts, ", ") + "}"
}

// SetControl sets the control messages that go with every send of this Msg from now on; none ends that. If one cannot
// be encoded, it returns *InvalidError "msg" and the Msg has none.
func (m *Msg) SetControl(cs ...ControlMessage) error {
	if m == nil {
		return &InvalidError{What: "msg", Cause: "it is nil"}
	}
	m.send, m.sendRecs, m.sendData = m.send[:0], m.sendRecs[:0], m.sendData[:0]
	size := 0
	for i := range cs {
		rec, cause := cs[i].sent()
		if cause != "" {
			return ctrlError(i, cause)
		}
		if rec.kind == cmsgRaw {
			if len(cs[i].Data) > math.MaxInt32-len(m.sendData) {
				return ctrlError(i, "too much data")
			}
			rec.offset, rec.length = cU32(len(m.sendData)), cU32(len(cs[i].Data))
			m.sendData = append(m.sendData, cs[i].Data...)
		}
		// The header, the bytes (no value has more than 32) and the padding of both.
		size += 32 + max(len(cs[i].Data), 32) + 8
		m.sendRecs = append(m.sendRecs, rec)
	}
	if len(cs) == 0 {
		return nil
	}
	m.send = slices.Grow(m.send, size)
	n := cCmsgEncode(m.sendRecs, m.sendData, m.send[:size])
	if err := errnoOf(n); err != nil {
		return &InvalidError{What: "msg", Cause: "ctrl: not a control message that can be sent"}
	}
	m.send = m.send[:n]
	return nil
}

// SetRawControl is SetControl with the bytes that sendmsg(2) takes, such as the oob of net.UDPConn.WriteMsgUDP. They are
// copied and sent as they are; none ends that. If they are not a sequence of control messages, it returns *InvalidError
// "msg" and the Msg has none. Less than a header at the end is padding.
func (m *Msg) SetRawControl(ctrl []byte) error {
	if err := m.SetControl(); err != nil {
		return err
	}
	for at := 0; len(ctrl)-at >= syscall.SizeofCmsghdr; {
		var h syscall.Cmsghdr // read here, because a crossing into C costs more than the send itself
		copy((*[syscall.SizeofCmsghdr]byte)(unsafe.Pointer(&h))[:], ctrl[at:])
		if h.Len < syscall.SizeofCmsghdr || uint64(h.Len) > uint64(len(ctrl)-at) {
			return &InvalidError{What: "msg", Cause: fmt.Sprintf("ctrl: no control message at byte %d", at)}
		}
		at += syscall.CmsgSpace(int(h.Len) - syscall.SizeofCmsghdr)
	}
	m.send = append(m.send, ctrl...)
	return nil
}

func ctrlError(i int, cause string) error {
	return &InvalidError{What: "msg", Cause: fmt.Sprintf("ctrl: element %d: %s", i+1, cause)}
}

// Control iterates over the control messages of a received message. They are valid until the next receive into the
// Msg.
func (m *Msg) Control() iter.Seq[ControlMessage] {
	return func(yield func(ControlMessage) bool) { m.eachControl(yield) }
}

// RawControl returns the received control messages as the kernel wrote them, such as the oob of net.UDPConn.ReadMsgUDP:
// empty if none came. The next receive into the Msg overwrites the bytes. The descriptors in them are the Msg's until
// they are taken with TakeFDs; those of truncated control messages are closed, and -1.
func (m *Msg) RawControl() []byte {
	if m == nil || !m.came {
		return nil
	}
	n := m.out.control_len
	return m.ctrl[:n:n]
}

// ControlDamaged reports whether control data ends malformed. OTP: bad_data.
func (m *Msg) ControlDamaged() bool { return m != nil && m.came && m.out.bad != 0 }

// DecodeControl decodes control data from another source, such as the oob bytes of net.UDPConn.ReadMsgUDP, as if the
// Msg had received it: Control yields the messages, and the Msg owns their descriptors. It copies the bytes, and does
// nothing with the Msg's own RawControl, which is decoded.
func (m *Msg) DecodeControl(ctrl []byte) {
	if m == nil {
		return // there is nowhere to keep the result
	}
	if own := m.RawControl(); len(own) > 0 && len(ctrl) == len(own) && &ctrl[0] == &own[0] {
		return
	}
	m.closeFDs()
	m.ctrl = append(m.ctrl[:0], ctrl...)
	if m.recs == nil {
		m.recs = make([]cCmsg, msgRecords)
	}
	m.out.control_len = cU32(len(ctrl))
	var bad uint32
	m.out.cmsgs = cU32(cCmsgDecode(m.ctrl, m.recs, &bad))
	m.out.bad = cU32(bad)
	m.came, m.data = true, nil
	m.iov[0] = nil
	m.Iov = m.iov[:]
	m.Addr, m.Flags, m.FullLen = Addr{}, 0, 0
	m.holdFDs()
}

func (m *Msg) eachControl(yield func(ControlMessage) bool) {
	m = orZero(m)
	if !m.came {
		return
	}
	n := int(m.out.cmsgs)
	for i := range m.recs[:min(n, len(m.recs))] {
		if !yield(controlOf(&m.recs[i], m.ctrl)) {
			return
		}
	}
	if n <= len(m.recs) {
		return
	}
	m.walk(m.ctrl[:m.out.control_len], len(m.recs), yield)
}

// walk decodes control data from its start, and yields all but the first skip messages.
func (m *Msg) walk(ctrl []byte, skip int, yield func(ControlMessage) bool) {
	var pos uintptr
	for i := 0; ; i++ {
		rec := new(cCmsg) // the yielded message keeps it
		if cCmsgNext(ctrl, &pos, rec) <= 0 {
			return
		}
		if i < skip {
			continue
		}
		if (rec.kind == cmsgRights || rec.kind == cmsgPidFD) && m.came && m.Flags&MsgCTrunc != 0 {
			rec.length = 0 // the core has closed them
		}
		if !yield(controlOf(rec, ctrl)) {
			return
		}
	}
}

func controlOf(rec *cCmsg, ctrl []byte) ControlMessage {
	end := rec.offset + rec.length
	return ControlMessage{Level: int(rec.level), Type: int(rec._type), Data: ctrl[rec.offset:end:end], rec: rec}
}

// TakeFDs hands the received descriptors to the caller, which must close them. They are close-on-exec. A second call
// returns none.
func (m *Msg) TakeFDs() []int {
	m = orZero(m)
	if m.held == nil {
		return nil
	}
	fds := m.held.take()
	m.held = nil
	return fds
}

// TakeFiles is TakeFDs with an *os.File for each descriptor.
func (m *Msg) TakeFiles() []*os.File {
	var files []*os.File
	for _, fd := range m.TakeFDs() {
		files = append(files, os.NewFile(uintptr(fd), fmt.Sprintf("fd %d", fd)))
	}
	return files
}

// heldFDs are received descriptors that were not taken. The garbage collector closes them with the Msg. It watches this value,
// which exists only where descriptors came, and which copies of the Msg share.
type heldFDs struct {
	fds     []int
	cleanup runtime.Cleanup
}

// holdFDs makes the Msg the owner of the descriptors in the message.
func (m *Msg) holdFDs() {
	if !m.mayHaveFDs() {
		return
	}
	var fds []int
	for c := range m.Control() {
		fds = c.AppendFDs(fds)
	}
	if len(fds) == 0 {
		return
	}
	m.held = &heldFDs{fds: fds}
	m.held.cleanup = runtime.AddCleanup(m.held, closeAll, fds)
}

// take hands the descriptors to the caller. A second call, on a copy of the Msg, finds none.
func (h *heldFDs) take() []int {
	h.cleanup.Stop()
	fds := h.fds
	h.fds = nil
	runtime.KeepAlive(h)
	return fds
}

func closeAll(fds []int) {
	for _, fd := range fds {
		syscall.Close(fd)
	}
}

// closeFDs closes the descriptors that were not taken.
func (m *Msg) closeFDs() {
	if m.held != nil {
		closeAll(m.TakeFDs())
	}
}

// mayHaveFDs checks the records, which is cheap. It returns true if there are more messages than records.
func (m *Msg) mayHaveFDs() bool {
	n := int(m.out.cmsgs)
	for i := range m.recs[:min(n, len(m.recs))] {
		if k := m.recs[i].kind; k == cmsgRights || k == cmsgPidFD {
			return true
		}
	}
	return n > len(m.recs)
}

// Reset closes received descriptors that were not taken and empties the Msg: no data, no address, nothing to send. Its
// own buffers stay for the next use.
func (m *Msg) Reset() {
	m = orZero(m)
	m.closeFDs()
	m.came, m.data = false, nil
	m.Buf, m.Iov, m.iov[0] = nil, nil, nil
	m.Addr, m.Flags, m.FullLen, m.CtrlSize = Addr{}, 0, 0, 0
	m.send = m.send[:0]
}

// cannotReceive says why m cannot be received into.
func (m *Msg) cannotReceive() error {
	switch {
	case m == nil:
		return &InvalidError{What: "msg", Cause: "it is nil"}
	case m.CtrlSize < 0 || m.CtrlSize > maxBuffer:
		return &InvalidError{What: "msg", Value: m.CtrlSize, Cause: "CtrlSize is out of range"}
	}
	return nil
}

// recvBuffers prepares a receive, and returns the arguments of cRecvMsg. The sizes are {otp,rcvbuf} and {otp,rcvctrlbuf}.
func (m *Msg) recvBuffers(dataSize, ctrlSize int) (buf, ctrl []byte, recs []cCmsg, out *cMsg) {
	if m.CtrlSize > 0 {
		ctrlSize = m.CtrlSize
	}
	m.closeFDs()
	m.came = false
	m.data = m.Buf
	if m.Buf == nil {
		if cap(m.own) < dataSize {
			m.own = make([]byte, dataSize)
		}
		m.data = m.own[:dataSize]
	}
	if cap(m.ctrl) < ctrlSize {
		m.ctrl = make([]byte, ctrlSize)
	}
	m.ctrl = m.ctrl[:ctrlSize]
	if m.recs == nil {
		m.recs = make([]cCmsg, msgRecords)
	}
	return m.data, m.ctrl, m.recs, &m.out
}

// received stores the result of a receive into the buffers of recvBuffers: n bytes, and what the core wrote.
func (m *Msg) received(n int) {
	m.came = true
	m.iov[0] = m.data[:min(n, len(m.data))]
	m.Iov = m.iov[:]
	m.Addr = addrFromC(&m.out.addr, m.Addr)
	m.Flags = MsgFlags(m.out.flags)
	m.FullLen = int(m.out.full_len)
	m.holdFDs()
}

// sendParts returns the address (nil: none) and the control data to send. Errors: *InvalidError "msg" for more control data
// than limit, which is {otp,sndctrlbuf}; errZoneName, after which the caller writes *to.
func (m *Msg) sendParts(limit int) (to *cAddr, ctrl []byte, err error) {
	if len(m.send) > limit {
		return nil, nil, &InvalidError{What: "msg",
			Cause: fmt.Sprintf("ctrl: %d bytes of control messages, and {otp,sndctrlbuf} is %d", len(m.send), limit)}
	}
	if m.Addr.IsZero() {
		return nil, m.send, nil
	}
	if err = m.Addr.toC(&m.to); err != nil && err != errZoneName {
		return nil, nil, err
	}
	return &m.to, m.send, err
}
