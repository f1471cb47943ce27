package sockopt

import (
	"math"
	"time"

	"github.com/esock-go/esock/internal/plain"
)

// Times by name: a number in the kernel's unit, a time.Duration or its text ("1.5s"), or OTP's timeval, {sec, usec}. What is
// between two units is rounded up, so that no time becomes 0, which often means something else.

// codecUnits are the units of options that are times, by codec.
var codecUnits = map[string]time.Duration{"sec": time.Second, "msec": time.Millisecond, "usec": time.Microsecond,
	"timeval": time.Microsecond}

// durationFromPlain reads a time that has its own unit. is reports whether v is of such a form.
func durationFromPlain(v any) (d time.Duration, is bool, cause string) {
	switch v := v.(type) {
	case time.Duration:
		return v, true, ""
	case string:
		d, err := time.ParseDuration(v)
		if err != nil {
			return 0, true, "not a time"
		}
		return d, true, ""
	case map[string]any:
		r := plain.Read(v)
		sec := r.Number("sec", 0, math.MaxInt64/int64(time.Second)-1, 0)
		usec := r.Number("usec", 0, 999_999, 0)
		return time.Duration(sec)*time.Second + time.Duration(usec)*time.Microsecond, true, r.Finish("sec", "usec")
	}
	return 0, false, ""
}

// timeFromPlain reads a time, and returns it in units from 0 to high.
func timeFromPlain(v any, unit time.Duration, high int64) (n int64, cause string) {
	d, is, cause := durationFromPlain(v)
	switch {
	case cause != "":
		return 0, cause
	case is:
		return wholeUnits(d, unit, high)
	}
	return plain.Number(v, 0, high)
}
