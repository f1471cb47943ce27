package esock

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
)

// SCTP's one-to-one sockets are of type Stream, and what one call sends is one message: more buffers than a message has
// are refused, where a stream takes any number.
func TestABoundOfBuffersOnSCTP(t *testing.T) {
	few, many := make([][]byte, iovMax), make([][]byte, iovMax+1)
	for i := range many {
		many[i] = []byte{1}
	}
	stream, sctp := &Socket{typ: Stream, proto: int32(TCP)}, &Socket{typ: Stream, proto: int32(SCTP)}
	assert.NoError(t, stream.checkIov(many))
	assert.NoError(t, sctp.checkIov(few))
	assert.ErrorIs(t, sctp.checkIov(many), &InvalidError{What: "iov"})
	assert.False(t, stream.sendsMessages())
	assert.True(t, sctp.sendsMessages())
}

// A one-to-many socket sends without Connect, also while it listens: its errors are about the association.
func TestTheCauseOfAFailedSendOnSCTP(t *testing.T) {
	for _, listening := range []uint32{0, factListening} {
		many := &Socket{typ: SeqPacket, proto: int32(SCTP)}
		many.facts.Store(listening)
		for _, op := range []Op{OpSendMsg, OpSend} {
			assert.Equal(t, "there is no such association, or it has ended: use SendTo, a Msg with Addr, or Connect", many.causeOf(op.String(), syscall.EPIPE))
		}
		many.facts.Or(factWriteEnded)
		assert.Equal(t, "Shutdown has ended writing", many.causeOf(OpSendMsg.String(), syscall.EPIPE))
	}
}
