package esock

/*
#cgo CFLAGS: -std=gnu11
#include <stdlib.h>
#include <sys/socket.h>
#include <string.h>

#include "csrc/esock.h"
#include "csrc/esock_batch.h"
#include "csrc/esock_queue.h"

// cgo looks up, at every call, whether a handle points into memory of Go's, unless it knows that the handle has no
// pointers in it. The core's structures are its own; to cgo they are this.
struct esock {
	char opaque;
};
struct esock_poller {
	char opaque;
};
struct esock_queue {
	char opaque;
};
struct esock_member {
	char opaque;
};

// In the order of esock.h: wrappers of the core's functions, and what cgo may assume about each function.
//
// A wrapper go_NAME takes a buffer as bytes, where esock_NAME takes void *. For a void *, cgo searches the whole
// object that the buffer lies in for pointers, which costs time, and refuses the buffer if the object has any.
//
// No function calls back into Go, and none keeps a pointer to memory of Go's. Those that are given one say so: with
// noescape and nocallback, both, the memory may be on the stack. The others do not, because nocallback is checked at
// every call.
typedef unsigned char bytes;

// ---- Life
//
// A socket is made in one crossing, and closed in one. No function is given memory of Go's.

// What a call made: a handle and what it is, or r < 0.
typedef struct {
	esock *h;
	int r;
	int domain, typ, protocol;
	enum esock_netns_fault fault; // esock_open_netns: what r is about
	const char *missing;          // esock_adopt: what r is about
} made;

// Of streams and sequences of packets, one call at a time is in each direction: the lane's owner.
static inline made go_complete(made m) {
	if (m.r < 0) return m;
	m.domain = esock_domain(m.h);
	m.typ = esock_type(m.h);
	m.protocol = esock_protocol(m.h);
	if (m.typ == SOCK_STREAM || m.typ == SOCK_SEQPACKET) esock_alone(m.h);
	return m;
}
static inline made go_open(int domain, int typ, int protocol, uintptr_t table) {
	const esock_sys *sys = (const esock_sys *)table;
	made m = {0};
	m.r = esock_open(&m.h, domain, typ, protocol, sys);
	return go_complete(m);
}
static inline made go_open_netns(char *path, int domain, int typ, int protocol) {
	made m = {0};
	m.r = esock_open_netns(&m.h, path, domain, typ, protocol, NULL, &m.fault);
	return go_complete(m);
}
static inline made go_adopt(int fd, unsigned flags, int domain, int typ, int protocol, const esock_sys *sys) {
	made m = {0};
	m.r = esock_adopt(&m.h, fd, flags, domain, typ, protocol, sys, &m.missing);
	return go_complete(m);
}
static inline made go_accept(esock *l, unsigned how, esock_addr *peer) {
	made m = {0};
	m.r = esock_accept(l, how, &m.h, peer);
	return m;
}
static inline void go_reclaim(esock *s, int nolinger) {
	if (nolinger) esock_nolinger(s);
	esock_reclaim(s);
}
static inline int go_close(esock *s, unsigned flags) { return esock_close(s, flags, NULL, NULL); }
#cgo noescape go_accept
#cgo nocallback go_accept

// ---- Names and connections
#cgo noescape esock_bind
#cgo nocallback esock_bind
#cgo noescape esock_sockname
#cgo nocallback esock_sockname
#cgo noescape esock_peername
#cgo nocallback esock_peername
#cgo noescape esock_connect
#cgo nocallback esock_connect
static inline int go_connectx(esock *s, bytes *list, size_t len) {
	int32_t assoc;
	int r = esock_connectx(s, list + sizeof assoc, len - sizeof assoc, &assoc);
	memcpy(list, &assoc, sizeof assoc);
	return r;
}
#cgo noescape go_connectx
#cgo nocallback go_connectx

// ---- Input and output
static inline ssize_t go_recv(esock *s, bytes *b, size_t len, int flags, unsigned how) {
	return esock_recv(s, b, len, flags, how);
}
static inline ssize_t go_recvfrom(esock *s, bytes *b, size_t len, int flags, unsigned how, esock_addr *from) {
	return esock_recvfrom(s, b, len, flags, how, from);
}
static inline ssize_t go_send(esock *s, bytes *b, size_t len, int flags, unsigned how) {
	return esock_send(s, b, len, flags, how);
}
static inline ssize_t go_sendto(esock *s, bytes *b, size_t len, int flags, unsigned how, esock_addr *to) {
	return esock_sendto(s, b, len, flags, how, to);
}
#cgo noescape go_recv
#cgo nocallback go_recv
#cgo noescape go_recvfrom
#cgo nocallback go_recvfrom
#cgo noescape go_send
#cgo nocallback go_send
#cgo noescape go_sendto
#cgo nocallback go_sendto

// ---- Messages and control messages
static inline ssize_t go_recvmsg(esock *s, bytes *b, size_t len, int flags, unsigned how, bytes *control,
                                 size_t control_len, esock_cmsg *cmsgs, size_t max, esock_msg *out) {
	return esock_recvmsg(s, b, len, flags, how, control, control_len, cmsgs, max, out);
}
static inline ssize_t go_sendmsg(esock *s, bytes *b, size_t len, int flags, unsigned how, esock_addr *to,
                                 bytes *control, size_t control_len) {
	return esock_sendmsg(s, b, len, flags, how, to, control, control_len);
}
static inline ssize_t go_sendmsgv(esock *s, struct iovec *iov, size_t n, int flags, unsigned how, esock_addr *to,
                                  bytes *control, size_t control_len) {
	return esock_sendmsgv(s, iov, n, flags, how, to, control, control_len);
}
static inline int go_cmsg_next(bytes *control, size_t len, size_t *pos, esock_cmsg *out) {
	return esock_cmsg_next(control, len, pos, out);
}
static inline uint32_t go_cmsg_decode(bytes *control, size_t len, esock_cmsg *cmsgs, size_t max, uint32_t *bad) {
	return esock_cmsg_decode(control, len, cmsgs, max, bad);
}
static inline int go_cmsg_offender(bytes *control, size_t len, esock_cmsg *c, esock_addr *out) {
	return esock_cmsg_offender(control, len, c, out);
}
static inline ssize_t go_cmsg_encode(esock_cmsg *cmsgs, size_t n, bytes *data, size_t len, bytes *out, size_t cap) {
	return esock_cmsg_encode(cmsgs, n, data, len, out, cap);
}
#cgo noescape go_recvmsg
#cgo nocallback go_recvmsg
#cgo noescape go_sendmsg
#cgo nocallback go_sendmsg
#cgo noescape go_sendmsgv
#cgo nocallback go_sendmsgv
#cgo noescape go_cmsg_next
#cgo nocallback go_cmsg_next
#cgo noescape go_cmsg_decode
#cgo nocallback go_cmsg_decode
#cgo noescape go_cmsg_offender
#cgo nocallback go_cmsg_offender
#cgo noescape go_cmsg_encode
#cgo nocallback go_cmsg_encode

// ---- Batches, which are in memory of C's
#cgo noescape esock_batch_recv
#cgo nocallback esock_batch_recv
#cgo noescape esock_batch_send
#cgo nocallback esock_batch_send
#cgo noescape esock_batch_refusals
#cgo nocallback esock_batch_refusals

// ---- Files
#cgo noescape esock_sendfile
#cgo nocallback esock_sendfile

// ---- Options
static inline int go_getopt(esock *s, unsigned row, int64_t *i, bytes *data, size_t *len) {
	return esock_getopt(s, row, i, data, len);
}
static inline int go_setopt(esock *s, unsigned row, int64_t i, bytes *data, size_t len) {
	return esock_setopt(s, row, i, data, len);
}
static inline size_t go_getopts(esock *s, esock_optcall *calls, size_t n, bytes *data, size_t len) {
	return esock_getopts(s, calls, n, data, len);
}
static inline size_t go_setopts(esock *s, esock_optcall *calls, size_t n, bytes *data, size_t len) {
	return esock_setopts(s, calls, n, data, len);
}
static inline int go_getopt_raw(esock *s, int level, int opt, bytes *val, size_t room, size_t *len) {
	return esock_getopt_raw(s, level, opt, val, room, len);
}
static inline int go_setopt_native(esock *s, int level, int opt, bytes *val, size_t len) {
	return esock_setopt_native(s, level, opt, val, len);
}
static inline int go_opt_offset(unsigned row, unsigned k) {
	const esock_optshape *shape = esock_opt_row(row)->shape;
	if (k < shape->count) return shape->fields[k].offset;
	return k == shape->count ? shape->size : shape->element;
}
static inline int go_opt_max(unsigned row) { return esock_opt_row(row)->max; }
static inline int go_opt_most(unsigned row) { return esock_opt_row(row)->most; }
#cgo noescape go_getopt
#cgo nocallback go_getopt
#cgo noescape go_setopt
#cgo nocallback go_setopt
#cgo noescape go_getopts
#cgo nocallback go_getopts
#cgo noescape go_setopts
#cgo nocallback go_setopts
#cgo noescape go_getopt_raw
#cgo nocallback go_getopt_raw
#cgo noescape go_setopt_native
#cgo nocallback go_setopt_native

// ---- Requests
#cgo noescape esock_ioctl
#cgo nocallback esock_ioctl
#cgo noescape esock_ifconf
#cgo nocallback esock_ifconf

// ---- Readiness
#cgo noescape esock_poller_new
#cgo nocallback esock_poller_new
#cgo noescape esock_poll
#cgo nocallback esock_poll

// ---- Counters

// ---- Completion queues
//
// Operations and results are in memory of C's.

// Gives operations, and takes results.
static inline int go_queue_turn(esock_queue *q, void *ops, int n, void *results, int max, int timeout_ms) {
	for (int i = 0; i < n; i++) {
		int r = esock_queue_give(q, ((esock_op **)ops)[i]);
		if (r < 0) return r;
	}
	return esock_queue_wait(q, (esock_result *)results, max, timeout_ms);
}
*/
import "C"

