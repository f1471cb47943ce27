package packet

// headerNames are the headers that OTP knows, by index. OTP erts packet_parser.
var headerNames = [...]string{"",
	"Cache-Control", "Connection", "Date", "Pragma", "Transfer-Encoding", "Upgrade", "Via", "Accept", "Accept-Charset",
	"Accept-Encoding", "Accept-Language", "Authorization", "From", "Host", "If-Modified-Since", "If-Match",
	"If-None-Match", "If-Range", "If-Unmodified-Since", "Max-Forwards", "Proxy-Authorization", "Range", "Referer",
	"User-Agent", "Age", "Location", "Proxy-Authenticate", "Public", "Retry-After", "Server", "Vary", "Warning",
	"Www-Authenticate", "Allow", "Content-Base", "Content-Encoding", "Content-Language", "Content-Length",
	"Content-Location", "Content-Md5", "Content-Range", "Content-Type", "Etag", "Expires", "Last-Modified",
	"Accept-Ranges", "Set-Cookie", "Set-Cookie2", "X-Forwarded-For", "Cookie", "Keep-Alive", "Proxy-Connection",
}

// headerSlots is a hash table of the names without collisions, which a test checks.
var headerSlots = func() (slots [256]uint8) {
	for i, name := range headerNames {
		if i > 0 {
			slots[headerHash([]byte(name))] = uint8(i)
		}
	}
	return slots
}()

// headerHash is the slot of a name in any case, which is not empty. The factors were searched for.
func headerHash(b []byte) uint8 {
	n := len(b)
	return uint8(n) + (b[0] | 0x20) + 2*(b[n-1]|0x20) + 12*(b[uint(2*n)/3]|0x20)
}

// headerIndex looks a name of token characters up, in any case.
func headerIndex(b []byte) int {
	if len(b) == 0 {
		return 0
	}
	i := headerSlots[headerHash(b)]
	name := headerNames[i]
	if len(name) != len(b) {
		return 0
	}
	// Bit 5 alone tells capitals from small letters. It makes no other token character one of a name.
	for j := range len(b) {
		if (b[j]^name[j])&^0x20 != 0 {
			return 0
		}
	}
	return int(i)
}
