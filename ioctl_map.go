package esock

import (
	"encoding/binary"
	"math"
	"net"
	"net/netip"
	"slices"

	"github.com/esock-go/esock/internal/plain"
)

// IOCtl makes a request by OTP's name: IOCtl("gifmtu", "eth0"). What it takes and returns is plain data:
//
//	gifconf                        a list of {name, addr}
//	nread, nwrite, nspace          an int
//	atmark                         a bool
//	tcp_info                       a map with OTP's keys; see below
//	gifname                        takes an index, returns the name
//	gifindex, gifmtu, giftxqlen    take a name, return an int
//	gifaddr, gifdstaddr,
//	gifbrdaddr, gifnetmask         take a name, return an address as Addr.Map makes it
//	gifhwaddr                      takes a name, returns {family, addr (bytes)}
//	gifflags                       takes a name, returns a list of names, bits without a name as an int at the end
//	gifmap                         takes a name, returns {mem_start, mem_end, base_addr, irq, dma, port}
//	sifflags                       takes a name, and a map of flags to booleans
//	sifaddr, sifdstaddr,
//	sifbrdaddr, sifnetmask         take a name, and an address: Addr, netip.Addr, text, or a map
//	sifhwaddr                      takes a name, and an address as gifhwaddr returns it
//	sifmtu, siftxqlen              take a name, and an integer
//
// Set requests return nil. The typed methods (IfMTU, SetIfMTU, …) say more about each.
//
// tcp_info has state, mss, timestamp_enabled, rtt and min_rtt (µs), bytes_in_flight, cwnd, snd_wnd, rcv_wnd, rcv_buf,
// bytes_out, bytes_in, bytes_retrans, timeout_episodes, as far as this kernel tells them; Linux does not know OTP's
// connection_time, bytes_reordered, fast_retrans, dup_acks_in and syn_retrans. min_rtt is not there before the first sample. cwnd is in bytes, though Linux counts segments.
// It may have a version as its argument, which must be 0.
//
// Errors: those of the typed methods, and *InvalidError: "ioctl_request" for a request that is not known, or not on Linux;
// "ioctl_flag" for such a flag; "ioctl_argument" for arguments of another kind or number. OTP: socket:ioctl/2,3,4.
func (s *Socket) IOCtl(request string, args ...any) (any, error) {
	i := slices.IndexFunc(ioctlRows(), func(r IOCtlInfo) bool { return r.Name == request })
	if i < 0 {
		return nil, s.fail(opIOCtl, &InvalidError{What: "ioctl_request", Value: request, Cause: "not a known request"})
	}
	row := &ioctlRows()[i]
	if row.Constant == "" {
		return nil, s.fail(opIOCtl, &InvalidError{What: "ioctl_request", Value: request, Cause: row.Doc})
	}
	if err := row.checkArgs(args); err != nil {
		return nil, s.fail(opIOCtl, err)
	}
	switch {
	case row.Set:
		return nil, s.ioctlSet(i, args[0].(string), args[1])
	case row.key == ioKeyName:
		return s.ioctlAskOf(i, args[0].(string))
	case row.key == ioKeyIndex:
		index, _ := plain.Integer(args[0])
		return orNil(s.IfName(int(index)))
	}
	switch row.form {
	case ioFormConf:
		return s.ifConfPlain()
	case ioFormInfo:
		return s.tcpInfoPlain()
	case ioFormBool:
		return orNil(s.AtMark())
	}
	return orNil(s.askInt(i))
}

// orNil makes plain data of a result.
func orNil[T any](v T, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return v, nil
}

// checkArgs checks the arguments' number, and the kind of the first; what is set checks its own value.
func (row *IOCtlInfo) checkArgs(args []any) error {
	var takes string
	ok := false
	switch {
	case row.form == ioFormInfo:
		takes = "at most a version, which is 0"
		ok = len(args) == 0
		if len(args) == 1 {
			v, is := plain.Integer(args[0])
			ok = is && v == 0
		}
	case row.key == ioKeyNone:
		takes, ok = "nothing", len(args) == 0
	case row.key == ioKeyIndex:
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
		return nil
	}
	return &InvalidError{What: "ioctl_argument", Value: args, Cause: row.Name + " takes " + takes}
}

