package corecall

import "net/netip"

// Requests of ioctl(2): esock_ioctl(), esock_ifconf() and esock_ioctl_row() of csrc/esock.h.
var (
	// Request makes a request. name is the interface concerned, "" if there is none. The row's form says which fields of the
	// argument and the answer are used.
	Request func(s any, request int, name string, arg RequestArg) (RequestArg, error)
	// Interfaces lists the addresses of all interfaces.
	Interfaces func(s any) ([]InterfaceAddr, error)
	// Requests returns the rows of all requests. The slice is shared.
	Requests func() []RequestRow
)

// RequestArg is the argument and the answer of a request: struct esock_ioarg.
type RequestArg struct {
	I    int64  // a number, an index, or flags; when setting, the flags to switch on
	Off  uint32 // the flags to switch off
	Name string // only the answer of GIFName
	Addr Address
	Map  Mapping
}

// Address is an address of the length that struct ifreq has room for.
type Address struct {
	IP     netip.Addr // of AF_INET; not valid for others
	Family uint16     // of others: the family, or the type of the hardware
	Len    uint8      // of others: the bytes used in Data
	Data   [14]byte   // of others: what follows the family in the sockaddr
}

// Mapping is struct esock_ifmap.
type Mapping struct {
	MemStart, MemEnd uint64
	BaseAddr         uint16
	IRQ, DMA, Port   uint8
}

// InterfaceAddr is struct esock_ifaddr.
type InterfaceAddr struct {
	Name string
	Addr Address
}

// RequestRow is struct esock_iorow.
type RequestRow struct {
	Name     string
	Constant string // "" if Linux has no such request
	Doc      string
	Number   uint
	Set      bool
	Key      uint8 // Key…
	Form     uint8 // Form…
}

// The requests: enum esock_request.
const (
	GIFConf = iota
	NRead
	NWrite
	NSpace
	AtMark
	TCPInfo
	GIFName
	GIFIndex
	GIFAddr
	GIFDstAddr
	GIFBrdAddr
	GIFNetmask
	GIFHWAddr
	GIFMTU
	GIFTxQLen
	GIFFlags
	GIFMap
	SIFFlags
	SIFAddr
	SIFDstAddr
	SIFBrdAddr
	SIFNetmask
	SIFHWAddr
	SIFMTU
	SIFTxQLen
	RCVAll
	RCVAllIGMPMCast
	RCVAllMCast
	NumRequests
)

// The subject of a request: enum esock_iokey.
const (
	KeyNone  = iota // the socket, or the whole system
	KeyName         // the interface with the name
	KeyIndex        // the interface with the index I
)

// The form of the value that a request sets or answers: enum esock_ioform.
const (
	FormInt    = iota + 1 // I
	FormBool              // I, 0 or 1
	FormSpace             // I
	FormName              // Name
	FormAddr              // Addr
	FormHWAddr            // Addr, with the type of the hardware as its family
	FormFlags             // I; to be set: I and Off
	FormMap               // Map
	FormConf              // answered by Interfaces
	FormInfo              // answered by the option TCP_INFO
)