import (
	"syscall"
	"unsafe"

	_ "github.com/esock-go/esock/csrc" // the C core, compiled by the Go tool
	"github.com/esock-go/esock/internal/loopcall"
)

// The C types that the rest of the package works with. Each function of the core that the package calls has a Go function
// below, cNAME, which converts the arguments, and tells the race detector what C reads and writes. esock.h has the
// contract; a comment here adds to it.
type (
	handle          = C.esock
	pollerHandle    = C.esock_poller
	cSys            = C.esock_sys
	cAddr           = C.esock_addr
	cCmsg           = C.esock_cmsg
	cMsg            = C.esock_msg
	cMade           = C.made
	cEvent          = C.esock_event
	cCounters       = C.esock_counters
	cSendfileCounts = C.esock_sendfile_counters
	cIovec          = C.struct_iovec

	// The integers of their fields.
	cU8  = C.uint8_t
	cU16 = C.uint16_t
	cU32 = C.uint32_t
	cU64 = C.uint64_t
	cI32 = C.int32_t
	cI64 = C.int64_t
)

// errnoOf makes an error of what the core returns: a count or 0, or a negative errno. The functions below return it as
// one int.
func errnoOf(r int) error {
	if r >= 0 {
		return nil
	}
	return syscall.Errno(-r)
}

