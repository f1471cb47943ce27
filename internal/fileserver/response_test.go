package fileserver

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/esock-go/esock"
)

// A client that stops reading is cut off after --stall, however much it has read; one that reads a byte now and then is
// served to the end.
func TestServeStallIsOneTime(t *testing.T) {
	stall := esock.Within(time.Hour)
	broken := errors.New("broken")
	type step struct {
		takes int64
		err   error
	}
	for name, s := range map[string]struct {
		steps []step
		waits int // calls that wait
		want  error
	}{
		"all at once":       {[]step{{100, nil}}, 0, nil},
		"nothing ever":      {[]step{{0, esock.ErrTimeout}, {0, esock.ErrTimeout}}, 1, esock.ErrTimeout},
		"some, then none":   {[]step{{60, esock.ErrTimeout}, {0, esock.ErrTimeout}}, 1, esock.ErrTimeout},
		"now and then":      {[]step{{60, esock.ErrTimeout}, {1, nil}, {20, esock.ErrTimeout}, {1, nil}, {18, nil}}, 2, nil},
		"stops in the end":  {[]step{{98, esock.ErrTimeout}, {1, nil}, {0, esock.ErrTimeout}, {0, esock.ErrTimeout}}, 2, esock.ErrTimeout},
		"last byte waits":   {[]step{{99, esock.ErrTimeout}, {1, nil}}, 1, nil},
		"broken at once":    {[]step{{10, broken}}, 0, broken},
		"broken in waiting": {[]step{{10, esock.ErrTimeout}, {0, broken}}, 1, broken},
	} {
		var done int64
		waits := 0
		sent, err := push(100, stall, func(at, n int64, w esock.Wait) (int64, error) {
			require.Equal(t, done, at, name)
			require.LessOrEqual(t, at+n, int64(100), name)
			require.NotEmpty(t, s.steps, name)
			if w != esock.Within(0) {
				waits++
				assert.Equal(t, stall, w, name)
				assert.EqualValues(t, 1, n, "%s: only the next byte is waited for, so that the wait ends with it", name)
			} else {
				assert.Equal(t, 100-at, n, name)
			}
			now := s.steps[0]
			s.steps = s.steps[1:]
			done += now.takes
			return now.takes, now.err
		})
		assert.ErrorIs(t, err, s.want, name)
		assert.Equal(t, done, sent, name)
		assert.Empty(t, s.steps, name)
		assert.Equal(t, s.waits, waits, name)
	}
}

// The phrases are those of RFC 9110, section 15.
func TestPhrases(t *testing.T) {
	for status, want := range map[int]string{200: "OK", 206: "Partial Content", 301: "Moved Permanently", 304: "Not Modified",
		400: "Bad Request", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 408: "Request Timeout",
		412: "Precondition Failed", 414: "URI Too Long", 416: "Range Not Satisfiable",
		431: "Request Header Fields Too Large", 500: "Internal Server Error",
		501: "Not Implemented", 503: "Service Unavailable", 505: "HTTP Version Not Supported"} {
		assert.Equal(t, want, phrase(status), status)
	}
}
