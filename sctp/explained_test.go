package sctp

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/esock-go/esock"
)

// What SCTP refuses with EINVAL or EPIPE says what is wrong, and has the kernel's number.
func TestRefusalsSayWhatIsWrong(t *testing.T) {
	s, _ := listener(t, esock.SeqPacket)
	one, _ := oneToOne(t, nil)
	second := func(_ any, err error) error { return err }
	for _, c := range []struct {
		what string
		err  error
		is   syscall.Errno
		says string
	}{
		{"PeelOff of nothing", second(PeelOff(s, 4711)), syscall.EINVAL, "the socket has no such association, or is one-to-one"},
		{"PeelOff of one-to-one", second(PeelOff(one, 0)), syscall.EINVAL, "the socket has no such association, or is one-to-one"},
		{"PeerNames of nothing", second(PeerNames(s, 4711)), syscall.EINVAL, "the socket has no such association"},
		{"SockNames of nothing", second(SockNames(s, 4711)), syscall.EINVAL, "the socket has no such association"},
		{"EOF of nothing", EOF(s, 4711, patient), syscall.EPIPE, "there is no such association, or it has ended"},
		{"SendV to nobody", second(SendV(s, [][]byte{{1}}, nil, patient)), syscall.EPIPE, "there is no such association, or it has ended"},
		{"a stream that is not", second(SendV(one, [][]byte{{1}}, nil, patient, esock.SCTPSndInfo{SID: 999})), syscall.EINVAL,
			"the association has no such stream, or sockets of this style take no such flag"},
		{"Abort of one-to-one", Abort(one, 0, nil, patient), syscall.EINVAL, "sockets of this style take no such flag"},
		{"ResetStreams of nothing", ResetStreams(s, 4711, Outgoing), syscall.EINVAL, "needs an association that the socket has"},
	} {
		assert.ErrorIs(t, c.err, c.is, c.what)
		assert.ErrorContains(t, c.err, c.says, c.what)
	}
}