// bufPtr returns a pointer to the first byte, which may be none.
func bufPtr(b []byte) *C.bytes { return (*C.bytes)(unsafe.SliceData(b)) }

// raceReadAll is raceRead of all of b.
func raceReadAll(b []byte) { raceRead(unsafe.Pointer(bufPtr(b)), len(b)) }

func cVersion() string { return C.GoString(C.esock_version()) }

// ---- Life

const (
	adoptDup  = C.ESOCK_ADOPT_DUP
	adoptTake = C.ESOCK_ADOPT_TAKE

	closeNoLinger = C.ESOCK_CLOSE_NOLINGER
	closeGiveBack = C.ESOCK_CLOSE_GIVE_BACK

	netnsSocket = C.ESOCK_NETNS_SOCKET
	netnsProc   = C.ESOCK_NETNS_PROC
	netnsLost   = C.ESOCK_NETNS_LOST
)

// cOpen and cAdopt take the kernel of the socket, nil for the machine's.
func cOpen(domain, typ, proto int, sys *cSys) cMade {
	return C.go_open(C.int(domain), C.int(typ), C.int(proto), C.uintptr_t(uintptr(unsafe.Pointer(sys)))) // a number: cgo checks pointers
}

// cOpenNetns sets fault, one of the netns constants.
func cOpenNetns(path string, domain, typ, proto int) cMade {
	p := C.CString(path)
	defer C.free(unsafe.Pointer(p))
	return C.go_open_netns(p, C.int(domain), C.int(typ), C.int(proto))
}

func cAdopt(fd int, flags uint, domain, typ, proto int, sys *cSys) cMade {
	return C.go_adopt(C.int(fd), C.uint(flags), C.int(domain), C.int(typ), C.int(proto), sys)
}

// cMissing is what cAdopt could not find out, "domain" or "type", or "".
func cMissing(m *cMade) string { return C.GoString(m.missing) }

func cFD(h *handle) int        { return int(C.esock_fd(h)) }
func cDomain(h *handle) int    { return int(C.esock_domain(h)) }
func cType(h *handle) int      { return int(C.esock_type(h)) }
func cProtocol(h *handle) int  { return int(C.esock_protocol(h)) }
func cRefresh(h *handle)       { C.esock_refresh(h) }
func cDisown(h *handle) int    { return int(C.esock_disown(h)) }
func cDup(h *handle) int       { return int(C.esock_dup(h)) }
func cNonblock(h *handle) bool { return C.esock_nonblock(h) != 0 }
func cNoLinger(h *handle)      { C.esock_nolinger(h) }

// cReclaim prepares for closing the file that owns the descriptor. With noLinger that does not wait. It ignores an error: the
// close that follows then waits for linger itself.
func cReclaim(h *handle, noLinger bool) {
	var n C.int
	if noLinger {
		n = 1
	}
	C.go_reclaim(h, n)
}

// cClose frees h, whatever it returns.
func cClose(h *handle, flags uint) int { return int(C.go_close(h, C.uint(flags))) }

// ---- Names and connections

const (
	addrNone  = C.ESOCK_ADDR_NONE
	addrKnown = C.ESOCK_ADDR_KNOWN
	addrRaw   = C.ESOCK_ADDR_RAW

	shortAny       = C.ESOCK_ANY
	shortLoopback  = C.ESOCK_LOOPBACK
	shortBroadcast = C.ESOCK_BROADCAST
)

