package sockdiag

import (
	"strconv"

	"github.com/esock-go/esock/sockopt"
)

// State is the state of a socket, as <netinet/tcp.h> numbers those of TCP. Sockets of other families have some of them: a
// datagram socket is Closed until it is connected.
type State uint8

// The states.
const (
	Established State = iota + 1
	SynSent
	SynReceived
	FinWait1
	FinWait2
	TimeWait
	Closed // of a datagram socket: not connected
	CloseWait
	LastACK
	Listening
	Closing
	NewSynReceived // a request that has no socket yet
	BoundInactive  // TCP: bound, and neither listening nor connected; only a request that names it gets it; since Linux 6.8
)

var stateNames = [...]string{"unknown", "established", "syn-sent", "syn-recv", "fin-wait-1", "fin-wait-2", "time-wait", "closed",
	"close-wait", "last-ack", "listening", "closing", "new-syn-recv", "bound-inactive"}

// String is the name that ss(8) has for it in filters, such as "syn-sent"; of another number, the number.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return strconv.Itoa(int(s))
}

// ParseState returns the state of a name that String has. ok is false if there is none.
func ParseState(text string) (s State, ok bool) {
	for n, name := range stateNames {
		if n > 0 && name == text {
			return State(n), true
		}
	}
	return 0, false
}

// States is a set of states. The zero value is AllStates.
type States uint32

// Sets of states.
const (
	AllStates = States(1<<(NewSynReceived+1) - 2) // but BoundInactive
	// ConnectedStates are those that ss(8) lists by default.
	ConnectedStates = AllStates &^ (1<<Listening | 1<<Closed | 1<<TimeWait | 1<<SynReceived)
	// WaitingStates are those of ss -l: listeners, and sockets that are not connected.
	WaitingStates = States(1<<Listening | 1<<Closed)
)

// StatesOf makes a set. A number above 31 is left out.
func StatesOf(states ...State) (set States) {
	for _, s := range states {
		if s < 32 {
			set |= 1 << s
		}
	}
	return set
}

// Has reports whether the set has the state.
func (set States) Has(s State) bool { return set == 0 || s < 32 && set>>s&1 != 0 }

func (set States) asked() uint32 {
	if set == 0 {
		return uint32(AllStates)
	}
	return uint32(set)
}

// Has says which parts of a socket the kernel gave. Others are zero.
type Has uint32

// The parts.
const (
	HasTCPInfo    Has = 1 << iota // TCP: struct tcp_info
	HasMPTCPInfo                  // MPTCP: struct mptcp_info
	HasMemory                     // Memory
	HasCongestion                 // Congestion
	HasTOS                        // TOS
	HasTClass                     // TClass
	HasShutdown                   // Shutdown
	HasV6Only                     // V6Only
	HasMark                       // Mark; for the superuser
	HasClassID                    // ClassID; for the superuser
	HasULP                        // ULP; for the superuser
	HasCgroup                     // CgroupID; since Linux 5.9
	HasOptions                    // Options; since Linux 5.12
	HasUID                        // UID
	HasPeer                       // Peer
	HasQueues                     // RecvQ and SendQ
	HasFile                       // FileInode and FileDevice
	HasInterface                  // Interface
	HasGroups                     // Groups
	HasFlags                      // Flags
	HasFanout                     // Fanout
)

// Shutdown is which directions are shut down; <net/sock.h>.
type Shutdown uint8

// The directions.
const (
	ShutReceive Shutdown = 1 << iota
	ShutSend
)

// String is "", "receive", "send" or "both".
func (s Shutdown) String() string { return [...]string{"", "receive", "send", "both"}[s&3] }

// memory reads the numbers of SK_MEMINFO. Older kernels have fewer.
func memory(b []byte) sockopt.MemInfo {
	at := func(i int) uint32 { return number32(tail(b, 4*i)) }
	return sockopt.MemInfo{RmemAlloc: at(0), RcvBuf: at(1), WmemAlloc: at(2), SndBuf: at(3), FwdAlloc: at(4), WmemQueued: at(5),
		OptMem: at(6), Backlog: at(7), Drops: at(8)}
}

// tail is b from n on, empty if b is shorter.
func tail(b []byte, n int) []byte { return b[min(n, len(b)):] }

// cookie reads the two halves of a cookie, the low one first.
func cookie(b []byte) uint64 { return uint64(number32(b)) | uint64(number32(tail(b, 4)))<<32 }
