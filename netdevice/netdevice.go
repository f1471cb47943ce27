package netdevice

import (
	"net"
	"net/netip"
	"syscall"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/corecall"
	"github.com/esock-go/esock/internal/plain"
)

// InterfaceAddr is an IPv4 address and the interface that has it.
type InterfaceAddr struct {
	Name string
	Addr esock.Addr
}

// HardwareAddr is the hardware address of an interface, of the length that its type has, up to 14 bytes.
type HardwareAddr struct {
	Type int              // ARPHRD_ETHER (1), ARPHRD_LOOPBACK (772), …
	Addr net.HardwareAddr // empty for devices without an address
}

// Mapping says where the hardware of an interface is mapped. For most of today's devices all is 0.
type Mapping struct {
	MemStart, MemEnd uint64
	BaseAddr         uint16
	IRQ, DMA, Port   uint8
}

// fail returns the error of a request.
func fail(s *esock.Socket, reason error) error {
	return &esock.Error{Op: "ioctl", Socket: s, Reason: reason}
}

func badArgument(s *esock.Socket, value any, cause string) error {
	return fail(s, &esock.InvalidError{What: "ioctl_argument", Value: value, Cause: cause})
}

func ask(s *esock.Socket, request int, name string) (corecall.RequestArg, error) {
	return corecall.Request(s, request, name, corecall.RequestArg{})
}

func set(s *esock.Socket, request int, name string, arg corecall.RequestArg) error {
	_, err := corecall.Request(s, request, name, arg)
	return err
}

func askInt(s *esock.Socket, request int, name string) (int, error) {
	answer, err := ask(s, request, name)
	return int(answer.I), err
}

func setInt(s *esock.Socket, request int, name string, v int) error {
	if !plain.FitsCInt(int64(v)) {
		return badArgument(s, v, "out of range")
	}
	return set(s, request, name, corecall.RequestArg{I: int64(v)})
}

func askAddr(s *esock.Socket, request int, name string) (esock.Addr, error) {
	answer, err := ask(s, request, name)
	if err != nil {
		return esock.Addr{}, err
	}
	return addrOf(answer.Addr), nil
}

func setAddr(s *esock.Socket, request int, name string, a esock.Addr) error {
	ip, err := inet4(a)
	if err != nil {
		return fail(s, err)
	}
	return set(s, request, name, corecall.RequestArg{Addr: corecall.Address{IP: ip}})
}

// addrOf returns an address that the core answered. Some families have requests of their own, whose addresses are not of inet.
func addrOf(a corecall.Address) esock.Addr {
	if a.IP.IsValid() {
		return esock.Inet4Addr(a.IP, 0)
	}
	return esock.RawAddr(esock.Domain(a.Family), a.Data[:a.Len])
}

// inet4 returns the IPv4 address that a is or stands for.
func inet4(a esock.Addr) (netip.Addr, error) {
	switch {
	case a == esock.Any:
		return netip.IPv4Unspecified(), nil
	case a == esock.Loopback:
		return netip.AddrFrom4([4]byte{127, 0, 0, 1}), nil
	case a == esock.Broadcast:
		return netip.AddrFrom4([4]byte{255, 255, 255, 255}), nil
	case a.IsZero():
		return netip.Addr{}, &esock.InvalidError{What: "sockaddr", Cause: "no address was given"}
	case a.Err() != nil:
		return netip.Addr{}, a.Err()
	case a.IP().Is4():
		return a.IP(), nil
	}
	return netip.Addr{}, &esock.InvalidError{What: "sockaddr", Value: a, Cause: "this request sets inet addresses only"}
}

// Addrs returns the IPv4 addresses of all interfaces that have one. SIOCGIFCONF; OTP: gifconf.
func Addrs(s *esock.Socket) ([]InterfaceAddr, error) {
	raw, err := corecall.Interfaces(s)
	if err != nil {
		return nil, err
	}
	list := make([]InterfaceAddr, len(raw))
	for i, r := range raw {
		list[i] = InterfaceAddr{r.Name, addrOf(r.Addr)}
	}
	return list, nil
}

// Name returns the name of the interface with an index. Errors: ENODEV; *esock.InvalidError "ioctl_argument" for an index that
// is not a C int. SIOCGIFNAME; OTP: gifname.
func Name(s *esock.Socket, index int) (string, error) {
	if !plain.FitsCInt(int64(index)) {
		return "", badArgument(s, index, "out of range")
	}
	answer, err := corecall.Request(s, corecall.GIFName, "", corecall.RequestArg{I: int64(index)})
	return answer.Name, err
}

// Index returns the index of an interface. SIOCGIFINDEX; OTP: gifindex.
func Index(s *esock.Socket, name string) (int, error) { return askInt(s, corecall.GIFIndex, name) }

// Addr returns the first IPv4 address of an interface. Errors: EADDRNOTAVAIL if it has none. SIOCGIFADDR; OTP: gifaddr.
func Addr(s *esock.Socket, name string) (esock.Addr, error) {
	return askAddr(s, corecall.GIFAddr, name)
}

// DstAddr returns the address of the other end of a point-to-point interface, or the own address of another. Errors: as Addr.
// SIOCGIFDSTADDR; OTP: gifdstaddr.
func DstAddr(s *esock.Socket, name string) (esock.Addr, error) {
	return askAddr(s, corecall.GIFDstAddr, name)
}

// BrdAddr returns the broadcast address of an interface, 0.0.0.0 if it has an address but no broadcast address. Errors: as
// Addr. SIOCGIFBRDADDR; OTP: gifbrdaddr.
func BrdAddr(s *esock.Socket, name string) (esock.Addr, error) {
	return askAddr(s, corecall.GIFBrdAddr, name)
}