func cBind(h *handle, a *cAddr) int      { return int(C.esock_bind(h, a)) }
func cListen(h *handle, backlog int) int { return int(C.esock_listen(h, C.int(backlog))) }
func cShutdown(h *handle, how int) int   { return int(C.esock_shutdown(h, C.int(how))) }
func cSockName(h *handle, a *cAddr) int  { return int(C.esock_sockname(h, a)) }
func cPeerName(h *handle, a *cAddr) int  { return int(C.esock_peername(h, a)) }
func cConnect(h *handle, a *cAddr) int   { return int(C.esock_connect(h, a)) }
func cFinish(h *handle) int              { return int(C.esock_finish(h)) }

// cConnectX starts an association. list is four bytes for its number, and the peer's addresses.
func cConnectX(h *handle, list []byte) int {
	raceReadAll(list)
	r := int(C.go_connectx(h, bufPtr(list), C.size_t(len(list))))
	raceWrite(unsafe.Pointer(bufPtr(list)), 4)
	return r
}

// cAccept asks for the peer's address if peer is not nil.
func cAccept(h *handle, how uint, out **handle, peer *cAddr) int {
	m := C.go_accept(h, C.uint(how), peer)
	*out = m.h
	return int(m.r)
}

// ---- Input and output

const (
	howFull = C.ESOCK_FULL
	howPoll = C.ESOCK_POLL
	howCont = C.ESOCK_CONT
)

func cRecv(h *handle, b []byte, flags int, how uint) int {
	n := int(C.go_recv(h, bufPtr(b), C.size_t(len(b)), C.int(flags), C.uint(how)))
	raceWrite(unsafe.Pointer(bufPtr(b)), min(n, len(b)))
	return n
}

func cRecvFrom(h *handle, b []byte, flags int, how uint, from *cAddr) int {
	n := int(C.go_recvfrom(h, bufPtr(b), C.size_t(len(b)), C.int(flags), C.uint(how), from))
	raceWrite(unsafe.Pointer(bufPtr(b)), min(n, len(b)))
	return n
}

func cSend(h *handle, b []byte, flags int, how uint) int {
	n := int(C.go_send(h, bufPtr(b), C.size_t(len(b)), C.int(flags), C.uint(how)))
	raceRead(unsafe.Pointer(bufPtr(b)), n)
	return n
}

func cSendTo(h *handle, b []byte, flags int, how uint, to *cAddr) int {
	n := int(C.go_sendto(h, bufPtr(b), C.size_t(len(b)), C.int(flags), C.uint(how), to))
	raceRead(unsafe.Pointer(bufPtr(b)), n)
	return n
}

func cEndRead(h *handle)  { C.esock_end_read(h) }
func cEndWrite(h *handle) { C.esock_end_write(h) }
func cIovMax() int        { return int(C.esock_iov_max()) }

// ---- Messages and control messages

const (
	cmsgRaw         = C.ESOCK_CMSG_RAW
	cmsgInt         = C.ESOCK_CMSG_INT
	cmsgRights      = C.ESOCK_CMSG_RIGHTS
	cmsgCredentials = C.ESOCK_CMSG_CREDENTIALS
	cmsgTime        = C.ESOCK_CMSG_TIME
	cmsgPktInfo4    = C.ESOCK_CMSG_PKTINFO4
	cmsgPktInfo6    = C.ESOCK_CMSG_PKTINFO6
	cmsgRecvErr     = C.ESOCK_CMSG_RECVERR
	cmsgPidFD       = C.ESOCK_CMSG_PIDFD
	cmsgBytes       = C.ESOCK_CMSG_BYTES
	cmsgStamps      = C.ESOCK_CMSG_TIMESTAMPING
	cmsgAddr        = C.ESOCK_CMSG_ADDR
	cmsgAuxData     = C.ESOCK_CMSG_AUXDATA
	cmsgSCTPInit    = C.ESOCK_CMSG_SCTP_INIT
	cmsgSCTPSndRcv  = C.ESOCK_CMSG_SCTP_SNDRCV
	cmsgSCTPSndInfo = C.ESOCK_CMSG_SCTP_SNDINFO
	cmsgSCTPRcvInfo = C.ESOCK_CMSG_SCTP_RCVINFO
	cmsgSCTPNxtInfo = C.ESOCK_CMSG_SCTP_NXTINFO
)

const (
	errorQueueNo  = C.ESOCK_ERRQUEUE_NO
	errorQueueYes = C.ESOCK_ERRQUEUE_YES
)

func cRecvMsg(h *handle, b []byte, flags int, how uint, ctrl []byte, recs []cCmsg, out *cMsg) int {
	n := int(C.go_recvmsg(h, bufPtr(b), C.size_t(len(b)), C.int(flags), C.uint(how),
		bufPtr(ctrl), C.size_t(len(ctrl)), unsafe.SliceData(recs), C.size_t(len(recs)), out))
	if n >= 0 {
		raceWrite(unsafe.Pointer(bufPtr(b)), min(n, len(b)))
		raceWrite(unsafe.Pointer(bufPtr(ctrl)), int(out.control_len))
	}
	return n
}

