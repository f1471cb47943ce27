package netdevice

import (
	"iter"
	"math"
	"net"
	"net/netip"
	"slices"

	"github.com/esock-go/esock"
	"github.com/esock-go/esock/internal/corecall"
	"github.com/esock-go/esock/internal/plain"
)

// Request describes a request that IOCtl knows.
type Request struct {
	Name     string // "gifmtu"
	Constant string // "SIOCGIFMTU"; "" if Linux does not have it
	Number   uint   // of SIOCGIFMTU; 0 if the request is not an ioctl on Linux
	Set      bool   // whether it changes something
	Doc      string // what it reads or sets
}

// Requests iterates over the requests that IOCtl knows, including those that Linux does not have. A request with two names comes
// twice.
func Requests() iter.Seq[Request] {
	return func(yield func(Request) bool) {
		for _, r := range corecall.Requests() {
			if !yield(Request{Name: r.Name, Constant: r.Constant, Number: r.Number, Set: r.Set, Doc: r.Doc}) {
				return
			}
		}
		for _, a := range aliases {
			r := corecall.Requests()[find(a.name)]
			if !yield(Request{Name: a.alias, Constant: r.Constant, Number: r.Number, Set: r.Set, Doc: r.Doc}) {
				return
			}
		}
	}
}

// aliases are names of OTP's manual for requests that have others in its code.
var aliases = []struct{ alias, name string }{{"rcvall_igmpmcall", "rcvall_igmpmcast"}, {"rcvall_mcall", "rcvall_mcast"}}

// find returns the row of a request by its name or alias, or -1.
func find(name string) int {
	for _, a := range aliases {
		if a.alias == name {
			name = a.name
		}
	}
	return slices.IndexFunc(corecall.Requests(), func(r corecall.RequestRow) bool { return r.Name == name })
}

// IOCtl makes a request by OTP's name: IOCtl(s, "gifmtu", "eth0"). Arguments and results are plain data:
//
//	gifconf                        a list of {name, addr}
//	nread, nwrite, nspace          an int
//	atmark                         a bool
//	tcp_info                       a map with OTP's keys; see below
//	gifname                        takes an index, returns the name
//	gifindex, gifmtu, giftxqlen    take a name, return an int
//	gifaddr, gifdstaddr,
//	gifbrdaddr, gifnetmask         take a name, return an address as esock.Addr.Map makes it
//	gifhwaddr                      takes a name, returns {family, addr (bytes)}
//	gifflags                       takes a name, returns a list of names, bits without a name as an int at the end
//	gifmap                         takes a name, returns {mem_start, mem_end, base_addr, irq, dma, port}
//	sifflags                       takes a name, and a map of flags to booleans
//	sifaddr, sifdstaddr,
//	sifbrdaddr, sifnetmask         take a name, and an address: esock.Addr, netip.Addr, text, or a map
//	sifhwaddr                      takes a name, and an address as gifhwaddr returns it
//	sifmtu, siftxqlen              take a name, and an integer
//
// Requests that set something return nil. The functions of this package (MTU, SetMTU, …) and the socket's methods NRead,
// NWrite, NSpace and AtMark say more about each.
//
// tcp_info is for programs that need OTP's keys; sockopt.TCPInfo has everything that the kernel reports. The keys are state,
// mss, timestamp_enabled, rtt and min_rtt (µs), bytes_in_flight, cwnd, snd_wnd, rcv_wnd, rcv_buf, bytes_out, bytes_in,
// bytes_retrans, timeout_episodes, as far as this kernel reports them. Linux does not have OTP's connection_time,
// bytes_reordered, fast_retrans, dup_acks_in and syn_retrans. min_rtt is missing before the first sample. cwnd is in bytes,
// though Linux counts segments. The request may have a version as its argument, which must be 0.
//
// Errors: those of the typed functions, and *esock.InvalidError: "ioctl_request" for a request that is unknown or that Linux
// does not have; "ioctl_flag" for such a flag; "ioctl_argument" for arguments of the wrong type or number. OTP:
// socket:ioctl/2,3,4.
func IOCtl(s *esock.Socket, request string, args ...any) (any, error) {
	i := find(request)
	if i < 0 {
		return nil, fail(s, &esock.InvalidError{What: "ioctl_request", Value: request, Cause: "not a known request"})
	}
	row := &corecall.Requests()[i]
	if row.Constant == "" {
		return nil, fail(s, &esock.InvalidError{What: "ioctl_request", Value: request, Cause: row.Doc})
	}
	if takes := badArgs(row, args); takes != "" {
		return nil, badArgument(s, args, row.Name+" takes "+takes)
	}
	switch {
	case row.Set:
		return nil, setPlain(s, i, args[0].(string), args[1])
	case row.Key == corecall.KeyName:
		return askPlain(s, i, args[0].(string))
	case row.Key == corecall.KeyIndex:
		index, _ := plain.Integer(args[0])
		return orNil(Name(s, int(index)))
	}
	switch row.Form {
	case corecall.FormConf:
		return addrsPlain(s)
	case corecall.FormInfo:
		return tcpInfo(s)
	case corecall.FormBool:
		return orNil(s.AtMark())
	}
	return orNil(askInt(s, i, ""))
}

