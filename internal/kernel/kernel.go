// Package kernel tells which Linux runs, and is what packages esock and esocktest share of a simulated kernel.
package kernel

import (
	"fmt"
	"sync"
	"syscall"

	_ "github.com/esock-go/esock/internal/needlinux"
)

// Release is the running Linux, 6.18 as {6, 18}: uname(2), asked once. Zeros when it does not tell. It is for what
// nothing else tells apart; what the kernel can be asked is asked.
var Release = sync.OnceValue(func() [2]int {
	var u syscall.Utsname
	if syscall.Uname(&u) != nil {
		return [2]int{}
	}
	text := make([]byte, 0, len(u.Release))
	for _, c := range u.Release {
		if c == 0 {
			break
		}
		text = append(text, byte(c))
	}
	return parse(string(text))
})

func parse(text string) (r [2]int) {
	if n, _ := fmt.Sscanf(text, "%d.%d", &r[0], &r[1]); n != 2 {
		return [2]int{}
	}
	return r
}

// From reports whether the running Linux is at least major.minor.
func From(major, minor int) bool {
	r := Release()
	return r[0] > major || r[0] == major && r[1] >= minor
}