func (s *Socket) ioctlAskOf(request int, name string) (any, error) {
	switch ioctlRows()[request].form {
	case ioFormAddr:
		a, err := s.askAddrOf(request, name)
		return orNil(a.Map(), err)
	case ioFormHWAddr:
		hw, err := s.IfHWAddr(name)
		return orNil(hw.Map(), err)
	case ioFormFlags:
		f, err := s.IfFlags(name)
		return orNil(f.list(), err)
	case ioFormMap:
		m, err := s.IfMap(name)
		return orNil(m.Map(), err)
	}
	return orNil(s.askIntOf(request, name))
}

func (s *Socket) ioctlSet(request int, name string, value any) error {
	switch ioctlRows()[request].form {
	case ioFormAddr:
		a, err := inetFromPlain(value)
		if err != nil {
			return s.fail(opIOCtl, err)
		}
		return s.setAddrOf(request, name, a)
	case ioFormHWAddr:
		hw, err := hwAddrFromPlain(value)
		if err != nil {
			return s.fail(opIOCtl, err)
		}
		return s.SetIfHWAddr(name, hw)
	case ioFormFlags:
		on, off, err := ifFlagsFromPlain(value)
		if err != nil {
			return s.fail(opIOCtl, err)
		}
		return s.SetIfFlags(name, on, off)
	}
	n, ok := plain.Integer(value)
	if !ok || !plain.FitsCInt(n) {
		return s.fail(opIOCtl, &InvalidError{What: "ioctl_argument", Value: value, Cause: "not an integer that fits a C int"})
	}
	return s.setIntOf(request, name, int(n))
}

func (s *Socket) ifConfPlain() (any, error) {
	list, err := s.IfConf()
	if err != nil {
		return nil, err
	}
	plain := make([]any, len(list))
	for i, a := range list {
		plain[i] = a.Map()
	}
	return plain, nil
}

// Map is {name, addr}, as OTP has it.
func (a IfAddr) Map() map[string]any { return map[string]any{"name": a.Name, "addr": a.Addr.Map()} }

// Hardware types as OTP names them: those of packet addresses, and one more.
var hwTypeNames = append(plain.Names{{770, "frelay"}}, haTypeNames...)

// Map is {family, addr}, as OTP has it: family is a name ("ether"), or a number.
func (hw HWAddr) Map() map[string]any {
	return map[string]any{"family": hwTypeNames.Value(hw.Type), "addr": []byte(hw.Addr)}
}

// HWAddrFromMap makes a hardware address of a map as Map returns it. Unknown keys, wrong types and numbers out of range are
// refused, with an *InvalidError "sockaddr".
func HWAddrFromMap(m map[string]any) (HWAddr, error) {
	r := plain.Read(m)
	if _, ok := m["family"]; !ok {
		return HWAddr{}, &InvalidError{What: "sockaddr", Value: m, Cause: "the key family is missing"}
	}
	hw := HWAddr{Type: int(r.Named("family", hwTypeNames, math.MaxUint16, 0)), Addr: net.HardwareAddr(r.Bytes("addr"))}
	if cause := r.Finish(); cause != "" {
		return HWAddr{}, &InvalidError{What: "sockaddr", Value: m, Cause: cause}
	}
	return hw, nil
}

// Map is {mem_start, mem_end, base_addr, irq, dma, port}, as OTP has it.
func (m IfMap) Map() map[string]any {
	return map[string]any{"mem_start": m.MemStart, "mem_end": m.MemEnd, "base_addr": int(m.BaseAddr), "irq": int(m.IRQ),
		"dma": int(m.DMA), "port": int(m.Port)}
}

// list is the flags as maps have them: the names, and the rest as one integer at the end.
func (f IfFlags) list() []any {
	names, rest := f.Names()
	l := make([]any, 0, len(names)+1)
	for _, n := range names {
		l = append(l, n)
	}
	if rest != 0 {
		l = append(l, int(rest))
	}
	return l
}

func ifFlagsFromPlain(value any) (on, off IfFlags, err error) {
	set := func(name string, v any) error {
		f, err := ParseIfFlag(name)
		if err != nil {
			return err
		}
		switch v {
		case true:
			on |= f
		case false:
			off |= f
		default:
			return &InvalidError{What: "ioctl_flag", Value: name, Cause: "its value is not a boolean"}
		}
		return nil
	}
	switch m := value.(type) {
	case map[string]bool:
		for name, v := range m {
			if err := set(name, v); err != nil {
				return 0, 0, err
			}
		}
	case map[string]any:
		for name, v := range m {
			if err := set(name, v); err != nil {
				return 0, 0, err
			}
		}
	default:
		return 0, 0, &InvalidError{What: "ioctl_argument", Value: value, Cause: "not a map of flags to booleans"}
	}
	return on, off, nil
}

