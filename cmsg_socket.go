package esock

import (
	"bytes"
	"encoding/binary"
	"math"
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

// Credentials are a process's identity, verified by the kernel: struct ucred.
type Credentials struct {
	PID int
	UID uint32
	GID uint32
}

// Timestamps hold when a packet was received or sent, per clock: struct scm_timestamping. The zero Time stands for a
// clock that took no stamp.
type Timestamps struct {
	Software time.Time // the system's clock
	Hardware time.Time // the network adapter's own clock, which may not be set to the date
}

// Map returns software and hardware, each {sec, nsec}, where present.
func (v Timestamps) Map() map[string]any {
	m := map[string]any{}
	for name, t := range map[string]time.Time{"software": v.Software, "hardware": v.Hardware} {
		if !t.IsZero() {
			m[name] = map[string]any{"sec": int(t.Unix()), "nsec": t.Nanosecond()}
		}
	}
	return m
}

// TimestampsFromMap reads a Map. Errors: *InvalidError "timestamps".
func TimestampsFromMap(m map[string]any) (Timestamps, error) {
	var v Timestamps
	r := plain.Read(m)
	for key, t := range map[string]*time.Time{"software": &v.Software, "hardware": &v.Hardware} {
		if !r.Has(key) {
			continue
		}
		in := r.Inner(key)
		*t = time.Unix(in.Number("sec", math.MinInt64, math.MaxInt64, 0), in.Number("nsec", 0, 999_999_999, 0))
		if cause := in.Finish("sec", "nsec"); cause != "" {
			r.Wrong(key, cause)
		}
	}
	if cause := r.Finish(); cause != "" {
		return Timestamps{}, &InvalidError{What: "timestamps", Value: m, Cause: cause}
	}
	return v, nil
}

// Timestamp makes a timestamp in microseconds, which Linux does not send.
func Timestamp(t time.Time) ControlMessage {
	c := ControlMessage{Level: solSocket, Type: scmTimestamp, bad: t.IsZero()}
	c.rec = &cCmsg{kind: cmsgTime}
	v := cmsgTimeOf(c.at())
	v.sec, v.nsec = t.Unix(), int64(t.Nanosecond()/1000*1000)
	return c
}

// Mark sets a packet's mark (SO_MARK). It needs CAP_NET_RAW or CAP_NET_ADMIN.
func Mark(mark uint32) ControlMessage { return intControl(solSocket, scmMark, int64(mark)) }

// Priority sets a packet's priority (SO_PRIORITY, Linux 6.14). Above 6 it needs CAP_NET_RAW or CAP_NET_ADMIN.
func Priority(priority uint32) ControlMessage {
	return intControl(solSocket, scmPriority, int64(priority))
}

// TxTime sets when to send a packet, as time since the start of SO_TXTIME's clock (SCM_TXTIME). The effect depends on
// the interface's queueing discipline; see ExtendedError.TxTime.
func TxTime(at time.Duration) ControlMessage { return intControl(solSocket, scmTxTime, int64(at)) }

// TimestampID sets the key of a packet's transmit timestamps, else a running number (SCM_TS_OPT_ID, Linux 6.13; not on
// streams). It needs TimestampOptID.
func TimestampID(key uint32) ControlMessage { return intControl(solSocket, scmTimestampID, int64(key)) }

// TimestampsFor requests timestamps for this packet only, by TimestampTx flags (SO_TIMESTAMPING). The socket's option
// chooses the clocks.
func TimestampsFor(flags TimestampFlags) ControlMessage {
	return bytesControl(solSocket, scmTimestamping, binary.NativeEndian.AppendUint32(nil, uint32(flags)))
}

// Rights passes duplicates of descriptors over a unix socket (SCM_RIGHTS). Keep them open until the message is sent.
// A stream needs a byte of data.
func Rights(fds ...int) ControlMessage {
	c := ControlMessage{Level: solSocket, Type: scmRights, Data: make([]byte, 0, 4*len(fds)), bad: len(fds) > maxRights}
	for _, fd := range fds {
		if fd < 0 || fd > math.MaxInt32 {
			c.bad, fd = true, -1 // not some other descriptor
		}
		c.Data = binary.NativeEndian.AppendUint32(c.Data, uint32(int32(fd)))
	}
	return c
}

// RightsOf is Rights for files, which must stay open until the message is sent. Errors: os.ErrClosed for a closed
// file; *InvalidError "file" for nil.
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

// Control sends the credentials over a unix socket (SCM_CREDENTIALS). Without privileges they must be the sender's
// own.
func (v Credentials) Control() ControlMessage {
	c := ControlMessage{Level: solSocket, Type: scmCredentials}
	c.bad = v.PID != int(int32(v.PID))
	c.rec = &cCmsg{kind: cmsgCredentials}
	*cmsgCred(c.at()) = cmsgCredValue{pid: int32(v.PID), uid: v.UID, gid: v.GID}
	return c
}

// Time returns when the kernel received the message, in microseconds (SO_TIMESTAMP) or nanoseconds (SO_TIMESTAMPNS).
func (c ControlMessage) Time() (time.Time, bool) {
	if c.at().kind != cmsgTime {
		return time.Time{}, false
	}
	v := cmsgTimeOf(c.at())
	return time.Unix(v.sec, v.nsec), true
}

// Timestamping returns when the message was received, or sent (error queue).
func (c ControlMessage) Timestamping() (Timestamps, bool) {
	if c.at().kind != cmsgStamps {
		return Timestamps{}, false
	}
	v := cmsgStampsOf(c.at())
	return Timestamps{moment(v.softwareSec, v.softwareNsec), moment(v.hardwareSec, v.hardwareNsec)}, true
}

// moment returns the time, and the zero Time for 0, which stands for none.
func moment(sec int64, nsec uint32) time.Time {
	if sec == 0 && nsec == 0 {
		return time.Time{}
	}
	return time.Unix(sec, int64(nsec))
}

// Credentials returns the sender's credentials (SO_PASSCRED).
func (c ControlMessage) Credentials() (Credentials, bool) {
	if c.at().kind != cmsgCredentials {
		return Credentials{}, false
	}
	v := cmsgCred(c.at())
	return Credentials{PID: int(v.pid), UID: v.uid, GID: v.gid}, true
}

// SecurityLabel returns the sender's security label (SO_PASSSEC).
func (c ControlMessage) SecurityLabel() ([]byte, bool) {
	b, ok := c.bytes(solSocket, scmSecurity)
	label, _, _ := bytes.Cut(b, nul) // SELinux counts the NUL, others do not
	return label, ok
}

var nul = []byte{0}

// RxqOvfl returns how many packets the socket has dropped (SO_RXQ_OVFL).
func (c ControlMessage) RxqOvfl() (uint32, bool) { return c.uint32(solSocket, scmRxqOvfl) }

// Mark returns the mark of a received packet (SO_RCVMARK).
func (c ControlMessage) Mark() (uint32, bool) { return c.uint32(solSocket, scmMark) }

// Priority returns a received packet's priority (SO_RCVPRIORITY, Linux 6.14).
func (c ControlMessage) Priority() (uint32, bool) { return c.uint32(solSocket, scmPriority) }

// WifiStatus reports whether a sent frame was acknowledged (SO_WIFI_STATUS).
func (c ControlMessage) WifiStatus() (acked, ok bool) {
	n, ok := c.int(solSocket, scmWifiStatus)
	return n != 0, ok
}

// Inq returns how many bytes of a unix stream remain (SO_INQ, Linux 6.17).
func (c ControlMessage) Inq() (int, bool) { return c.int(solSocket, scmInq) }

// PidFD returns a descriptor of the sender's process (SO_PASSPIDFD, Linux 6.5). It is false also if the kernel made
// none or cut the control data. The Msg keeps the descriptor: use Msg.TakeFDs to own it.
func (c ControlMessage) PidFD() (int, bool) {
	if c.at().kind != cmsgPidFD || *cmsgFD(c.at()) < 0 {
		return 0, false
	}
	return int(*cmsgFD(c.at())), true
}

// AppendFDs appends the descriptors of an SCM_RIGHTS or SCM_PIDFD message to dst; none if the kernel cut the control
// data, since they are closed then. The Msg keeps the descriptors: use Msg.TakeFDs to own them.
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

// TimestampFlags are the SOF_TIMESTAMPING_ bits of SO_TIMESTAMPING.
type TimestampFlags uint32

// What gets timestamps (Tx, Rx), and what is reported (Opt and others).
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
