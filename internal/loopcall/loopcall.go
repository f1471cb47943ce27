// Package loopcall gives package engine the completion queue of the C core, and sockets for its loops. Package esock sets the
// variables when it is initialised. The structures are those of csrc/esock_queue.h, in memory of C. An s is an *esock.Socket; an r
// is the core's result: 0 or more, or a negative errno.
package loopcall

import (
	"time"
	"unsafe"
)

// Op is struct esock_op.
type Op struct {
	Kind     uint8
	Flags    uint8
	MsgFlags int32
	User     uint64
	Member   unsafe.Pointer
	Buf      unsafe.Pointer
	Len      uintptr
	Addr     unsafe.Pointer
	Msg      unsafe.Pointer
	Offset   int64
	InFD     int32
	State    uint32
	Done     uintptr
	Next     unsafe.Pointer
}

// Kinds and flags of operations: enum esock_op_kind and esock_op_flags.
const (
	Accept   = 1
	Recv     = 2
	RecvFrom = 3
	Send     = 5
	SendTo   = 6

	Again  = 1
	Quiet  = 4
	Buffer = 8
)

// Result is struct esock_result.
type Result struct {
	Op       *Op
	User     uint64
	N        int64
	Flags    uint32
	Buffer   uint32
	Accepted unsafe.Pointer
}

// Flags of results: enum esock_result_flags.
const (
	More      = 1
	HasBuffer = 2
)

// Engines of queues: enum esock_queue_engine.
const (
	Epoll        = 0
	URing        = 1
	URingOrEpoll = 2
)

// Buffers is struct esock_buffers.
type Buffers struct {
	Base    unsafe.Pointer
	Size    uintptr
	Count   uint32
	Free    uint32
	Stack   *uint32
	Senders unsafe.Pointer
}

// Addr is as large as struct esock_addr.
type Addr [44]uint32

// The queue. A q is a queue, an m a member of it.
var (
	// New makes a queue with an engine, one of the constants. has is the one that it has; refused, a negative errno, is why
	// that is Epoll where URingOrEpoll was asked for.
	New func(buffers, size, engine uint32) (q unsafe.Pointer, b *Buffers, fd int, has uint32, refused, r int)
	// BusyPoll turns busy polling on.
	BusyPoll func(q unsafe.Pointer, usecs, budget uint32, prefer bool) (r int)

	Free   func(q unsafe.Pointer) (r int)
	Wake   func(q unsafe.Pointer)
	Idle   func(q unsafe.Pointer) bool
	Remove func(q, m unsafe.Pointer)
	Cancel func(q unsafe.Pointer, op *Op)
	// Kept reports whether the kernel has brought something for a member that Turn has not returned yet.
	Kept func(q, m unsafe.Pointer) bool
	// Turn gives n operations and returns the number of results. It does not wait.
	Turn func(q unsafe.Pointer, ops *unsafe.Pointer, n int, results *Result, most int) (r int)
	// Wait is Turn, but waits for results, up to ms milliseconds; below 0 for ever.
	Wait func(q unsafe.Pointer, ops *unsafe.Pointer, n int, results *Result, most, ms int) (r int)
	// Alloc returns zeroed memory of C, nil if there is none.
	Alloc   func(size uintptr) unsafe.Pointer
	Release func(p unsafe.Pointer)
)

// The machine's monotonic clock, which also runs in a bubble of testing/synctest.
var (
	Clock    func() time.Duration
	RealTime func(clock time.Duration) time.Time // as a deadline of a File
)

// The sockets.
var (
	// Hold takes a socket for a loop: its calls that send, receive, accept or connect return esock.ErrState until Release. Leave is
	// called with member when the socket closes. Errors: net.ErrClosed; ErrState when calls are in progress.
	Hold func(s, member any) error
	// Leave takes a member out of its loop, which must lead to LetGo. Package engine sets it.
	Leave func(member any)
	// LetGo ends Hold.
	LetGo func(s any)
	// Join makes a held socket a member of a queue.
	Join func(q unsafe.Pointer, s any) (m unsafe.Pointer, r int)
	// Ready reports whether a held socket can be received from, and sent on, without waiting.
	Ready func(s any) (in, out bool)
	// ReadAddr makes an address of the core's, which is in its memory, and WriteAddr the reverse, for a socket. An a is an
	// *esock.Addr; ReadAddr allocates nothing if it has that address already. Errors: *esock.InvalidError.
	ReadAddr  func(a, c unsafe.Pointer)
	WriteAddr func(s any, c, a unsafe.Pointer) error
	// Close closes a socket without waiting for unsent data.
	Close func(s any)
	// Accepted makes a socket of a handle that a listener has accepted. It is an *esock.Socket.
	Accepted func(listener any, h unsafe.Pointer) (s any)
)
