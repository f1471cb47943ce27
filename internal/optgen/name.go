package main

import "strings"

var levels = map[string]string{"ip": "IP", "ipv6": "IPv6", "tcp": "TCP", "udp": "UDP", "udplite": "UDPLite", "sctp": "SCTP",
	"mptcp": "MPTCP", "icmpv6": "ICMPv6", "vsock": "VSock", "tls": "TLS",
	"can_raw": "CANRaw", "tipc": "TIPC", "alg": "ALG", "xdp": "XDP"}

// The words of OTP's names and their spelling in Go. A longer word comes before one that it begins with. Other text stays one
// word.
var words = []string{
	"setpeerprim:SetPeerPrim", "paddrparams:PeerAddrParams", "paddrinfo:PeerAddrInfo", "paddrthlds:PeerAddrThlds",
	"sndrcvinfo:SndRcvInfo", "sndinfo:SndInfo", "rcvinfo:RcvInfo", "nxtinfo:NxtInfo", "authkeyid:AuthKeyID",
	"authkey:AuthKey", "authchunks:AuthChunks", "authchunk:AuthChunk", "hmacalgo:HMACAlgo", "hmac:HMAC", "udpencaps:UDPEncaps",
	"probeinterval:ProbeInterval", "plpmtud:PLPMTUD", "setadaptation:SetAdaptation", "prinfo:PrInfo", "vnet:VNet",
	"nsid:NSID", "multiaddr:MultiAddr", "sourceaddr:SourceAddr", "slist:SList", "keylen:KeyLen", "prefixlen:PrefixLen",
	"wscale:WScale", "rttvar:RTTVar", "notsent:NotSent", "sackdelay:SACKDelay", "sackinfo:SACKInfo", "memberships:Memberships",
	"acceptconn:AcceptConn", "addrform:AddrForm", "advmss:AdvMSS", "associnfo:AssocInfo", "assocparams:AssocParams",
	"autoclose:AutoClose", "autoflowlabel:AutoFlowLabel", "auxdata:AuxData", "bindtodevice:BindToDevice",
	"bindtoifindex:BindToIfIndex", "bpf:BPF", "ca:CA", "cbpf:CBPF", "cc:CC", "ce:CE", "cid:CID", "cpu:CPU", "cscov:CsCov",
	"cwnd:Cwnd", "dontfrag:DontFrag", "dontroute:DontRoute", "dscp:DSCP", "dstopts:DstOpts", "dupack:DupACK", "ebpf:EBPF",
	"ecn:ECN", "fragsize:FragSize", "fastopen:FastOpen", "flowinfo:FlowInfo", "flowlabel:FlowLabel", "freebind:FreeBind", "gid:GID", "gro:GRO",
	"hbinterval:HBInterval", "hdrincl:HdrIncl", "hdrlen:HdrLen", "hoplimit:HopLimit", "hopopts:HopOpts", "hops:Hops",
	"icmp:ICMP", "ids:IDs", "id:ID", "ifindex:IfIndex", "if:If", "initmsg:InitMsg", "ip6:IP6", "ipv6:IPv6", "ip:IP",
	"keepalive:KeepAlive", "keepcnt:KeepCnt", "keepidle:KeepIdle", "keepintvl:KeepIntvl", "maxburst:MaxBurst",
	"maxseg:MaxSeg", "authhdr:AuthHdr", "membership:Membership", "msfilter:MsFilter", "nexthop:NextHop", "md5sig:MD5Sig", "meminfo:MemInfo", "minhopcount:MinHopCount", "minttl:MinTTL", "mptcp:MPTCP",
	"mreqn:Mreq", "mss:MSS", "mtu:MTU", "napi:NAPI", "netns:NetNS", "nodefrag:NoDefrag", "nodelay:NoDelay", "nofcs:NoFCS",
	"oobinline:OOBInline", "optmem:OptMem", "origdev:OrigDev", "origdstaddr:OrigDstAddr", "passcred:PassCred", "passpidfd:PassPIDFD",
	"passrights:PassRights", "passsec:PassSec", "pathmtu:PathMTU", "peercred:PeerCred", "peergroups:PeerGroups",
	"peerpidfd:PeerPIDFD", "peersec:PeerSec", "pid:PID", "pktinfo:PktInfo", "pktoptions:PktOptions", "pmtu:PMTU", "ppid:PPID",
	"quickack:QuickACK", "rcvbuf:RcvBuf", "rcvlowat:RcvLowat", "rcvmark:RcvMark", "rcvpriority:RcvPriority",
	"rcvtimeo:RcvTimeo", "recverr:RecvErr", "recvq:RecvQ", "recv:Recv", "authsize:AuthSize", "umem:UMem", "mmap:MMap", "rehash:Rehash", "reuseaddr:ReuseAddr", "reuseport:ReusePort",
	"rfc:RFC", "rtoinfo:RTOInfo", "rto:RTO", "rtt:RTT", "rthdr:RtHdr", "rx:RX", "rxq:RXQ", "sctp:SCTP", "sndbuf:SndBuf",
	"sndlowat:SndLowat", "sndtimeo:SndTimeo", "srtt:SRTT", "ssthresh:SSThresh", "syncnt:SynCnt", "syn:SYN", "tclass:TClass",
	"tcpinfo:TCPInfo", "tcp:TCP", "timestamping:Timestamping", "timestampns:TimestampNS", "tos:TOS", "tls:TLS", "tsn:TSN", "ttl:TTL",
	"tx:TX", "txrehash:TXRehash", "txtime:TXTime", "clockid:ClockID", "retopts:RetOpts", "ipsec:IPsec", "enobufs:ENOBUFS", "asconf:ASCONF", "delack:DelACK",
	"dsack:DSACK", "accecn:AccECN", "controllen:ControlLen", "asocmaxrxt:AsocMaxRxt", "pathmaxrxt:PathMaxRxt",
	"pathpfthld:PathPFThld", "pathcpthld:PathCPThld", "prstatus:PrStatus", "ipaddr:IPAddr", "maxrto:MaxRTO", "isacks:ISACKs",
	"osacks:OSACKs", "opackets:OPackets", "ipackets:IPackets", "rtxchunks:RtxChunks", "outofseqtsns:OutOfSeqTSNs",
	"idupchunks:IDupChunks", "gapcnt:GapCnt", "ouodchunks:OUnorderedChunks", "iuodchunks:IUnorderedChunks",
	"oodchunks:OOrderedChunks", "iodchunks:IOrderedChunks", "octrlchunks:OCtrlChunks", "ictrlchunks:ICtrlChunks",
	"penddata:PendData", "unackdata:UnackData", "instrms:InStrms", "outstrms:OutStrms",
	"keynumber:KeyNumber", "copybuf:CopyBuf", "sfinfo:SFInfo", "alen:ALen", "udp:UDP", "uid:UID", "ulp:ULP", "us:US", "v6only:V6Only", "zerocopy:ZeroCopy",
}