func inetFromPlain(value any) (Addr, error) {
	switch v := value.(type) {
	case Addr:
		return v, nil
	case netip.Addr:
		return Inet4Addr(v, 0), nil
	case string:
		if ip, err := netip.ParseAddr(v); err == nil {
			return Inet4Addr(ip, 0), nil
		}
		return ParseAddr(v)
	case map[string]any:
		return AddrFromMap(v)
	}
	return Addr{}, &InvalidError{What: "ioctl_argument", Value: value, Cause: "not an address"}
}

func hwAddrFromPlain(value any) (HWAddr, error) {
	switch v := value.(type) {
	case HWAddr:
		return v, nil
	case map[string]any:
		return HWAddrFromMap(v)
	}
	return HWAddr{}, &InvalidError{What: "ioctl_argument", Value: value, Cause: "not a hardware address"}
}

// ---- tcp_info

// The states of struct tcp_info, by OTP's names; <netinet/tcp.h>.
var tcpInfoStates = plain.Names{
	{7, "closed"}, {10, "listen"}, {2, "syn_sent"}, {3, "syn_rcvd"}, {1, "established"}, {4, "fin_wait_1"},
	{5, "fin_wait_2"}, {8, "close_wait"}, {11, "closing"}, {9, "last_ack"}, {6, "time_wait"}, {12, "syn_rcvd"},
}

// tcpInfoFields are the numbers that OTP has a key for: where they are in Linux's struct tcp_info, of which older kernels
// have only the beginning.
var tcpInfoFields = []struct {
	key    string
	offset int
	size   int
}{
	{"mss", 16, 4}, {"rtt", 68, 4}, {"bytes_in", 128, 8}, {"min_rtt", 148, 4}, {"bytes_out", 200, 8},
	{"bytes_retrans", 208, 8}, {"snd_wnd", 228, 4}, {"rcv_wnd", 232, 4}, {"timeout_episodes", 242, 2},
}

func (s *Socket) tcpInfoPlain() (any, error) {
	const (
		optTCPInfo = 11
		optRcvBuf  = 8
	)
	var info [512]byte
	var buf [4]byte
	n, m := 0, 0
	var queued cIOArg
	err := s.simple(opIOCtl, func(h *handle) (r int) {
		if n, r = cGetOptNative(h, solTCP, optTCPInfo, info[:]); r < 0 {
			return r
		}
		if m, r = cGetOptNative(h, solSocket, optRcvBuf, buf[:]); r < 0 {
			return r
		}
		if cIOCtl(h, ioNWrite, &queued) < 0 { // a listener has no such queue
			queued.i = 0
		}
		return 0
	})
	if err != nil {
		return nil, err
	}
	return tcpInfoMap(info[:n], int64(queued.i), buf[:m]), nil
}

// tcpInfoMap is OTP's map of what Linux says; queued is what was sent and is not acknowledged.
func tcpInfoMap(info []byte, queued int64, rcvBuf []byte) map[string]any {
	field := func(offset, size int) (n uint64, ok bool) {
		if len(info) < offset+size {
			return 0, false
		}
		switch b := info[offset:]; size {
		case 1:
			return uint64(b[0]), true
		case 2:
			return uint64(binary.NativeEndian.Uint16(b)), true
		case 4:
			return uint64(binary.NativeEndian.Uint32(b)), true
		default:
			return binary.NativeEndian.Uint64(b), true
		}
	}
	m := map[string]any{}
	if state, ok := field(0, 1); ok {
		m["state"] = tcpInfoStates.Value(int(state))
	}
	if options, ok := field(5, 1); ok {
		m["timestamp_enabled"] = options&1 != 0
	}
	for _, f := range tcpInfoFields {
		n, ok := field(f.offset, f.size)
		if f.key == "min_rtt" && n == math.MaxUint32 {
			ok = false // no sample yet
		}
		if ok {
			m[f.key] = n
		}
	}
	mss, _ := field(16, 4)
	if segments, ok := field(80, 4); ok {
		m["cwnd"] = segments * mss
	}
	if unsent, ok := field(144, 4); ok {
		m["bytes_in_flight"] = uint64(max(queued-int64(unsent), 0))
	}
	if len(rcvBuf) == 4 {
		m["rcv_buf"] = uint64(binary.NativeEndian.Uint32(rcvBuf))
	}
	return m
}