// cSendMsg takes a nil to, and an empty ctrl.
func cSendMsg(h *handle, b []byte, flags int, how uint, to *cAddr, ctrl []byte) int {
	n := int(C.go_sendmsg(h, bufPtr(b), C.size_t(len(b)), C.int(flags), C.uint(how), to,
		bufPtr(ctrl), C.size_t(len(ctrl))))
	raceRead(unsafe.Pointer(bufPtr(b)), n)
	raceReadAll(ctrl)
	return n
}

// cSendMsgV needs the buffers that iov points to pinned.
func cSendMsgV(h *handle, iov []cIovec, flags int, how uint, to *cAddr, ctrl []byte) int {
	n := int(C.go_sendmsgv(h, unsafe.SliceData(iov), C.size_t(len(iov)), C.int(flags), C.uint(how), to,
		bufPtr(ctrl), C.size_t(len(ctrl))))
	for left, i := n, 0; left > 0 && i < len(iov); i++ {
		raceRead(iov[i].iov_base, min(left, int(iov[i].iov_len)))
		left -= int(iov[i].iov_len)
	}
	raceReadAll(ctrl)
	return n
}

// iovecOf describes a buffer for cSendMsgV.
func iovecOf(b []byte) cIovec {
	return cIovec{iov_base: unsafe.Pointer(bufPtr(b)), iov_len: C.size_t(len(b))}
}

// advanceIov drops the first n bytes of what iov describes.
func advanceIov(iov []cIovec, n int) []cIovec {
	for len(iov) > 0 && n >= int(iov[0].iov_len) {
		n -= int(iov[0].iov_len)
		iov = iov[1:]
	}
	if n > 0 && len(iov) > 0 {
		iov[0].iov_base = unsafe.Add(iov[0].iov_base, n)
		iov[0].iov_len -= C.size_t(n)
	}
	return iov
}

func cCmsgNext(ctrl []byte, pos *uintptr, rec *cCmsg) int {
	raceReadAll(ctrl)
	p := C.size_t(*pos)
	r := int(C.go_cmsg_next(bufPtr(ctrl), C.size_t(len(ctrl)), &p, rec))
	*pos = uintptr(p)
	return r
}

// cCmsgDecode returns how many control messages there are, which may be more than recs has room for.
func cCmsgDecode(ctrl []byte, recs []cCmsg, bad *uint32) int {
	raceReadAll(ctrl)
	return int(C.go_cmsg_decode(bufPtr(ctrl), C.size_t(len(ctrl)), unsafe.SliceData(recs), C.size_t(len(recs)),
		(*C.uint32_t)(bad)))
}

// cCmsgOffender sets out to the zero address if the record has no offender.
func cCmsgOffender(ctrl []byte, rec *cCmsg, out *cAddr) {
	raceReadAll(ctrl)
	C.go_cmsg_offender(bufPtr(ctrl), C.size_t(len(ctrl)), rec, out)
}

func cCmsgEncode(recs []cCmsg, data, out []byte) int {
	return int(C.go_cmsg_encode(unsafe.SliceData(recs), C.size_t(len(recs)), bufPtr(data), C.size_t(len(data)),
		bufPtr(out), C.size_t(len(out))))
}

func cErrorQueue(h *handle) uint32 { return uint32(C.esock_error_queue(h)) }

// cErrorPending reports whether the error queue has a record, or an error waits for the next call. It is true if poll(2)
// fails, so that the caller looks.
func cErrorPending(h *handle) bool { return C.esock_error_pending(h) != 0 }

// ---- Values of control messages: the members of the union in cCmsg, which is an array of bytes in cgo

func cmsgIntValue(r *cCmsg) *int64 { return (*int64)(unsafe.Pointer(&r.v)) }

type cmsgCredValue struct {
	pid      int32
	uid, gid uint32
}

func cmsgCred(r *cCmsg) *cmsgCredValue { return (*cmsgCredValue)(unsafe.Pointer(&r.v)) }

type cmsgTimeValue struct{ sec, nsec int64 }

func cmsgTimeOf(r *cCmsg) *cmsgTimeValue { return (*cmsgTimeValue)(unsafe.Pointer(&r.v)) }

type cmsgPktInfo4Value struct {
	ifindex       uint32
	specDst, addr [4]byte
}

func cmsgPktInfo4Of(r *cCmsg) *cmsgPktInfo4Value { return (*cmsgPktInfo4Value)(unsafe.Pointer(&r.v)) }

type cmsgPktInfo6Value struct {
	addr    [16]byte
	ifindex uint32
}

func cmsgPktInfo6Of(r *cCmsg) *cmsgPktInfo6Value { return (*cmsgPktInfo6Value)(unsafe.Pointer(&r.v)) }

type cmsgRecvErrValue struct {
	error             uint32
	origin, typ, code uint8
	_                 uint8
	info, data        uint32
}