// orNil turns a result into plain data.
func orNil[T any](v T, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return v, nil
}

// badArgs checks the number of arguments and the type of the first, and says what the request takes if they are wrong. The value
// to set is checked by its own conversion.
func badArgs(row *corecall.RequestRow, args []any) (takes string) {
	ok := false
	switch {
	case row.Form == corecall.FormInfo:
		takes = "at most a version, which is 0"
		ok = len(args) == 0
		if len(args) == 1 {
			v, is := plain.Integer(args[0])
			ok = is && v == 0
		}
	case row.Key == corecall.KeyNone:
		takes, ok = "nothing", len(args) == 0
	case row.Key == corecall.KeyIndex:
		takes = "an interface's index"
		if len(args) == 1 {
			_, ok = plain.Integer(args[0])
		}
	case row.Set:
		takes = "an interface's name and a value"
		if len(args) == 2 {
			_, ok = args[0].(string)
		}
	default:
		takes = "an interface's name"
		if len(args) == 1 {
			_, ok = args[0].(string)
		}
	}
	if ok {
		return ""
	}
	return takes
}

func askPlain(s *esock.Socket, request int, name string) (any, error) {
	switch corecall.Requests()[request].Form {
	case corecall.FormAddr:
		a, err := askAddr(s, request, name)
		return orNil(a.Map(), err)
	case corecall.FormHWAddr:
		hw, err := HWAddr(s, name)
		return orNil(hw.Map(), err)
	case corecall.FormFlags:
		f, err := Flags(s, name)
		return orNil(f.list(), err)
	case corecall.FormMap:
		m, err := Map(s, name)
		return orNil(m.Map(), err)
	}
	return orNil(askInt(s, request, name))
}

func setPlain(s *esock.Socket, request int, name string, value any) error {
	switch corecall.Requests()[request].Form {
	case corecall.FormAddr:
		a, err := addrFromPlain(value)
		if err != nil {
			return fail(s, err)
		}
		return setAddr(s, request, name, a)
	case corecall.FormHWAddr:
		hw, err := hardwareAddrFromPlain(value)
		if err != nil {
			return fail(s, err)
		}
		return SetHWAddr(s, name, hw)
	case corecall.FormFlags:
		on, off, err := flagsFromPlain(value)
		if err != nil {
			return fail(s, err)
		}
		return SetFlags(s, name, on, off)
	}
	n, ok := plain.Integer(value)
	if !ok || !plain.FitsCInt(n) {
		return badArgument(s, value, "not an integer that fits a C int")
	}
	return setInt(s, request, name, int(n))
}

func addrsPlain(s *esock.Socket) (any, error) {
	list, err := Addrs(s)
	if err != nil {
		return nil, err
	}
	maps := make([]any, len(list))
	for i, a := range list {
		maps[i] = a.Map()
	}
	return maps, nil
}

// Map returns {name, addr}, as OTP has it.
func (a InterfaceAddr) Map() map[string]any {
	return map[string]any{"name": a.Name, "addr": a.Addr.Map()}
}