// whole has the names that the words would spell wrongly.
var whole = map[string]string{"ms": "MS", "rfc2292": "RFC2292", "rfc4884": "RFC4884", "ao": "AO", "pr": "PR", "pf": "PF", "us": "US", "if": "If", "id": "ID", "ip": "IP", "cc": "CC", "ca": "CA", "ce": "CE",
	"rx": "RX", "tx": "TX", "in6": "In6", "in": "In", "so": "", "sk": "",
	"phc": "PHC", "can": "CAN", "fd": "FD", "xl": "XL", "vcid": "VCID", "fr": "Fill", "cr": "Completion", "xdp": "XDP", "tipc": "TIPC", "drbg": "DRBG", "aead": "AEAD", "sid": "SID", "ro": "RO", "sack": "SACK", "skb": "SKB", "vm": "VM", "ack": "ACK", "ato": "ATO", "io": "IO"}

// spell returns the Go name for words with underscores between them.
func spell(name string) string {
	var b strings.Builder
	for part := range strings.SplitSeq(name, "_") {
		if w, ok := whole[part]; ok {
			b.WriteString(w)
			continue
		}
		for part != "" {
			word, spelt := part, capital(part)
			for _, w := range words {
				from, to, _ := strings.Cut(w, ":")
				// A short word counts only at the end, or it would be found in every other.
				if part == from || len(from) > 3 && strings.HasPrefix(part, from) ||
					(from == "ttl" || from == "tos") && strings.HasPrefix(part, from) {
					word, spelt = from, to
					break
				}
			}
			b.WriteString(spelt)
			part = part[len(word):]
		}
	}
	return b.String()
}

// goName returns the exported name: level and words.
func (r row) goName() string {
	level, ok := levels[r.level]
	if !ok {
		level = capital(r.level)
	}
	return level + spell(r.name)
}

// structNames has the structures whose C name says too little or too much for a Go type.
var structNames = map[string]string{"sock_txtime": "TXTimeConfig", "so_timestamping": "TimestampingConfig", "sk_meminfo": "MemInfo",
	"ip_mreqn": "IPMreq", "in6_flowlabel_req": "FlowLabelReq", "ip6_mtuinfo": "MTUInfo", "ip_msfilter": "IPSourceFilter",
	"tpacket_req": "PacketRing", "tpacket_stats": "PacketStats", "tpacket_rollover_stats": "PacketRollovers"}

func (s *structure) goName() string {
	if n, ok := structNames[s.name]; ok {
		return n
	}
	if _, ok := handmade[s.name]; ok {
		return ""
	}
	name := spell(s.name)
	if s.taken {
		name += "Value" // a variable has the name
	}
	return name
}

func (s *structure) codecName() string {
	n := s.goName()
	return "codecOf" + n
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