func cmsgRecvErrOf(r *cCmsg) *cmsgRecvErrValue { return (*cmsgRecvErrValue)(unsafe.Pointer(&r.v)) }

func cmsgFD(r *cCmsg) *int32 { return (*int32)(unsafe.Pointer(&r.v)) }

type cmsgStampsValue struct {
	softwareSec, hardwareSec   int64
	softwareNsec, hardwareNsec uint32
}

func cmsgStampsOf(r *cCmsg) *cmsgStampsValue { return (*cmsgStampsValue)(unsafe.Pointer(&r.v)) }

type cmsgAddrValue struct {
	family, port      uint16
	flowinfo, scopeID uint32
	ip                [16]byte
}

func cmsgAddrOf(r *cCmsg) *cmsgAddrValue { return (*cmsgAddrValue)(unsafe.Pointer(&r.v)) }

// ---- Files

const sendfileMax = C.ESOCK_SENDFILE_MAX

func cSendFile(h *handle, file int, offset *int64, count int, how uint) int {
	return int(C.esock_sendfile(h, C.int(file), (*C.int64_t)(offset), C.size_t(count), C.uint(how)))
}

// cSendFileDone takes 0 or a negative errno.
func cSendFileDone(h *handle, bytes int64, errno int) {
	C.esock_sendfile_done(h, C.int64_t(bytes), C.int(errno))
}

// ---- Options

// cGetOpt returns the size of the value, or with ENOBUFS the room that it needs.
func cGetOpt(h *handle, row int, i *int64, data []byte) (n, r int) {
	l := C.size_t(len(data))
	raceReadAll(data) // it may be a question
	r = int(C.go_getopt(h, C.uint(row), (*C.int64_t)(i), bufPtr(data), &l))
	if r >= 0 {
		raceWrite(unsafe.Pointer(bufPtr(data)), min(int(l), len(data)))
	}
	return int(l), r
}

func cSetOpt(h *handle, row int, i int64, data []byte) int {
	raceReadAll(data)
	return int(C.go_setopt(h, C.uint(row), C.int64_t(i), bufPtr(data), C.size_t(len(data))))
}

// cGetOptNative returns the length that the kernel reports, which may be more than val's.
func cGetOptNative(h *handle, level, opt int, val []byte) (n, r int) {
	var l C.size_t
	raceReadAll(val) // it may be a question
	r = int(C.go_getopt_raw(h, C.int(level), C.int(opt), bufPtr(val), C.size_t(len(val)), &l))
	if r >= 0 {
		raceWrite(unsafe.Pointer(bufPtr(val)), min(int(l), len(val)))
	}
	return int(l), r
}

func cSetOptNative(h *handle, level, opt int, val []byte) int {
	raceReadAll(val)
	return int(C.go_setopt_native(h, C.int(level), C.int(opt), bufPtr(val), C.size_t(len(val))))
}

// cOptCall is one option of a batch.
type cOptCall = C.esock_optcall

// cGetOpts and cSetOpts leave the results in calls. Their data lies in an arena that only one goroutine uses, so the race
// detector is not told.
func cGetOpts(h *handle, calls []cOptCall, data []byte) {
	C.go_getopts(h, unsafe.SliceData(calls), C.size_t(len(calls)), bufPtr(data), C.size_t(len(data)))
}

func cSetOpts(h *handle, calls []cOptCall, data []byte) {
	C.go_setopts(h, unsafe.SliceData(calls), C.size_t(len(calls)), bufPtr(data), C.size_t(len(data)))
}

// cOptOffset also returns sizes, for the fields past the last: see go_opt_offset.
func cOptOffset(row, field int) int { return int(C.go_opt_offset(C.uint(row), C.uint(field))) }

func cOptMax(row int) int  { return int(C.go_opt_max(C.uint(row))) }
func cOptMost(row int) int { return int(C.go_opt_most(C.uint(row))) }
func cOptCount() int       { return int(C.esock_opt_count()) }
func cOptHash() uint64     { return uint64(C.esock_opt_hash()) }

// cOptFields calls f for each field of the structure of an option.
func cOptFields(level, option string, f func(name string, offset, size int)) {
	for i := range cOptCount() {
		row := C.esock_opt_row(C.uint(i))
		if row.shape == nil || C.GoString(row.level) != level || C.GoString(row.name) != option {
			continue
		}
		for _, field := range unsafe.Slice(row.shape.fields, row.shape.count) {
			f(C.GoString(field.name), int(field.offset), int(field.size))
		}
	}
}

// ---- Requests

type (
	cIOArg  = C.esock_ioarg
	cIfAddr = C.esock_ifaddr
)

const (
	ioNRead    = C.ESOCK_NREAD
	ioNWrite   = C.ESOCK_NWRITE
	ioNSpace   = C.ESOCK_NSPACE
	ioAtMark   = C.ESOCK_ATMARK
	ioGIFName  = C.ESOCK_GIFNAME
	ioGIFIndex = C.ESOCK_GIFINDEX
	ioRequests = C.ESOCK_REQUESTS

	ioKeyIndex = C.ESOCK_IOKEY_INDEX
	ioFormInfo = C.ESOCK_IO_INFO

	ifNameMax = C.ESOCK_IFNAME - 1
)