// InterfaceAddrFromMap reads what Map returns. Errors: *esock.InvalidError "ifconf", or "sockaddr" for the address.
func InterfaceAddrFromMap(m map[string]any) (InterfaceAddr, error) {
	r := plain.Read(m)
	a := InterfaceAddr{Name: r.Text("name")}
	addr := r.Inner("addr").All()
	cause := r.Finish("name", "addr")
	if cause != "" {
		return InterfaceAddr{}, &esock.InvalidError{What: "ifconf", Value: m, Cause: cause}
	}
	var err error
	if a.Addr, err = esock.AddrFromMap(addr); err != nil {
		return InterfaceAddr{}, err
	}
	return a, nil
}

// The hardware types by OTP's names: those of packet addresses, and one more.
var hardwareTypes = append(plain.Names{{770, "frelay"}}, plain.HardwareTypes...)

// Map returns {family, addr}, as OTP has it: family is a name ("ether") or a number.
func (hw HardwareAddr) Map() map[string]any {
	return map[string]any{"family": hardwareTypes.Value(hw.Type), "addr": []byte(hw.Addr)}
}

// HardwareAddrFromMap makes a hardware address from a map in the form of Map. Errors: *esock.InvalidError "sockaddr" for unknown
// keys, wrong types and numbers out of range.
func HardwareAddrFromMap(m map[string]any) (HardwareAddr, error) {
	r := plain.Read(m)
	if _, ok := m["family"]; !ok {
		return HardwareAddr{}, &esock.InvalidError{What: "sockaddr", Value: m, Cause: "the key family is missing"}
	}
	hw := HardwareAddr{Type: int(r.Named("family", hardwareTypes, math.MaxUint16, 0)), Addr: net.HardwareAddr(r.Bytes("addr"))}
	if cause := r.Finish(); cause != "" {
		return HardwareAddr{}, &esock.InvalidError{What: "sockaddr", Value: m, Cause: cause}
	}
	return hw, nil
}

// Map returns {mem_start, mem_end, base_addr, irq, dma, port}, as OTP has it.
func (m Mapping) Map() map[string]any {
	return map[string]any{"mem_start": m.MemStart, "mem_end": m.MemEnd, "base_addr": int(m.BaseAddr), "irq": int(m.IRQ),
		"dma": int(m.DMA), "port": int(m.Port)}
}

// MappingFromMap reads what Map returns. Missing keys are 0. Errors: *esock.InvalidError "ifmap" that names the key.
func MappingFromMap(m map[string]any) (Mapping, error) {
	var v Mapping
	r := plain.Read(m)
	r.Count("mem_start", &v.MemStart)
	r.Count("mem_end", &v.MemEnd)
	v.BaseAddr = uint16(r.Number("base_addr", 0, math.MaxUint16, 0))
	for key, n := range map[string]*uint8{"irq": &v.IRQ, "dma": &v.DMA, "port": &v.Port} {
		*n = uint8(r.Number(key, 0, math.MaxUint8, 0))
	}
	if cause := r.Finish(); cause != "" {
		return Mapping{}, &esock.InvalidError{What: "ifmap", Value: m, Cause: cause}
	}
	return v, nil
}

func addrFromPlain(value any) (esock.Addr, error) {
	switch v := value.(type) {
	case esock.Addr:
		return v, nil
	case netip.Addr:
		return esock.Inet4Addr(v, 0), nil
	case string:
		if ip, err := netip.ParseAddr(v); err == nil {
			return esock.Inet4Addr(ip, 0), nil
		}
		return esock.ParseAddr(v)
	case map[string]any:
		return esock.AddrFromMap(v)
	}
	return esock.Addr{}, &esock.InvalidError{What: "ioctl_argument", Value: value, Cause: "not an address"}
}

func hardwareAddrFromPlain(value any) (HardwareAddr, error) {
	switch v := value.(type) {
	case HardwareAddr:
		return v, nil
	case map[string]any:
		return HardwareAddrFromMap(v)
	}
	return HardwareAddr{}, &esock.InvalidError{What: "ioctl_argument", Value: value, Cause: "not a hardware address"}
}
