package esock

import (
	"bytes"
	"encoding/binary"
	"os"
	"syscall"
	"time"

	"github.com/esock-go/esock/internal/plain"
)

// Types of level socket. Of the three timestamps each has a second number, of which the kernel makes use where a C long
// has 32 bits, or when asked for it.
const (
	scmRights          = syscall.SCM_RIGHTS
	scmCredentials     = syscall.SCM_CREDENTIALS
	scmSecurity        = 3
	scmPidFD           = 4 // Linux 6.5
	scmPriority        = syscall.SO_PRIORITY
	scmTimestamp       = syscall.SO_TIMESTAMP
	scmTimestampNS     = syscall.SO_TIMESTAMPNS
	scmMark            = syscall.SO_MARK
	scmTimestamping    = syscall.SO_TIMESTAMPING
	scmRxqOvfl         = syscall.SO_RXQ_OVFL
	scmWifiStatus      = 41
	scmTxTime          = 61 // Linux 4.19
	scmTimestampNew    = 63
	scmTimestampNSNew  = 64
	scmTimestampingNew = 65
	scmTimestampID     = 81 // SCM_TS_OPT_ID, Linux 6.13
	scmInq             = 84 // Linux 6.17
)

// Credentials are a process's identity as the kernel vouches for it: struct ucred, unix(7).
type Credentials struct {
	PID int
	UID uint32
	GID uint32
}

// Timestamps are when a packet came, or was sent, by the clocks that looked at it: struct scm_timestamping,
// Documentation/networking/timestamping.rst. The zero Time stands for a clock that did not.
type Timestamps struct {
	Software time.Time // the system's clock
	Hardware time.Time // the network adapter's own clock, which need not know the date
}

// Map is software and hardware, each {sec, nsec}, of what there is.
func (v Timestamps) Map() map[string]any {
	m := map[string]any{}
	for name, t := range map[string]time.Time{"software": v.Software, "hardware": v.Hardware} {
		if !t.IsZero() {
			m[name] = map[string]any{"sec": int(t.Unix()), "nsec": t.Nanosecond()}
		}
	}
	return m
}

// Timestamp is a timestamp with the precision of microseconds (SCM_TIMESTAMP). Linux refuses to send it; other
// systems, and those who build control data for tests, can.
func Timestamp(t time.Time) ControlMessage {
	c := ControlMessage{Level: solSocket, Type: scmTimestamp}
	c.rec = &cCmsg{kind: cmsgTime}
	v := cmsgTimeOf(c.at())
	v.sec, v.nsec = t.Unix(), int64(t.Nanosecond())
	return c
}

// Mark sends a packet with this mark (SO_MARK), which routing and filters see. It needs CAP_NET_RAW or CAP_NET_ADMIN.
func Mark(mark uint32) ControlMessage { return intControl(solSocket, scmMark, int(mark)) }

// Priority sends a packet with this priority (SO_PRIORITY; Linux 6.14). Above 6 it needs CAP_NET_RAW or
// CAP_NET_ADMIN.
func Priority(priority uint32) ControlMessage {
	return intControl(solSocket, scmPriority, int(priority))
}

// TxTime asks that a packet be sent at a moment, counted from the start of the clock that SO_TXTIME named
// (SCM_TXTIME). What comes of it depends on the queueing discipline of the interface; see ExtendedError.TxTime.
func TxTime(at time.Duration) ControlMessage { return intControl(solSocket, scmTxTime, int(at)) }

// TimestampID gives the transmit timestamps of a packet this key, instead of a running number (SCM_TS_OPT_ID, Linux 6.13;
// not on streams). It needs TimestampOptID.
func TimestampID(key uint32) ControlMessage { return intControl(solSocket, scmTimestampID, int(key)) }

// TimestampsFor asks for the timestamps of this packet alone: of flags, those that begin with TimestampTx
// (SO_TIMESTAMPING as a control message). Which clocks report is the socket's option.
func TimestampsFor(flags TimestampFlags) ControlMessage {
	return bytesControl(solSocket, scmTimestamping, binary.NativeEndian.AppendUint32(nil, uint32(flags)))
}