// cIOCtlRow returns an empty constant for a request that this system does not have: C.GoString makes "" of NULL.
func cIOCtlRow(request int) (name, constant, doc string, number uint, set bool, key, form uint8) {
	row := C.esock_ioctl_row(C.uint(request))
	return C.GoString(row.name), C.GoString(row.constant), C.GoString(row.doc), uint(row.number), row.set != 0,
		uint8(row.key), uint8(row.value)
}

func cIOCtl(h *handle, request int, arg *cIOArg) int {
	return int(C.esock_ioctl(h, C.uint(request), arg))
}

func cIfConf(h *handle, list []cIfAddr) int {
	return int(C.esock_ifconf(h, unsafe.SliceData(list), C.size_t(len(list))))
}

// cIfName does what C.GoString does, which would move its argument to the heap.
func cIfName(name *[ifNameMax + 1]C.char) string {
	n := 0
	for n < ifNameMax && name[n] != 0 {
		n++
	}
	return string((*[ifNameMax]byte)(unsafe.Pointer(name))[:n])
}

// cSetIfName needs a name that is all zeros, and an s of at most ifNameMax bytes.
func cSetIfName(name *[ifNameMax + 1]C.char, s string) {
	for i := range len(s) {
		name[i] = C.char(s[i])
	}
}

// ---- Readiness

const (
	eventIn  = C.ESOCK_IN
	eventOut = C.ESOCK_OUT
	eventErr = C.ESOCK_ERR
	eventEnd = C.ESOCK_END
)

// cPollerNew makes a poller for sockets of a kernel, nil for the machine's.
func cPollerNew(sys *cSys) (*pollerHandle, int) {
	var p *pollerHandle
	r := C.esock_poller_new(&p, sys)
	return p, int(r)
}

func cPollerFree(p *pollerHandle)      { C.esock_poller_free(p) }
func cPollerForget(p *pollerHandle)    { C.esock_poller_forget(p) }
func cPollerRenew(p *pollerHandle) int { return int(C.esock_poller_renew(p)) }
func cPollerFD(p *pollerHandle) int    { return int(C.esock_poller_fd(p)) }

// armAfter is what a call that arms knows of the socket.
type armAfter = C.enum_esock_arm_after

const (
	afterNothing armAfter = C.ESOCK_AFTER_NOTHING
	afterEmpty   armAfter = C.ESOCK_AFTER_EMPTY
	afterTry     armAfter = C.ESOCK_AFTER_TRY
	afterPeek    armAfter = C.ESOCK_AFTER_PEEK
)

// cArm needs a user that is not a Go pointer, because the core keeps it.
func cArm(p *pollerHandle, h *handle, events int, after armAfter, user unsafe.Pointer) int {
	return int(C.esock_arm(p, h, C.uint(events), after, user))
}

func cDisarm(p *pollerHandle, h *handle, events int) {
	C.esock_disarm(p, h, C.uint(events))
}

func cFired(p *pollerHandle, h *handle, events int) int {
	return int(C.esock_fired(p, h, C.uint(events)))
}

func cReady(h *handle, events int) int           { return int(C.esock_ready(h, C.uint(events))) }
func cSendEnded(h *handle) bool                  { return C.esock_send_ended(h) != 0 }
func cDeregister(p *pollerHandle, h *handle) int { return int(C.esock_deregister(p, h)) }

// cNewEvents returns room for events in C's memory, which is never freed. cgo looks for Go pointers in every element of Go
// memory that it passes, because an event has one: that cost more than the rest of a poll.
func cNewEvents(n int) []cEvent {
	return unsafe.Slice((*cEvent)(C.malloc(C.size_t(n)*C.sizeof_esock_event)), n)
}

// cPoll does not wait, since the call would keep a thread of Go's.
func cPoll(p *pollerHandle, events []cEvent) int {
	return int(C.esock_poll(p, unsafe.SliceData(events), C.int(len(events)), 0))
}

// ---- Completion queues

type (
	cQueue  = C.esock_queue
	cMember = C.esock_member
)

// Package loopcall has the structures, too.
var (
	_ [C.sizeof_esock_op]byte      = [unsafe.Sizeof(loopcall.Op{})]byte{}
	_ [C.sizeof_esock_result]byte  = [unsafe.Sizeof(loopcall.Result{})]byte{}
	_ [C.sizeof_esock_buffers]byte = [unsafe.Sizeof(loopcall.Buffers{})]byte{}
	_ [C.sizeof_esock_addr]byte    = [unsafe.Sizeof(loopcall.Addr{})]byte{}
)

