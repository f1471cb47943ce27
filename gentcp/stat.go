package gentcp

import "slices"

// Stat is one statistic of GetStat, with OTP's name.
type Stat struct {
	Name  string
	Value uint64
}

// StatNames returns the names of the statistics, in OTP's order: for each direction bytes, operations, and the largest and
// mean bytes of an operation. recv_dvi and send_pend are always 0.
func StatNames() []string { return slices.Clone(statNames[:]) }

var statNames = [...]string{"recv_oct", "recv_cnt", "recv_max", "recv_avg", "recv_dvi",
	"send_oct", "send_cnt", "send_max", "send_avg", "send_pend"}

// GetStat reads statistics in the order of the names, or all without names. Unknown names are omitted. The numbers count
// bytes and operations of the kernel, not packets, since the socket was made. Errors: EINVAL on a closed socket. OTP:
// inet:getstat/1,2.
func (s *Socket) GetStat(names ...string) ([]Stat, error) {
	if !s.made() {
		return nil, notMade("getstat")
	}
	if s.sock.Closed() {
		return nil, s.fail("getstat", optionError(closedHere))
	}
	if len(names) == 0 {
		names = statNames[:]
	}
	c := s.sock.Counters()
	sent, sends, largest := c.WriteByte, c.WritePkg, c.WritePkgMax
	if f := c.SendFile; f != nil {
		sent, sends, largest = sent+f.Byte, sends+f.Pkg, max(largest, f.PkgMax)
	}
	values := map[string]uint64{
		"recv_oct": c.ReadByte, "recv_cnt": c.ReadPkg, "recv_max": c.ReadPkgMax, "recv_avg": mean(c.ReadByte, c.ReadPkg),
		"recv_dvi": 0,
		"send_oct": sent, "send_cnt": sends, "send_max": largest, "send_avg": mean(sent, sends),
		"send_pend": 0,
	}
	var stats []Stat
	for _, name := range names {
		if v, ok := values[name]; ok {
			stats = append(stats, Stat{name, v})
		}
	}
	return stats, nil
}

// mean rounds to the nearest integer, half up. For n = 0 it is the sum.
func mean(sum, n uint64) uint64 {
	if n == 0 {
		return sum
	}
	if rest := sum % n; rest >= n-rest {
		return sum/n + 1
	}
	return sum / n
}
