package packet

// headerNames are the headers that OTP knows, by their index.
var headerNames = [...]string{"",
	"Cache-Control", "Connection", "Date", "Pragma", "Transfer-Encoding", "Upgrade", "Via", "Accept", "Accept-Charset",
	"Accept-Encoding", "Accept-Language", "Authorization", "From", "Host", "If-Modified-Since", "If-Match",
	"If-None-Match", "If-Range", "If-Unmodified-Since", "Max-Forwards", "Proxy-Authorization", "Range", "Referer",
	"User-Agent", "Age", "Location", "Proxy-Authenticate", "Public", "Retry-After", "Server", "Vary", "Warning",
	"Www-Authenticate", "Allow", "Content-Base", "Content-Encoding", "Content-Language", "Content-Length",
	"Content-Location", "Content-Md5", "Content-Range", "Content-Type", "Etag", "Expires", "Last-Modified",
	"Accept-Ranges", "Set-Cookie", "Set-Cookie2", "X-Forwarded-For", "Cookie", "Keep-Alive", "Proxy-Connection",
}

// headerSlots is a hash table of the names. A test checks that it has no collisions.
var headerSlots = func() (slots [256]uint8) {
	for i, name := range headerNames {
		if i > 0 {
			slots[headerHash([]byte(name))] = uint8(i)
		}
	}
	return slots
}()

// headerHash returns the slot of a name, which is not empty, in any case. A search found factors without collisions.
func headerHash(b []byte) uint8 {
	n := len(b)
	return uint8(n) + (b[0] | 0x20) + 2*(b[n-1]|0x20) + 12*(b[uint(2*n)/3]|0x20)
}

// headerIndex returns the index of a name of token characters, in any case; 0: unknown.
func headerIndex(b []byte) int {
	if len(b) == 0 {
		return 0
	}
	i := headerSlots[headerHash(b)]
	name := headerNames[i]
	if len(name) != len(b) {
		return 0
	}
	// Only bit 5 differs between capitals and small letters. It turns no other token character into one that a name has.
	for j := range len(b) {
		if (b[j]^name[j])&^0x20 != 0 {
			return 0
		}
	}
	return int(i)
}