func cQueueNew(buffers, size, engine uint32) (q *cQueue, b *C.esock_buffers, fd int, has uint32, refused, r int) {
	config := C.esock_queue_config{
		buffers: C.uint32_t(buffers), buffer_size: C.uint32_t(size), engine: C.uint32_t(engine),
	}
	if r = int(C.esock_queue_new(&q, &config, nil)); r < 0 {
		return nil, nil, -1, 0, 0, r
	}
	var why C.int
	has = C.esock_queue_engine(q, &why)
	return q, C.esock_queue_buffers(q), int(C.esock_queue_fd(q)), has, int(why), 0
}

func cQueueBusyPoll(q *cQueue, usecs, budget uint32, prefer bool) int {
	var p C.int
	if prefer {
		p = 1
	}
	return int(C.esock_queue_busy_poll(q, C.uint32_t(usecs), C.uint32_t(budget), p))
}

func cQueueFree(q *cQueue) int  { return int(C.esock_queue_free(q)) }
func cQueueWake(q *cQueue)      { C.esock_queue_wake(q) }
func cQueueIdle(q *cQueue) bool { return C.esock_queue_idle(q) != 0 }

func cQueueAdd(q *cQueue, h *handle) (*cMember, int) {
	var m *cMember
	r := int(C.esock_queue_add(q, h, &m))
	return m, r
}

func cQueueCancel(q *cQueue, op unsafe.Pointer) { C.esock_queue_cancel(q, (*C.esock_op)(op)) }
func cQueueRemove(q *cQueue, m *cMember)        { C.esock_queue_remove(q, m) }

func cQueueKept(q *cQueue, m *cMember) bool { return C.esock_queue_kept(q, m) != 0 }

// cQueueTurn keeps a thread of Go's while it waits: ms is 0, unless a goroutine is locked to the thread anyway.
func cQueueTurn(q *cQueue, ops unsafe.Pointer, n int, results unsafe.Pointer, most, ms int) int {
	return int(C.go_queue_turn(q, ops, C.int(n), results, C.int(most), C.int(ms)))
}

func cAlloc(size uintptr) unsafe.Pointer { return C.calloc(1, C.size_t(size)) }
func cRelease(p unsafe.Pointer)          { C.free(p) }

// ---- Batches

type (
	cBatch   = C.esock_batch
	cDgram   = C.esock_dgram
	cRefusal = C.esock_refusal
)

func cBatchNew(count, size, control, records int) (b *cBatch, r int) {
	config := C.esock_batch_config{count: C.uint32_t(count), size: C.uint32_t(size), control: C.uint32_t(control),
		records: C.uint32_t(records)}
	r = int(C.esock_batch_new(&b, &config, nil))
	return b, r
}

func cBatchFree(b *cBatch) { C.esock_batch_free(b) }

func cBatchRecv(h *handle, b *cBatch, n, flags int, how uint) int {
	return int(C.esock_batch_recv(h, b, C.uint32_t(n), C.int(flags), C.uint(how)))
}

func cBatchSend(h *handle, b *cBatch, from, n, flags int, how uint) int {
	return int(C.esock_batch_send(h, b, C.uint32_t(from), C.uint32_t(n), C.int(flags), C.uint(how)))
}

func cBatchRefusals(b *cBatch, dst []cRefusal) int {
	return int(C.esock_batch_refusals(b, unsafe.SliceData(dst), C.uint32_t(len(dst))))
}

func cBatchForget(b *cBatch) { C.esock_batch_forget(b) }

// dgrams, bytes, control and records are what a batch consists of.
func cBatchDgrams(b *cBatch) []cDgram { return unsafe.Slice(b.dgrams, b.count) }
func cBatchData(b *cBatch) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(b.data)), b.data_size)
}
func cBatchControl(b *cBatch, i int) []byte {
	at := unsafe.Add(unsafe.Pointer(b.control), uintptr(i)*uintptr(b.control_size))
	return unsafe.Slice((*byte)(at), b.control_size)
}
func cBatchRecords(b *cBatch, i int) []cCmsg {
	return unsafe.Slice(b.records, b.count*b.records_each)[uint32(i)*uint32(b.records_each):][:b.records_each]
}

// ---- Counters

// cCountersOf needs no crossing: the block has the handle's address.
func cCountersOf(h *handle) *cCounters { return (*cCounters)(unsafe.Pointer(h)) }

// cSendfileCountersOf returns nil before the first sendfile.
func cSendfileCountersOf(h *handle) *cSendfileCounts { return C.esock_sendfile_counters_of(h) }

// cCount counts what a system call that is not the core's moved, with the lane of the direction taken.
func cCount(h *handle, writing bool, messages, bytes, most uint64) {
	var w C.int
	if writing {
		w = 1
	}
	C.esock_count(h, w, C.uint64_t(messages), C.uint64_t(bytes), C.uint64_t(most))
}

func cWrapped(h *handle) uint32 { return uint32(C.esock_counters_wrapped(h)) }

// cCountersWidth is for tests.
func cCountersWidth(h *handle, bits int) int { return int(C.esock_counters_width(h, C.int(bits))) }