// Rights passes descriptors over a unix socket (SCM_RIGHTS). The receiver gets duplicates. They must stay
// open here until the message was sent. A stream needs at least one byte of data to go with them.
func Rights(fds ...int) ControlMessage {
	c := ControlMessage{Level: solSocket, Type: scmRights, Data: make([]byte, 0, 4*len(fds))}
	for _, fd := range fds {
		if !plain.FitsCInt(int64(fd)) {
			fd = -1 // which the kernel refuses
		}
		c.Data = binary.NativeEndian.AppendUint32(c.Data, uint32(int32(fd)))
	}
	return c
}

// RightsOf is Rights for open files. The caller keeps them open until the message was sent. A closed file gives an
// os.ErrClosed, nil an *InvalidError "file".
func RightsOf(files ...*os.File) (ControlMessage, error) {
	fds := make([]int, len(files))
	for i, f := range files {
		if f == nil {
			return ControlMessage{}, &InvalidError{What: "file", Cause: "it is nil"}
		}
		rc, err := f.SyscallConn()
		if err != nil {
			return ControlMessage{}, err
		}
		if rc.Control(func(fd uintptr) { fds[i] = int(fd) }) != nil {
			return ControlMessage{}, &os.PathError{Op: "pass", Path: f.Name(), Err: os.ErrClosed}
		}
	}
	return Rights(fds...), nil
}

// Control sends the credentials over a unix socket (SCM_CREDENTIALS). The kernel checks that they are the
// sender's own, unless it has the capabilities.
func (v Credentials) Control() ControlMessage {
	c := ControlMessage{Level: solSocket, Type: scmCredentials}
	c.bad = v.PID != int(int32(v.PID))
	c.rec = &cCmsg{kind: cmsgCredentials}
	*cmsgCred(c.at()) = cmsgCredValue{pid: int32(v.PID), uid: v.UID, gid: v.GID}
	return c
}

// Time is when the kernel received the message, asked for with SocketTimestamp, to the
// microsecond, or with SO_TIMESTAMPNS, to the nanosecond.
func (c ControlMessage) Time() (time.Time, bool) {
	if c.at().kind != cmsgTime {
		return time.Time{}, false
	}
	v := cmsgTimeOf(c.at())
	return time.Unix(v.sec, v.nsec), true
}

// Timestamping is when the message was received, or sent if it comes from the error queue (SO_TIMESTAMPING).
func (c ControlMessage) Timestamping() (Timestamps, bool) {
	if c.at().kind != cmsgStamps {
		return Timestamps{}, false
	}
	v := cmsgStampsOf(c.at())
	return Timestamps{moment(v.softwareSec, v.softwareNsec), moment(v.hardwareSec, v.hardwareNsec)}, true
}

// moment is a time, the zero Time for the clock's first moment, which stands for none.
func moment(sec int64, nsec uint32) time.Time {
	if sec == 0 && nsec == 0 {
		return time.Time{}
	}
	return time.Unix(sec, int64(nsec))
}

// Credentials are the sender's; asked for with SocketPassCred.
func (c ControlMessage) Credentials() (Credentials, bool) {
	if c.at().kind != cmsgCredentials {
		return Credentials{}, false
	}
	v := cmsgCred(c.at())
	return Credentials{PID: int(v.pid), UID: v.uid, GID: v.gid}, true
}

// SecurityLabel is the label of the sender, as the security module writes it (SCM_SECURITY; asked for with
// SO_PASSSEC). It belongs to the Msg.
func (c ControlMessage) SecurityLabel() ([]byte, bool) {
	b, ok := c.bytes(solSocket, scmSecurity)
	label, _, _ := bytes.Cut(b, nul) // SELinux counts the NUL, others do not
	return label, ok
}

var nul = []byte{0}

// RxqOvfl is how many packets the socket has dropped so far because its receive buffer was full (SO_RXQ_OVFL). It comes
// once there are some.
func (c ControlMessage) RxqOvfl() (uint32, bool) { return c.uint32(solSocket, scmRxqOvfl) }

