package gentcp_test

import (
	"math"
	"syscall"
	"time"

	. "github.com/esock-go/esock/gentcp"
	"github.com/esock-go/esock/internal/testint"
	"github.com/esock-go/esock/packet"
	"github.com/esock-go/esock/sockopt"
)

// optionCase is what is promised of one option.
type optionCase struct {
	name   string
	set    Option   // made by its function
	plain  any      // the same by name; nil: the value of set
	want   any      // what GetOpts then answers; nil: nothing
	def    any      // what it answered before; nil: nothing; system: whatever the kernel has
	inet6  bool     // of IPv6
	early  bool     // only before the socket is bound
	kernel [2]int   // level and number; 0: not the kernel's
	is     int      // what the kernel has then
	plains []any    // more values by name
	bad    []any    // values by name that are wrong
	wrong  []Option // the same from its function
}

// system stands for a default that is the kernel's affair.
type system struct{}

const (
	solSocket      = syscall.SOL_SOCKET
	ipLevel        = syscall.IPPROTO_IP
	ipv6Level      = syscall.IPPROTO_IPV6
	tcpLevel       = syscall.IPPROTO_TCP
	tcpUserTimeout = 18
)

var (
	noBools = []any{nil, "yes", 1, "true", []any{}, map[string]any{}}
	noSizes = []any{nil, -1, 1.5, "1", true, math.NaN(), math.Inf(1), 1e300, []any{1}, int64(math.MaxInt64),
		uint64(math.MaxUint64)}
	noInts = []any{nil, 1.5, "1", true, []any{1}, int64(math.MaxInt64)}
)

func boolOption(name string, set func(bool) Option, def any, level, opt int) optionCase {
	return optionCase{name: name, set: set(true), want: true, def: def, kernel: [2]int{level, opt}, is: 1, bad: noBools}
}

