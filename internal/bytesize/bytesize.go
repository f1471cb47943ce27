// Package bytesize prints numbers of bytes for people.
package bytesize

import "fmt"

// Text is a number of bytes in the unit that keeps it short: "1 byte", "9000 bytes", "9.8 KiB", "300.0 MiB".
func Text(n int64) string {
	switch {
	case n == 1:
		return "1 byte"
	case n < 10<<10:
		return fmt.Sprintf("%d bytes", n)
	case n < 1<<20:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	case n < 10<<30:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
}