// Mark is the mark of a received packet (SO_RCVMARK).
func (c ControlMessage) Mark() (uint32, bool) { return c.uint32(solSocket, scmMark) }

// Priority is the priority of a received packet (SO_RCVPRIORITY, Linux 6.14).
func (c ControlMessage) Priority() (uint32, bool) { return c.uint32(solSocket, scmPriority) }

// WifiStatus says whether the receiver acknowledged a frame, in the error queue of a socket with SO_WIFI_STATUS.
func (c ControlMessage) WifiStatus() (acked, ok bool) {
	n, ok := c.int(solSocket, scmWifiStatus)
	return n != 0, ok
}

// Inq is how many bytes the kernel still has, after what was received from a unix stream (SO_INQ, Linux 6.17; asked for with
// SocketInq). TCP's is TCPInq.
func (c ControlMessage) Inq() (int, bool) { return c.int(solSocket, scmInq) }

// PidFD is a descriptor of the sender's process (SCM_PIDFD, Linux 6.5; asked for with SO_PASSPIDFD), false also if
// the kernel could make none or had to cut the control data. Looking does not make it the caller's: that is
// Msg.TakeFDs.
func (c ControlMessage) PidFD() (int, bool) {
	if c.at().kind != cmsgPidFD || *cmsgFD(c.at()) < 0 {
		return 0, false
	}
	return int(*cmsgFD(c.at())), true
}

// AppendFDs adds the numbers of the descriptors that the message carries to dst; none if it is neither SCM_RIGHTS nor
// SCM_PIDFD, or if the kernel had to cut the control data (they are closed then). Looking does not make them the
// caller's: that is Msg.TakeFDs.
func (c ControlMessage) AppendFDs(dst []int) []int {
	if fd, ok := c.PidFD(); ok {
		return append(dst, fd)
	}
	if c.Level != solSocket || c.Type != scmRights {
		return dst
	}
	for b := c.Data; len(b) >= 4; b = b[4:] {
		dst = append(dst, int(int32(binary.NativeEndian.Uint32(b))))
	}
	return dst
}

// TimestampFlags are the bits of SO_TIMESTAMPING: SOF_TIMESTAMPING_ of <linux/net_tstamp.h>,
// Documentation/networking/timestamping.rst.
type TimestampFlags uint32

// Which packets are stamped (Tx, Rx), what is reported of the stamps, and how.
const (
	TimestampTxHardware  TimestampFlags = 1 << 0  // by the network adapter, when it sends
	TimestampTxSoftware  TimestampFlags = 1 << 1  // when the driver gets the packet
	TimestampRxHardware  TimestampFlags = 1 << 2  // by the network adapter, when it receives
	TimestampRxSoftware  TimestampFlags = 1 << 3  // when the packet enters the kernel
	TimestampSoftware    TimestampFlags = 1 << 4  // report the software's
	TimestampRawHardware TimestampFlags = 1 << 6  // report the hardware's
	TimestampOptID       TimestampFlags = 1 << 7  // say which send it is about
	TimestampTxSched     TimestampFlags = 1 << 8  // when the packet enters the queueing discipline
	TimestampTxAck       TimestampFlags = 1 << 9  // TCP: when the peer has acknowledged all of it
	TimestampOptCmsg     TimestampFlags = 1 << 10 // packet info in the error queue
	TimestampOptTSOnly   TimestampFlags = 1 << 11 // without the packet
	TimestampOptStats    TimestampFlags = 1 << 12 // TCP: statistics with it
	TimestampOptPktInfo  TimestampFlags = 1 << 13 // interface and length with hardware's
	TimestampOptTxSwHw   TimestampFlags = 1 << 14 // both, of a sent packet
	TimestampBindPHC     TimestampFlags = 1 << 15 // from the adapter's clock that is named
	TimestampOptIDTCP    TimestampFlags = 1 << 16 // TCP: count from this call on (Linux 6.2)
	TimestampOptRxFilter TimestampFlags = 1 << 17 // received: only those asked for here (Linux 6.12)
	TimestampTxDone      TimestampFlags = 1 << 18 // when the hardware says that it was sent (Linux 6.15)
)