func optionCases() []optionCase {
	cases := []optionCase{
		{name: "active", set: Active(false), want: false, def: true, plains: []any{true, "once", 5, -3, 7.0},
			bad:   []any{nil, "twice", "true", 32768, -32769, 1.5, []any{}},
			wrong: []Option{ActiveN(32768), ActiveN(-32769)}},
		{name: "active", set: ActiveOnce(), plain: "once", want: Once, def: true},
		{name: "active", set: ActiveN(5), plain: 5.0, want: 5, def: true},
		{name: "buffer", set: Buffer(100), plain: 100.0, want: 100, def: 8192, bad: noSizes,
			wrong: []Option{Buffer(-1), Buffer(1<<30 + 1)}},
		{name: "buffer", set: Buffer(0), want: 8192, def: 8192},
		boolOption("debug", Debug, false, 0, 0),
		boolOption("delay_send", DelaySend, false, 0, 0),
		{name: "deliver", set: Deliver(DeliverPort), plain: "port", want: DeliverPort, def: DeliverTerm,
			plains: []any{"term"},
			bad:    []any{nil, "mail", 1, []any{}}, wrong: []Option{Deliver(2)}},
		boolOption("dontroute", DontRoute, false, solSocket, syscall.SO_DONTROUTE),
		{name: "exit_on_close", set: ExitOnClose(false), want: false, def: true, bad: noBools},
		{name: "exclusiveaddruse", set: ExclusiveAddrUse(true), bad: noBools},
		{name: "header", set: Header(3), plain: uint8(3), want: 3, def: 0, bad: noSizes, wrong: []Option{Header(-1)}},
		{name: "high_watermark", set: HighWatermark(0), plain: 0.0, bad: noSizes, wrong: []Option{HighWatermark(-1)}},
		{name: "low_watermark", set: LowWatermark(0), plain: 0.0, bad: noSizes, wrong: []Option{LowWatermark(-1)}},
		{name: "high_msgq_watermark", set: HighMsgqWatermark(1), plain: 1.0, bad: append(noSizes, 0),
			wrong: []Option{HighMsgqWatermark(0)}},
		{name: "low_msgq_watermark", set: LowMsgqWatermark(1), plain: 1.0, bad: append(noSizes, 0),
			wrong: []Option{LowMsgqWatermark(0)}},
		boolOption("keepalive", Keepalive, false, solSocket, syscall.SO_KEEPALIVE),
		{name: "keepcnt", set: KeepCnt(7), plain: 7.0, want: 7, def: system{},
			kernel: [2]int{tcpLevel, syscall.TCP_KEEPCNT}, is: 7, bad: noInts},
		{name: "keepidle", set: KeepIdle(70), plain: 70.0, want: 70, def: system{},
			kernel: [2]int{tcpLevel, syscall.TCP_KEEPIDLE}, is: 70, bad: noInts},
		{name: "keepintvl", set: KeepIntvl(17), plain: 17.0, want: 17, def: system{},
			kernel: [2]int{tcpLevel, syscall.TCP_KEEPINTVL}, is: 17, bad: noInts},
		{name: "line_delimiter", set: LineDelimiter(';'), plain: 59.0, want: int(';'), def: 10,
			bad: []any{nil, -1, 256, ";", 1.5}},
		{name: "linger", set: Linger(true, 3), plain: []any{true, 3.0}, want: sockopt.Linger{On: true, Time: 3 * time.Second}, def: sockopt.Linger{},
			kernel: [2]int{solSocket, syscall.SO_LINGER}, is: 1,
			plains: []any{map[string]any{"onoff": true, "linger": 2.0}, []any{false, 0}, sockopt.Linger{On: true, Time: 1}},
			bad: []any{nil, true, 3, []any{true}, []any{true, -1}, []any{1, 3}, []any{true, 1.5}, []any{true, 3, 4},
				map[string]any{}, []any{nil, nil}},
			wrong: negativeOrFrom(1<<31, func(n int) Option { return Linger(true, n) })},
		{name: "mode", set: Mode(ModeBinary), plain: "binary", want: ModeBinary, def: ModeList, plains: []any{"list"},
			bad:   []any{nil, "bytes", true, 1, []any{}},
			wrong: []Option{Mode(2)}},
		boolOption("nodelay", NoDelay, false, tcpLevel, syscall.TCP_NODELAY),
		boolOption("nopush", NoPush, false, tcpLevel, syscall.TCP_CORK),
		{name: "packet_size", set: PacketSize(0), plain: 0.0, want: 0, def: 64 << 20,
			plains: []any{uint32(math.MaxUint32)},
			bad:    []any{nil, -1, 1.5, "1", int64(1) << 32}, wrong: negativeOrFrom(1<<32, PacketSize)},
		{name: "priority", set: Priority(5), plain: 5.0, want: 5, def: 0,
			kernel: [2]int{solSocket, syscall.SO_PRIORITY}, is: 5, bad: noSizes, wrong: []Option{Priority(-1)}},
		boolOption("read_ahead", func(bool) Option { return ReadAhead(true) }, true, 0, 0),
		{name: "read_ahead", set: ReadAhead(false), want: false, def: true},
		{name: "recbuf", set: RecBuf(20000), plain: 20000.0, want: 40000, def: system{},
			kernel: [2]int{solSocket, syscall.SO_RCVBUF}, is: 40000, bad: noSizes, wrong: []Option{RecBuf(-1)}},
		{name: "sndbuf", set: SndBuf(20000), plain: 20000.0, want: 40000, def: system{},
			kernel: [2]int{solSocket, syscall.SO_SNDBUF}, is: 40000, bad: noSizes, wrong: []Option{SndBuf(-1)}},
		boolOption("recvtos", RecvTOS, false, ipLevel, syscall.IP_RECVTOS),
		boolOption("recvttl", RecvTTL, false, ipLevel, syscall.IP_RECVTTL),
		boolOption("reuseaddr", ReuseAddr, false, solSocket, syscall.SO_REUSEADDR),
		boolOption("reuseport", ReusePort, false, solSocket, 15),
		boolOption("reuseport_lb", ReusePortLB, false, solSocket, 15),
		{name: "send_timeout", set: SendTimeout(1500 * time.Millisecond), plain: 1500.0, want: 1500 * time.Millisecond,
			def:    Infinity,
			plains: []any{"infinity", 0, time.Second}, bad: []any{nil, -1, 1.5, "never", true, int64(math.MaxInt64)}},
		{name: "send_timeout", set: SendTimeout(-5), plain: "infinity", want: Infinity, def: Infinity},
		boolOption("send_timeout_close", SendTimeoutClose, false, 0, 0),
		boolOption("show_econnreset", ShowEconnreset, false, 0, 0),
		{name: "tos", set: TOS(0x10), plain: 16.0, want: 16, def: 0, kernel: [2]int{ipLevel, syscall.IP_TOS}, is: 16,
			bad: noSizes, wrong: []Option{TOS(-1)}},
		{name: "tos", set: TOS(0x13), want: 16, def: 0, kernel: [2]int{ipLevel, syscall.IP_TOS},
			is: 16}, // TCP keeps the two low bits
		{name: "ttl", set: TTL(33), plain: 33.0, want: 33, def: system{}, kernel: [2]int{ipLevel, syscall.IP_TTL},
			is: 33, bad: noSizes, wrong: []Option{TTL(-1)}},
		{name: "user_timeout", set: UserTimeout(2500 * time.Millisecond), plain: 2500.0, want: 2500 * time.Millisecond,
			def: time.Duration(0), kernel: [2]int{tcpLevel, tcpUserTimeout}, is: 2500,
			plains: []any{0, time.Second}, bad: []any{nil, -1, "infinity", 1.5, int64(1) << 31, -time.Second},
			wrong: []Option{UserTimeout(-1), UserTimeout(1 << 31 * time.Millisecond)}},
		{name: "tclass", set: TClass(0x20), plain: 32.0, want: 32, def: 0, inet6: true,
			kernel: [2]int{ipv6Level, syscall.IPV6_TCLASS}, is: 32, bad: noSizes, wrong: []Option{TClass(-1)}},
		{name: "recvtclass", set: RecvTClass(true), want: true, def: false, inet6: true,
			kernel: [2]int{ipv6Level, syscall.IPV6_RECVTCLASS}, is: 1, bad: noBools},
		{name: "ipv6_v6only", set: IPv6V6Only(true), want: true, def: false, inet6: true, early: true,
			kernel: [2]int{ipv6Level, syscall.IPV6_V6ONLY}, is: 1, bad: noBools},
		{name: "bind_to_device", set: BindToDevice("lo"), plain: []byte("lo"), want: "lo", def: "",
			bad: []any{nil, 1, true, []any{"lo"}}},
	}
	packets := map[packet.Type]any{packet.Len0: 0.0, packet.Len1: 1, packet.Len2: int64(2), packet.Len4: uint8(4)}
	for typ := packet.Raw; typ <= packet.HTTPHBin; typ++ {
		if typ == packet.TLS {
			continue
		}
		c := optionCase{name: "packet", set: PacketType(typ), plain: packets[typ], want: typ, def: packet.Raw,
			plains: []any{typ.String()}}
		if typ == packet.Raw {
			c.bad = []any{nil, 3, 5, "ssl_tls", "foo", "", true, 1.5, []any{}, packet.TLS}
			c.wrong = []Option{PacketType(packet.TLS), PacketType(packet.HTTPHBin + 1)}
		}
		cases = append(cases, c)
	}
	return cases
}

// negativeOrFrom are options with -1, and with numbers from least on, where an int can be that large.
func negativeOrFrom(least int64, option func(int) Option) []Option {
	list := []Option{option(-1)}
	for _, n := range testint.Wide() {
		if int64(n) >= least {
			list = append(list, option(n))
		}
	}
	return list
}
