package sockopt

import (
	"math"
	"testing"

	"github.com/esock-go/esock"
	"github.com/stretchr/testify/assert"
)

// A structure that is a control message and an option's value is one type, with one form.
func TestSCTPStructuresAreOneType(t *testing.T) {
	init := esock.SCTPInit{NumOStreams: 1, MaxInStreams: 2, MaxAttempts: 3, MaxInitTimeout: math.MaxUint16}
	sndrcv := esock.SCTPSndRcv{Stream: 1, SSN: 2, Flags: 3, PPID: 4, Context: 5, TimeToLive: 6, TSN: 7, CumTSN: 8, AssocID: -9}
	snd := esock.SCTPSndInfo{SID: 1, Flags: 2, PPID: math.MaxUint32, Context: 4, AssocID: -5}
	var options [][]byte
	for _, encode := range []func() (int64, []byte, string){
		func() (int64, []byte, string) { return SCTPInitMsg.codec.encode(init) },
		func() (int64, []byte, string) { return SCTPDefaultSendParams.codec.encode(sndrcv) },
		func() (int64, []byte, string) { return SCTPDefaultSndInfo.codec.encode(snd) },
	} {
		_, data, cause := encode()
		assert.Empty(t, cause)
		options = append(options, data)
	}
	// A control message carries the structure as it is in memory.
	controls := [][]byte{bytesOf(&init), bytesOf(&sndrcv), bytesOf(&snd)}
	assert.Equal(t, controls, options)
	assert.Equal(t, init, SCTPInitMsg.codec.decode(0, options[0]))
	assert.Equal(t, sndrcv, SCTPDefaultSendParams.codec.decode(0, options[1]))
	assert.Equal(t, snd, SCTPDefaultSndInfo.codec.decode(0, options[2]))
	assert.Equal(t, esock.SCTPSndInfo{SID: 1, Flags: 2}, SCTPDefaultSndInfo.codec.decode(0, options[2][:4]), "an older kernel's is shorter")
}