// Netmask returns the network mask of the address that Addr returns. Errors: as Addr. SIOCGIFNETMASK; OTP: gifnetmask.
func Netmask(s *esock.Socket, name string) (esock.Addr, error) {
	return askAddr(s, corecall.GIFNetmask, name)
}

// HWAddr returns the hardware address of an interface. SIOCGIFHWADDR; OTP: gifhwaddr.
func HWAddr(s *esock.Socket, name string) (HardwareAddr, error) {
	answer, err := ask(s, corecall.GIFHWAddr, name)
	if err != nil {
		return HardwareAddr{}, err
	}
	a := &answer.Addr
	hw := HardwareAddr{Type: int(a.Family)}
	if a.Len > 0 {
		hw.Addr = append(hw.Addr, a.Data[:a.Len]...)
	}
	return hw, nil
}

// MTU returns the size in bytes of the largest packet that an interface sends. SIOCGIFMTU; OTP: gifmtu.
func MTU(s *esock.Socket, name string) (int, error) { return askInt(s, corecall.GIFMTU, name) }

// TxQLen returns the length of the transmit queue of an interface, in packets. SIOCGIFTXQLEN; OTP: giftxqlen.
func TxQLen(s *esock.Socket, name string) (int, error) { return askInt(s, corecall.GIFTxQLen, name) }

// Flags returns the flags of an interface. SIOCGIFFLAGS; OTP: gifflags.
func Flags(s *esock.Socket, name string) (Flag, error) {
	n, err := askInt(s, corecall.GIFFlags, name)
	return Flag(n), err
}

// Map returns where the hardware of an interface is mapped. SIOCGIFMAP; OTP: gifmap.
func Map(s *esock.Socket, name string) (Mapping, error) {
	answer, err := ask(s, corecall.GIFMap, name)
	return Mapping(answer.Map), err
}

// ---- Requests that change an interface

// SetFlags switches some flags of an interface on and some off and leaves the rest. It reads, modifies and writes, so a change
// that another program makes in between is lost. The kernel ignores flags that belong to the driver. Errors:
// *esock.InvalidError "ioctl_flag" for a flag in both on and off. SIOCSIFFLAGS; OTP: sifflags.
func SetFlags(s *esock.Socket, name string, on, off Flag) error {
	if both := on & off; both != 0 {
		return fail(s, &esock.InvalidError{What: "ioctl_flag", Value: both, Cause: "to be switched on and off"})
	}
	return set(s, corecall.SIFFlags, name, corecall.RequestArg{I: int64(on), Off: uint32(off)})
}

// SetAddr sets the first IPv4 address of an interface. The kernel then sets network mask and broadcast address to those of the
// address's class, so set these afterwards. The port is ignored. esock.Any removes the address. Errors: *esock.InvalidError
// "sockaddr" for addresses of other families. SIOCSIFADDR; OTP: sifaddr.
func SetAddr(s *esock.Socket, name string, a esock.Addr) error {
	return setAddr(s, corecall.SIFAddr, name, a)
}

// SetDstAddr sets the address of the other end of a point-to-point interface. Errors: as SetAddr; EADDRNOTAVAIL before the
// interface has an address. SIOCSIFDSTADDR; OTP: sifdstaddr.
func SetDstAddr(s *esock.Socket, name string, a esock.Addr) error {
	return setAddr(s, corecall.SIFDstAddr, name, a)
}

// SetBrdAddr sets the broadcast address of an interface. Errors: as SetDstAddr. SIOCSIFBRDADDR; OTP: sifbrdaddr.
func SetBrdAddr(s *esock.Socket, name string, a esock.Addr) error {
	return setAddr(s, corecall.SIFBrdAddr, name, a)
}

// SetNetmask sets the network mask of an interface. Errors: as SetDstAddr; EINVAL for an address that is not a mask. SIOCSIFNETMASK;
// OTP: sifnetmask.
func SetNetmask(s *esock.Socket, name string, a esock.Addr) error {
	return setAddr(s, corecall.SIFNetmask, name, a)
}

// SetHWAddr sets the hardware address of an interface. Errors: EINVAL if type or length are not the device's; EBUSY if the
// device must be down first; *esock.InvalidError "sockaddr" for a type of more than 16 bits. SIOCSIFHWADDR; OTP: sifhwaddr,
// which OTP documents and does not implement.
func SetHWAddr(s *esock.Socket, name string, hw HardwareAddr) error {
	if err := esock.RawAddr(esock.Domain(hw.Type), hw.Addr).Err(); err != nil {
		return fail(s, err)
	}
	a := corecall.Address{Family: uint16(hw.Type), Len: uint8(len(hw.Addr))}
	if copy(a.Data[:], hw.Addr) < len(hw.Addr) {
		return fail(s, syscall.EINVAL)
	}
	return set(s, corecall.SIFHWAddr, name, corecall.RequestArg{Addr: a})
}

// SetMTU sets the size in bytes of the largest packet that an interface sends. Errors: EINVAL for a size that the device cannot
// have; *esock.InvalidError "ioctl_argument" for a number that is not a C int. SIOCSIFMTU; OTP: sifmtu.
func SetMTU(s *esock.Socket, name string, bytes int) error {
	return setInt(s, corecall.SIFMTU, name, bytes)
}

// SetTxQLen sets the length of the transmit queue of an interface, in packets. Errors: as SetMTU. SIOCSIFTXQLEN;
// OTP: siftxqlen.
func SetTxQLen(s *esock.Socket, name string, packets int) error {
	return setInt(s, corecall.SIFTxQLen, name, packets)
}
